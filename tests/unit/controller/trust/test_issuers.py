"""One issuer's look at its roots: what can't be known takes nothing away, and is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from issuer.controller.state.defects import Defects
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.health.shared_signer import Identity, SharedSigner
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.controller.state.watched.namespaces import NamespaceStore
from issuer.controller.trust.distribution import TrustDistribution, Watched
from issuer.controller.trust.issuers import joined
from issuer.controller.trust.ledger import Target
from issuer.controller.trust.reasons import TrustReason
from issuer.controller.trust.reporter import Finding, TrustReporter
from issuer.controller.trust.targets import TrustTargets
from issuer.kube.client import KubeClient
from issuer.kube.events import EventRecorder
from issuer.kube.wire import Object
from issuer.requests.conditions import find
from issuer.requests.issuers import IssuerKey
from issuer.signing.backends import built_in
from issuer.signing.outcomes import Retry
from issuer.signing.signer import OwnCAs
from issuer.signing.vault.reasons import VaultRetry
from issuer.telemetry.metrics import Metrics
from tests.builders import NOW, REASON_LABELS, issuer_object
from tests.ca import TestCA
from tests.unit.controller.fakes import ScriptedKube, ScriptedSigner, SilentRecorder

KEY = IssuerKey("VaultClusterIssuer", "", "demo")
TRUST = {"configMap": {"name": "roots", "namespaceSelector": {"matchLabels": {"none": "has"}}}}


class NamingSigner(ScriptedSigner):
    """A signer that names these CAs, or fails so."""

    cas: OwnCAs | Retry = OwnCAs("")

    async def own_cas(self) -> OwnCAs:
        if isinstance(self.cas, Retry):
            raise self.cas
        return self.cas


class Desk:
    """A distribution with one issuer, that is not started."""

    def __init__(self, names: tuple[str, ...] = ("roots",)) -> None:
        self.kube, self.signer, self.recorder = ScriptedKube(), NamingSigner(), SilentRecorder()
        client, backends = cast(KubeClient, self.kube), built_in()
        self.store = IssuerStore(KEY.kind, lambda _key: None)
        self.registry = IssuerRegistry(lambda _key: None)
        namespaces = NamespaceStore(lambda _name: None)
        namespaces.upsert({"metadata": {"name": "team-a"}})
        reporter = TrustReporter(
            client,
            {KEY.kind: self.store},
            backends,
            cast(EventRecorder, self.recorder),
            now=lambda: NOW,
        )
        self.trust = TrustDistribution(
            client,
            TrustTargets(names, cluster_trust_bundles=False),
            Watched({KEY.kind: self.store}, self.registry, namespaces),
            backends.kinds,
            reporter,
            lambda: True,
            Defects(Metrics(REASON_LABELS)),
            period=60.0,
        )
        self.trust._looks.now = lambda: NOW
        for store in self.trust.ledger.stores.values():
            store.begin()
            store.end()

    def written(self, name: str = "demo", **spec: Any) -> None:
        """Somebody writes the issuer."""
        self.store.upsert(issuer_object(name, **spec))
        self.trust.issuer(KEY._replace(name=name))

    async def ready(self, signer: object) -> None:
        """Its check passes."""
        self.registry.begin_check(KEY, "uid-1", 1)
        await self.registry.use_signer(KEY, SharedSigner(cast(Any, signer), Identity("uid-1", 1, ())))
        self.registry.mark_ready(KEY)

    async def look(self, key: IssuerKey = KEY) -> str:
        """Look at the issuer, all namespaces, and the issuer again; the reason of its condition then."""
        await self.trust._looks.reconcile(key)
        for name in self.trust.ledger.stores:
            self.trust.ledger.done(Target(name, "team-a"))
        await self.trust._looks.reconcile(key)
        status: Object = (self.store.get(key) or {}).get("status") or {}
        return str((find(status.get("conditions"), "TrustDistributed") or {}).get("reason", ""))

    def roots(self) -> int:
        """The number of roots that are known."""
        claim = self.trust.ledger.claims.of(KEY)
        found = None if claim is None else self.trust.ledger.roots(claim)
        return 0 if found is None else found.count


@pytest.fixture
async def desk(ca: TestCA) -> AsyncIterator[Desk]:
    one = Desk()
    one.signer.cas = OwnCAs(ca.ca_pems)
    yield one
    one.trust._issuers.close()
    one.trust._targets.close()
    assert not one.kube.script


async def test_roots_are_known_once_the_issuer_is_ready_and_stay(desk: Desk) -> None:
    desk.written(trust=TRUST)
    desk.kube.accepts_status()
    assert await desk.look() == "IssuerNotReady"
    assert desk.trust.distributed == {}  # its Ready has an alert of its own
    await desk.ready(desk.signer)
    desk.kube.accepts_status()
    assert await desk.look() == "Distributed"
    assert [one[0] for one in desk.recorder.events] == ["Normal", "Normal"]  # a new issuer is no trouble
    desk.registry.mark_broken(KEY, VaultRetry.VAULT_UNAVAILABLE, "down")
    assert await desk.look() == "Distributed"
    assert desk.roots() == 1


@pytest.mark.parametrize("named", [OwnCAs("", "the list may not be read"), None])
async def test_cas_that_are_not_all_known_are_told_and_change_nothing(
    desk: Desk, named: OwnCAs | None
) -> None:
    desk.written(trust=TRUST)
    await desk.ready(desk.signer)
    desk.kube.accepts_status()
    assert await desk.look() == "Distributed"
    desk.trust._looks._read.clear()  # half a period later
    if named is None:
        await desk.ready(ScriptedSigner())
    else:
        desk.signer.cas = named
    assert desk.trust.distributed == {KEY: True}
    desk.kube.accepts_status()
    assert await desk.look() == "CAsNotListed"
    assert desk.roots() == 1
    assert desk.trust.distributed == {KEY: False}


async def test_trouble_of_the_cas_server_is_left_to_the_issuers_own_check(desk: Desk) -> None:
    desk.written(trust=TRUST)
    await desk.ready(desk.signer)
    desk.signer.cas = Retry(VaultRetry.VAULT_UNAVAILABLE, "down")
    assert await desk.look() == ""
    assert desk.trust._issuers.failures(KEY) == 2


async def test_what_was_found_for_another_spec_is_not_written(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spec changes while the CAs are read: the condition would say that this one was looked at."""
    desk.written(trust=TRUST)
    await desk.ready(desk.signer)

    async def slow() -> OwnCAs:
        changed = issuer_object(trust={"configMap": {**TRUST["configMap"], "key": "roots.pem"}})
        desk.store.upsert({**changed, "metadata": {**changed["metadata"], "generation": 2}})
        desk.trust.issuer(KEY)
        return OwnCAs("", "the list may not be read")

    monkeypatch.setattr(desk.signer, "own_cas", slow)
    await desk.trust._looks.reconcile(KEY)
    assert desk.trust._issuers.failures(KEY) == 1


async def test_a_bundle_that_cannot_be_deleted_keeps_no_config_map_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(_key: IssuerKey) -> Finding:
        return Finding(False, TrustReason.CLUSTER_TRUST_BUNDLE_REFUSED, "can't be deleted")

    monkeypatch.setattr(desk.trust._bundles, "remove", refused)
    desk.written(trust=TRUST)
    await desk.ready(desk.signer)
    desk.kube.accepts_status()
    assert await desk.look() == "ClusterTrustBundleRefused"
    assert desk.roots() == 1
    desk.store.upsert({**(desk.store.get(KEY) or {}), "spec": {}})
    desk.trust.issuer(KEY)
    await desk.trust._looks.reconcile(KEY)
    assert desk.trust._issuers.failures(KEY) == 1


async def test_a_spec_that_cannot_be_read_is_told_and_one_without_trust_says_nothing(desk: Desk) -> None:
    desk.written(trust={"configMap": {"name": "Upper"}})
    desk.kube.accepts_status()
    assert await desk.look() == "InvalidSpec"
    assert desk.trust.distributed == {KEY: False}
    desk.store.upsert({**(desk.store.get(KEY) or {}), "spec": {}})
    desk.trust.issuer(KEY)
    desk.kube.accepts_status()
    assert await desk.look() == ""
    assert desk.trust.distributed == {}


async def test_what_cannot_be_deleted_is_told_and_keeps_no_roots_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Finding(False, TrustReason.CLUSTER_TRUST_BUNDLE_REFUSED, "it can't be deleted")

    async def remove(_key: IssuerKey) -> Finding:
        return left

    monkeypatch.setattr(desk.trust._bundles, "remove", remove)
    desk.written(trust=TRUST)
    await desk.ready(desk.signer)
    desk.kube.accepts_status()
    assert await desk.look() == left.reason
    assert desk.trust.distributed == {KEY: True}


async def test_what_namespaces_bring_about_hides_no_trouble_of_the_issuer() -> None:
    left_out = Finding(False, TrustReason.NAMESPACES_LEFT_OUT, "in team-a (taken)")
    refused = Finding(False, TrustReason.CLUSTER_TRUST_BUNDLE_REFUSED, "refused")
    for order in ([left_out, refused], [refused, left_out]):
        found = joined(order)
        assert found == Finding(False, refused.reason, "refused; in team-a (taken)")
    assert not TrustReason.NAMESPACES_LEFT_OUT.keeps_all_back


async def test_names_that_may_not_be_written_are_told_though_vault_is_away(desk: Desk) -> None:
    desk.written(trust={"configMap": {**TRUST["configMap"], "name": "other"}})
    desk.kube.accepts_status()
    assert await desk.look() == "ConfigMapNotAllowed"
    desk.written(trust=TRUST)
    desk.written("another", trust=TRUST)
    desk.kube.accepts_status()
    assert await desk.look() == "ConfigMapTaken"
