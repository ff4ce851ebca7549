"""ClusterTrustBundles: one an issuer, where the API server has them and the operator wants them."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from issuer.controller.trust import cluster_bundles
from issuer.controller.trust.claims import Claim, read_claim
from issuer.controller.trust.cluster_bundles import ClusterBundles
from issuer.controller.trust.issuers import joined
from issuer.controller.trust.reasons import TrustReason
from issuer.controller.trust.repeats import PEACE, REST
from issuer.controller.trust.reporter import Finding
from issuer.controller.trust.roots import Roots
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, Forbidden, Invalid, KubeError, NotFound
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.requests.issuers import BUILT_IN, IssuerKey
from tests.builders import issuer_object
from tests.unit.controller.fakes import ScriptedKube
from tests.unit.virtual_time import SetClock

KEY = IssuerKey("VaultClusterIssuer", "", "demo")
NAME = "vaultclusterissuers.vault-issuer.io:demo:roots"
ROOTS = Roots("PEM", 1, "00")


class Kube(ScriptedKube):
    """An API server with ClusterTrustBundles in these versions."""

    def __init__(self, *versions: str) -> None:
        super().__init__()
        self.versions = versions

    async def get_path(self, path: str) -> Object:
        if path.rpartition("/")[2] not in self.versions:
            raise NotFound("no such path", status=404)
        return {"resources": [{"name": "clustertrustbundles"}]}


def claim() -> Claim:
    found = read_claim(KEY, issuer_object(trust={"clusterTrustBundle": {}}))
    assert found is not None
    return found


async def bundles(kube: Kube, *there: Object, wanted: bool = True) -> ClusterBundles:
    """Those that have listed what is there."""
    made = ClusterBundles(cast(KubeClient, kube), BUILT_IN, wanted=wanted, on_change=changed.append)
    changed.clear()
    made._resource = await made._served()
    if made._resource is not None:
        made._store.begin()
        for one in there:
            made._store.add(one)
        made._store.end()
    return made


changed: list[IssuerKey] = []


def bundle(text: str = "PEM", owner: str = str(KEY), **labels: str) -> Object:
    labels = labels or {"vault-issuer.io/trust": "roots"}
    annotations = {"vault-issuer.io/trust-issuer": owner}
    meta = {"name": NAME, "uid": "u", "resourceVersion": "1", "labels": labels, "annotations": annotations}
    spec = {"signerName": "vaultclusterissuers.vault-issuer.io/demo", "trustBundle": text}
    return {"metadata": meta, "spec": spec}


def stored(sent: Object) -> Any:
    return {**sent, "metadata": {**sent["metadata"], "uid": "u", "resourceVersion": "2"}}


@pytest.mark.parametrize(("versions", "used"), [(("v1beta1",), "v1beta1"), (("v1", "v1beta1"), "v1")])
async def test_the_best_version_that_is_served_is_used_and_written_once(
    versions: tuple[str, ...], used: str
) -> None:
    kube = Kube(*versions)
    made = await bundles(kube)
    written: list[Object] = []
    kube.expect("create", lambda sent: written.append(sent) or stored(sent))  # type: ignore[func-returns-value]
    for _ in range(2):
        found = await made.finding(claim(), ROOTS)
        assert found is not None
        assert found.distributed
    assert written[0]["apiVersion"] == f"certificates.k8s.io/{used}"
    assert written[0]["spec"] == bundle()["spec"]


async def test_a_version_that_goes_is_followed_by_the_one_that_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a time with none, as where the feature gate is off."""
    watched: list[str] = []
    second = asyncio.Event()

    class Refused:
        refused = True

        def __init__(self, _client: object, resource: Resource, *_more: object, **_options: object) -> None:
            watched.append(resource.version)
            if len(watched) == 2:
                second.set()

        async def run(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(cluster_bundles, "Reflector", Refused)
    kube = Kube("v1beta1")
    later: list[tuple[str, ...]] = [(), ("v1",)]

    async def sleep(_seconds: float) -> None:
        if later:
            kube.versions = later.pop(0)
        await asyncio.sleep(0)

    made = ClusterBundles(
        cast(KubeClient, kube), BUILT_IN, wanted=True, on_change=lambda _key: None, sleep=sleep
    )
    running = asyncio.create_task(made.run())
    await second.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert watched == ["v1beta1", "v1"]


async def test_what_is_off_or_not_there_is_told() -> None:
    off = await (await bundles(Kube("v1"), wanted=False)).finding(claim(), ROOTS)
    missing = await (await bundles(Kube())).finding(claim(), ROOTS)
    theirs = await (await bundles(Kube("v1"), bundle(app="theirs"))).finding(claim(), ROOTS)
    assert [one.reason for one in (off, missing, theirs) if one is not None] == [
        TrustReason.CLUSTER_TRUST_BUNDLES_OFF,
        TrustReason.CLUSTER_TRUST_BUNDLES_NOT_SERVED,
        TrustReason.CLUSTER_TRUST_BUNDLE_REFUSED,
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Forbidden("attest", status=403), TrustReason.CLUSTER_TRUST_BUNDLES_FORBIDDEN),
        (Invalid("bad", status=422), TrustReason.CLUSTER_TRUST_BUNDLE_REFUSED),
        (Conflict("changed", status=409), None),
    ],
)
async def test_a_refusal_is_told_and_a_conflict_is_looked_at_again(
    error: KubeError, reason: TrustReason | None
) -> None:
    kube = Kube("v1")
    made = await bundles(kube, bundle("old"))
    kube.expect("replace", error)
    found = await made.finding(claim(), ROOTS)
    assert (None if found is None else found.reason) == reason


async def test_one_that_is_changed_again_and_again_is_written_at_a_pace_and_told() -> None:
    """Two who each want their own there would write without end."""
    kube, clock = Kube("v1"), SetClock()
    made = await bundles(kube)
    made._written.clock = clock
    for _ in range(2):
        kube.expect("create", stored)
        found = await made.finding(claim(), ROOTS)
        assert found is not None
        assert found.distributed
        made._store.drop(NAME)
    assert await made.finding(claim(), ROOTS) is None, "it is looked at again in a moment"
    clock.now += REST
    kube.expect("create", stored)
    found = await made.finding(claim(), ROOTS)
    assert found is not None
    assert "again and again" in found.message
    assert made.is_contested(KEY)
    clock.now += PEACE
    found = await made.finding(claim(), ROOTS)
    assert found is not None
    assert found.distributed


async def test_what_was_made_is_removed_and_nothing_else() -> None:
    kube = Kube("v1")
    assert await (await bundles(kube, bundle(app="theirs"))).remove(KEY) is None
    assert await (await bundles(kube, bundle(owner="VaultClusterIssuer other"))).remove(KEY) is None
    kube.expect("delete", {})
    assert await (await bundles(kube, bundle())).remove(KEY) is None
    kube.expect("delete", Forbidden("no", status=403))
    refused = await (await bundles(kube, bundle())).remove(KEY)
    assert refused is not None
    assert "can't be deleted: no" in refused.message


async def test_what_is_left_of_an_issuer_that_is_gone_has_it_looked_at() -> None:
    await bundles(Kube("v1"), bundle(owner="StepClusterIssuer gone"))
    assert set(changed) == {IssuerKey("StepClusterIssuer", "", "gone")}
    await bundles(Kube("v1"), bundle(owner="Nonsense gone"), bundle(app="theirs"))
    assert changed == []


def test_a_condition_tells_what_is_wrong_first() -> None:
    good = Finding(True, TrustReason.DISTRIBUTED, "a")
    bad = Finding(False, TrustReason.CLUSTER_TRUST_BUNDLES_OFF, "b")
    assert joined([good, bad]) == bad
    assert joined([None, bad]) == bad
    assert joined([good, None]) is None
    assert joined([good, good]) == Finding(True, TrustReason.DISTRIBUTED, "a; a")
