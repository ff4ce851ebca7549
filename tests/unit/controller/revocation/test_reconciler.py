"""The plan carried out between a scripted API server and a scripted signer: once, and told."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import pytest

from issuer.api.issuers import VaultIssuerSpec
from issuer.controller.issuers.signers import IssuerSigners
from issuer.controller.revocation.plan import Policy
from issuer.controller.revocation.reconciler import RevocationReconciler
from issuer.controller.revocation.store import RevocationStore
from issuer.controller.state.defects import Defects
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.health.shared_signer import Identity, SharedSigner
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.controller.state.watched.namespaces import NamespaceStore
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, Forbidden, NotFound, Unavailable
from issuer.kube.events import EventRecorder
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.wire import Object
from issuer.requests.finalizer import FINALIZER, SECRET_ANNOTATION
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey
from issuer.signing.outcomes import IssuerUnavailable, NotRevoked, Retry, SigningError
from issuer.signing.vault.reasons import VaultOutage, VaultRetry, VaultRevocationReason
from issuer.telemetry.metrics import Metrics
from tests.builders import NOW, certificate_request, condition, csr_pem, issuer_object
from tests.ca import TestCA
from tests.unit.controller.bench import CLUSTER_ISSUER
from tests.unit.controller.fakes import ScriptedKube, ScriptedSigner, SilentRecorder

KEY = RequestKey("team-a", "one")
WAIT = timedelta(minutes=5)
GONE = NotFound("gone", status=404)


class Desk:
    """A revocation reconciler with one deleted, issued request of the Certificate `web`."""

    def __init__(self, ca: TestCA) -> None:
        csr = csr_pem("a.lab.example.test")
        self.leaf = ca.sign(csr.decode()).leaf_pem
        self.other = ca.sign(csr_pem("a.lab.example.test").decode()).leaf_pem
        self.kube, self.signer, self.recorder = ScriptedKube(), ScriptedSigner(), SilentRecorder()
        self.metrics, self.time = Metrics(), NOW
        self.queue: WorkQueue[RequestKey] = WorkQueue()
        self.checks: WorkQueue[IssuerKey] = WorkQueue()
        self.store = RevocationStore(lambda _key: None, lambda: self.time)
        self.namespaces = NamespaceStore(lambda _name: None)
        self.registry = IssuerRegistry(lambda _key: None)
        self.issuers: dict[str, IssuerStore] = {
            kind: IssuerStore(kind, lambda _key: None) for kind in ("VaultIssuer", "VaultClusterIssuer")
        }
        self.request = certificate_request(request=csr)
        self.request["metadata"] |= {
            "finalizers": [FINALIZER],
            "deletionTimestamp": "2026-11-22T12:00:00Z",
            "annotations": {"cert-manager.io/certificate-name": "web", SECRET_ANNOTATION: "web-tls"},
        }
        self.with_certificate(self.leaf)
        self.with_policy("OnDelete")
        self.reconciler = RevocationReconciler(
            client=cast(KubeClient, self.kube),
            store=self.store,
            issuers=self.issuers,
            signers=IssuerSigners(
                cast(KubeClient, self.kube), self.issuers, self.registry, self.checks, {}, lambda _: "system"
            ),
            namespaces=self.namespaces,
            queue=self.queue,
            recorder=cast(EventRecorder, self.recorder),
            metrics=self.metrics,
            defects=Defects(self.metrics),
            may_work=lambda: True,
            wait=WAIT,
            now=lambda: self.time,
        )

    def with_certificate(self, pem: str) -> None:
        """Put that into the request's status."""
        self.request["status"] = {
            "conditions": [condition("Ready", reason="Issued")],
            "certificate": _base64(pem),
        }
        self.store.upsert(self.request)

    def with_policy(self, policy: str, *secrets: tuple[str, str]) -> None:
        """The issuer, Ready, with that policy; `secrets` are names and versions."""
        obj = issuer_object(revocation={"policy": policy})
        self.issuers["VaultClusterIssuer"].upsert(obj)
        entry = self.registry.entry(CLUSTER_ISSUER)
        entry.uid, entry.generation = obj["metadata"]["uid"], obj["metadata"]["generation"]
        entry.spec, entry.shared = (
            VaultIssuerSpec.parse(obj["spec"]),
            SharedSigner(self.signer, Identity("uid-1", 1, secrets)),
        )
        self.registry.mark_ready(CLUSTER_ISSUER)

    def looks(self, secret: str | Exception | None) -> None:
        """It reads the Certificate (gone), the request, the Certificate, and the Secret (None: gone)."""
        self.kube.expect("get", GONE)
        self.kube.expect("get", self.request)
        self.kube.expect("get", GONE)
        if isinstance(secret, Forbidden):
            self.kube.expect("get", secret)
        else:
            self.kube.expect("get", GONE if secret is None else {"data": {"tls.crt": _base64(str(secret))}})

    async def reconcile(self) -> None:
        """One look, after which every scripted call must have been made."""
        await self.reconciler.reconcile(KEY)
        assert not self.kube.script, f"calls not made: {list(self.kube.script)}"
        assert not self.signer.revokes, "a scripted revocation was not asked for"

    def count(self, result: str) -> float | None:
        return self.metrics.registry.get_sample_value("vault_issuer_revocations_total", {"result": result})


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_nothing_is_revoked_by_a_login_whose_secret_is_gone(desk: Desk) -> None:
    desk.with_policy("OnDelete", ("login", "7"))
    desk.looks(None)
    desk.kube.expect("get", GONE)
    await desk.reconcile()
    assert not desk.signer.revoked
    assert desk.queue.failures(KEY) == 1, "it is tried again"
    assert desk.checks.where(CLUSTER_ISSUER) == "line"


@pytest.fixture
def desk(ca: TestCA) -> Iterator[Desk]:
    one = Desk(ca)
    yield one
    one.queue.close()


def accepted(sent: Object) -> Object:
    assert FINALIZER not in sent["metadata"]["finalizers"]
    return sent


async def test_it_revokes_by_pem_and_lets_go(desk: Desk) -> None:
    desk.looks(None)
    desk.signer.revokes.append(None)
    desk.kube.expect("replace", accepted)
    await desk.reconcile()
    assert desk.signer.revoked == [desk.leaf]
    assert desk.count("revoked") == 1
    assert desk.recorder.events == []


async def test_a_finalizer_that_could_not_be_taken_off_does_not_revoke_again(desk: Desk) -> None:
    desk.looks(None)
    desk.signer.revokes.append(None)
    desk.kube.expect("replace", Conflict("changed", status=409))
    await desk.reconcile()
    desk.kube.expect("get", desk.request)
    desk.kube.expect("replace", Unavailable("down", status=503))
    await desk.reconcile()
    desk.kube.expect("get", desk.request)
    desk.kube.expect("replace", accepted)
    await desk.reconcile()
    assert len(desk.signer.revoked) == 1
    assert desk.count("revoked") == 1


async def test_a_late_watch_does_not_revoke_again(desk: Desk) -> None:
    desk.looks(None)
    desk.signer.revokes.append(None)
    desk.kube.expect("replace", accepted)
    await desk.reconcile()
    desk.kube.expect("get", GONE)  # the store still has it, the API server doesn't
    await desk.reconcile()
    assert len(desk.signer.revoked) == 1


async def test_one_in_use_is_let_go_and_told(desk: Desk) -> None:
    desk.looks(desk.leaf)
    await desk.reconcile()
    assert desk.queue.delayed == 1
    desk.time += timedelta(seconds=10)
    desk.looks(desk.leaf)
    desk.kube.expect("replace", accepted)
    await desk.reconcile()
    [(kind, reason, message)] = desk.recorder.events
    assert (kind, reason) == ("Normal", "NotRevoked")
    assert "still holds it" in message
    assert desk.count("in_use") == 1


async def test_what_the_certificates_secret_holds_is_in_use_whatever_the_annotation_says(desk: Desk) -> None:
    desk.request["metadata"]["annotations"][SECRET_ANNOTATION] = "nothing"
    desk.store.upsert(desk.request)
    web = {"metadata": {}, "spec": {"secretName": "web-tls"}}
    desk.time += timedelta(seconds=10)
    for answer in (web, desk.request, web, GONE, {"data": {"tls.crt": _base64(desk.leaf)}}):
        desk.kube.expect("get", answer)
    desk.kube.expect("replace", accepted)
    await desk.reconcile()
    assert desk.count("in_use") == 1
    assert desk.signer.revoked == []


@pytest.mark.parametrize(
    "error",
    [
        Retry(VaultRetry.VAULT_UNAVAILABLE, "busy"),
        IssuerUnavailable(VaultOutage.VAULT_SEALED, "sealed"),
        IssuerUnavailable(VaultOutage.VAULT_UNREACHABLE, "down"),
    ],
    ids=lambda one: one.reason,
)
async def test_passing_trouble_is_retried_until_the_wait_is_over(desk: Desk, error: SigningError) -> None:
    desk.looks(None)
    desk.signer.revokes.append(error)
    await desk.reconcile()
    assert desk.queue.delayed == 1
    desk.time += WAIT
    desk.looks(None)
    desk.kube.expect("replace", accepted)
    await desk.reconcile()
    [(kind, reason, message)] = desk.recorder.events
    assert (kind, reason) == ("Warning", "RevocationAbandoned")
    assert error.reason in message
    assert desk.count("abandoned") == 1


async def test_an_unexpected_error_does_not_keep_a_deleted_request_for_ever(desk: Desk) -> None:
    desk.looks(None)
    desk.signer.revokes.append(RuntimeError("odd"))
    await desk.reconcile()
    assert desk.queue.delayed == 1
    desk.time += WAIT
    desk.looks(None)
    desk.kube.expect("replace", accepted)
    await desk.reconcile()
    [(_, reason, message)] = desk.recorder.events
    assert reason == "RevocationAbandoned"
    assert "InternalError" in message


async def test_a_refusal_for_good_is_abandoned_at_once(desk: Desk) -> None:
    desk.looks(None)
    desk.signer.revokes.append(NotRevoked(VaultRevocationReason.REVOCATION_NOT_PERMITTED, "Vault says no"))
    desk.kube.expect("replace", accepted)
    await desk.reconcile()
    assert "RevocationNotPermitted" in desk.recorder.events[0][2]


async def test_an_issuer_that_is_not_ready_is_waited_for(desk: Desk) -> None:
    desk.registry.mark_broken(CLUSTER_ISSUER, VaultOutage.VAULT_SEALED, "sealed")
    desk.looks(None)
    await desk.reconcile()
    assert desk.queue.delayed == 1
    assert desk.signer.revoked == []


async def test_a_new_issuer_of_the_same_name_is_not_used_before_it_was_checked(desk: Desk) -> None:
    desk.issuers["VaultClusterIssuer"].upsert(issuer_object(uid="another", revocation={"policy": "OnDelete"}))
    desk.looks(None)
    await desk.reconcile()
    assert desk.signer.revoked == []


async def test_somebody_elses_certificate_in_the_status_is_not_revoked(desk: Desk) -> None:
    desk.with_certificate(desk.other)
    desk.kube.expect("get", GONE)
    desk.kube.expect("get", desk.request)
    desk.kube.expect("replace", accepted)
    await desk.reconcile()
    assert desk.signer.revoked == []
    assert "NotItsCertificate" in desk.recorder.events[0][2]


@pytest.mark.parametrize(
    "secret", ["no certificate", Forbidden("no right", status=403)], ids=["unreadable", "forbidden"]
)
async def test_a_secret_that_cannot_be_read_is_never_taken_for_one_without_the_certificate(
    desk: Desk, secret: Any
) -> None:
    desk.looks(secret)
    await desk.reconcile()
    assert desk.signer.revoked == []
    desk.time += WAIT
    desk.looks(secret)
    desk.kube.expect("replace", accepted)
    await desk.reconcile()
    assert desk.signer.revoked == []
    assert desk.recorder.events[0][1] == "RevocationAbandoned"


async def test_no_event_is_tried_in_a_namespace_that_is_being_deleted(desk: Desk) -> None:
    desk.namespaces.upsert({"metadata": {"name": "team-a", "deletionTimestamp": "2026-11-22T12:00:00Z"}})
    desk.issuers["VaultClusterIssuer"].drop(IssuerKey("VaultClusterIssuer", "", "demo"))
    desk.kube.expect("get", desk.request)
    desk.kube.expect("replace", accepted)
    await desk.reconcile()
    assert desk.recorder.events == []
    assert desk.count("abandoned") == 1


async def test_a_request_made_again_under_its_name_is_left_alone(desk: Desk) -> None:
    other = {**desk.request, "metadata": {**desk.request["metadata"], "uid": "another"}}
    desk.kube.expect("get", GONE)
    desk.kube.expect("get", other)
    await desk.reconcile()
    assert desk.kube.replaced == []


async def test_a_request_that_left_the_store_is_forgotten(desk: Desk) -> None:
    desk.store.drop(KEY)
    await desk.reconcile()  # which makes no call
    assert desk.queue.delayed == 0


@pytest.mark.parametrize("spec", [None, "odd", {}])
def test_an_issuer_without_a_readable_spec_revokes_nothing(desk: Desk, spec: object) -> None:
    obj = issuer_object()
    obj.pop("spec")
    desk.issuers["VaultClusterIssuer"].upsert(obj if spec is None else {**obj, "spec": spec})
    assert desk.reconciler._policy(CLUSTER_ISSUER) == (Policy.NEVER, timedelta())
