"""A request is answered once, waits with its reason told, and is never signed twice."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pytest

from issuer.api.issuers import IssuerSpec
from issuer.controller.approval import AccessCache, Approver
from issuer.controller.delivery import Delivery
from issuer.controller.policies import PolicyStore
from issuer.controller.registry import IssuerRegistry, SharedSigner
from issuer.controller.request import IssuerKey, Request, RequestKey
from issuer.controller.request_reconciler import RequestReconciler
from issuer.controller.rights import ApprovalRights
from issuer.controller.signing_step import SigningStep
from issuer.controller.stores import IssuerStore, NamespaceStore, RequestStore
from issuer.controller.unprocessed import UnprocessedRequests
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, Forbidden, NotFound, Unavailable
from issuer.kube.events import EventRecorder
from issuer.kube.workqueue import WorkQueue
from issuer.signing.outcomes import Failed, IssuerBroken, Retry
from issuer.telemetry.metrics import Metrics
from testbed.samples import everything_policy, policy
from tests.builders import NOW, approved, certificate_request, condition, issuer_object
from tests.ca import TestCA
from tests.unit.controller.fakes import Json, ScriptedKube, ScriptedSigner, SilentRecorder

CLUSTER_ISSUER = IssuerKey("VaultClusterIssuer", "", "demo")
KEY = RequestKey("team-a", "one")


@pytest.fixture(scope="module")
def ca() -> TestCA:
    return TestCA.make()


class AllowedTo:
    """Who may use which policy: everybody, until a test says otherwise."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.asked = 0

    async def may_use(self, policy: str, _namespace: str, _spec: Mapping[str, Any]) -> bool:
        self.asked += 1
        return policy not in self.refused


class Rights:
    """Whether the controller may approve; it may until a test says otherwise."""

    allowed = True

    async def may_approve(self, _key: IssuerKey) -> bool:
        return self.allowed


def with_meta(policy: Json, generation: int = 1) -> Json:
    """A policy as the API server sends it."""
    meta = {**policy["metadata"], "uid": f"uid-{policy['metadata']['name']}", "generation": generation}
    return {**policy, "metadata": {**meta, "resourceVersion": "1"}}


class Bench:
    """A request reconciler between a scripted API server and a scripted signer."""

    def __init__(self, ca: TestCA) -> None:
        self.ca = ca
        self.kube = ScriptedKube()
        self.signer = ScriptedSigner()
        self.metrics = Metrics()
        self.queue: WorkQueue[RequestKey] = WorkQueue()
        self.issuer_queue: WorkQueue[IssuerKey] = WorkQueue()
        self.store = RequestStore(lambda _key: None)
        self.registry = IssuerRegistry(self.queue.add)
        self.recorder = SilentRecorder()
        self.leading = True
        client = cast(KubeClient, self.kube)
        self.delivery = Delivery(client, self.metrics, lambda: NOW)
        self.policies = PolicyStore(lambda _name: None)
        self.policies.upsert(with_meta(everything_policy()))
        self.access = AllowedTo()
        self.rights = Rights()
        self.unprocessed = UnprocessedRequests(self.queue.add)
        namespaces = NamespaceStore(lambda _name: None)
        namespaces.upsert({"metadata": {"name": "team-a"}})
        self.issuers = {
            kind: IssuerStore(kind, lambda _key: None) for kind in ("VaultIssuer", "VaultClusterIssuer")
        }
        self.reconciler = RequestReconciler(
            client=client,
            store=self.store,
            issuers=self.issuers,
            registry=self.registry,
            queue=self.queue,
            issuer_queue=self.issuer_queue,
            approver=Approver(
                client, self.policies, namespaces, cast(AccessCache, self.access), self.metrics
            ),
            rights=cast(ApprovalRights, self.rights),
            unprocessed=self.unprocessed,
            signing=SigningStep(
                self.registry,
                self.issuer_queue,
                self.delivery,
                self.metrics,
                lambda: self.leading,
                lambda: NOW,
            ),
            delivery=self.delivery,
            recorder=cast(EventRecorder, self.recorder),
            metrics=self.metrics,
            now=lambda: NOW,
        )

    def with_ready_issuer(self) -> Bench:
        """A VaultClusterIssuer ``demo`` that was checked and signs."""
        obj = issuer_object()
        self.issuers["VaultClusterIssuer"].upsert(obj)
        entry = self.registry.entry(CLUSTER_ISSUER)
        entry.uid, entry.generation = obj["metadata"]["uid"], obj["metadata"]["generation"]
        entry.spec = IssuerSpec.parse(obj["spec"])
        entry.shared = SharedSigner(self.signer, ("uid-1", 1, ()))
        self.registry.mark_ready(CLUSTER_ISSUER)
        return self

    def with_request(self, **more: Any) -> Bench:
        """An approved request ``team-a/one``."""
        more.setdefault("conditions", [approved()])
        self.store.upsert(certificate_request(**more))
        return self

    def signs(self, **more: Any) -> Bench:
        """The CA signs what it is asked to, once."""
        self.signer.signs.append(lambda request: self.ca.sign(request.csr_pem, **more))
        return self

    async def reconcile(self) -> None:
        """One attempt, after which every scripted call must have been made."""
        await self.reconciler.reconcile(KEY)
        assert not self.kube.script, f"calls not made: {list(self.kube.script)}"
        assert not self.signer.signs, "a scripted signing was not asked for"

    @property
    def ready(self) -> Json:
        """The Ready condition last written."""
        conditions = self.kube.written[-1]["status"]["conditions"]
        return next(one for one in conditions if one["type"] == "Ready")


@pytest.fixture
def bench(ca: TestCA) -> Iterator[Bench]:
    one = Bench(ca)
    yield one
    one.queue.close()
    one.issuer_queue.close()


async def test_an_approved_request_is_signed_and_answered_in_one_write(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    [written] = bench.kube.written
    chain = base64.b64decode(written["status"]["certificate"]).decode()
    assert chain.count("BEGIN CERTIFICATE") == 2
    assert "root" not in chain
    assert base64.b64decode(written["status"]["ca"]).decode() == bench.ca.ca_pems.split("\n-----BEGIN")[
        1
    ].join(["-----BEGIN", ""])
    assert (bench.ready["status"], bench.ready["reason"]) == ("True", "Issued")
    assert written["status"]["conditions"][0] == approved()
    assert bench.store.get(KEY) is None


async def test_our_approval_and_the_certificate_are_one_write(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(conditions=[]).signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    [written] = bench.kube.written
    kinds = {one["type"]: one for one in written["status"]["conditions"]}
    assert set(kinds) == {"Approved", "Ready"}
    assert kinds["Approved"]["reason"] == "vault-issuer.io"
    assert '"everything"' in kinds["Approved"]["message"]


async def test_a_denial_of_ours_is_one_write_with_its_reasons(bench: Bench) -> None:
    bench.policies.upsert(with_meta(policy("everything", {}), generation=2))
    bench.with_ready_issuer().with_request(conditions=[])
    bench.kube.accepts_status()
    await bench.reconcile()
    [written] = bench.kube.written
    kinds = {one["type"]: one for one in written["status"]["conditions"]}
    assert "spec.allowed.dnsNames" in kinds["Denied"]["message"]
    assert kinds["Ready"]["reason"] == "Denied"
    assert written["status"]["failureTime"]
    assert bench.signer.signed == 0


async def test_a_denial_beside_an_approval_is_a_failure_and_never_denied(bench: Bench) -> None:
    bench.policies.upsert(with_meta(policy("everything", {}), generation=2))
    bench.with_ready_issuer().with_request()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert {one["type"] for one in bench.kube.written[0]["status"]["conditions"]} == {"Approved", "Ready"}


async def test_a_request_no_policy_applies_to_says_so_and_wakes_with_the_policies(bench: Bench) -> None:
    bench.access.refused.add("everything")
    bench.with_ready_issuer().with_request(conditions=[])
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert "everything" in bench.ready["message"]
    assert len(bench.unprocessed) == 1
    bench.unprocessed.wake_all()
    assert bench.queue.depth == 1


async def test_an_external_issuers_request_waits_for_the_other_approver(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(conditions=[])
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.spec = IssuerSpec.parse(issuer_object(approval="External")["spec"])
    await bench.reconcile()
    assert bench.kube.written == []


async def test_an_external_issuer_that_no_policy_selects_signs_on_the_other_approvers_word(
    bench: Bench,
) -> None:
    bench.policies.drop("everything")
    bench.with_ready_issuer().with_request().signs()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.spec = IssuerSpec.parse(issuer_object(approval="External")["spec"])
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"


async def test_an_api_server_that_cannot_say_who_may_what_puts_the_request_off(bench: Bench) -> None:
    async def unable(*_: object) -> bool:
        raise Unavailable("down")

    bench.access.may_use = unable  # type: ignore[method-assign, assignment]
    bench.with_ready_issuer().with_request(conditions=[])
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 0
    assert bench.queue.delayed == 1


async def test_a_refused_status_write_breaks_the_issuer_and_nothing_is_signed_again(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(conditions=[]).signs()
    bench.kube.expect("replace_status", Forbidden("webhook says no", status=403))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert {one["type"] for one in bench.kube.written[-1]["status"]["conditions"]} == {"Ready"}
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert (entry.ready, entry.reason) == (False, "StatusWriteRefused")
    assert len(bench.delivery) == 1
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 1
    assert bench.registry.entry(CLUSTER_ISSUER).refused is None
    assert bench.issuer_queue.depth == 1


async def test_a_denied_request_is_failed_as_the_contract_asks(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(conditions=[condition("Denied")])
    bench.kube.accepts_status()
    await bench.reconcile()
    assert (bench.ready["status"], bench.ready["reason"]) == ("False", "Denied")
    assert bench.kube.written[0]["status"]["failureTime"] == "2026-11-22T12:00:00Z"


@pytest.mark.parametrize(
    ("request_field", "why"),
    [("%%%", "base64"), (base64.b64encode(b"hello").decode(), "PEM"), ("", "PEM")],
)
async def test_a_request_without_a_readable_csr_is_failed_with_the_reason(
    bench: Bench, request_field: str, why: str
) -> None:
    bench.with_ready_issuer().with_request(request=request_field)
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert "spec.request" in bench.ready["message"]
    assert why.lower() in bench.ready["message"].lower()
    assert bench.recorder.events[0][:2] == ("Warning", "Failed")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"kind": "Issuer"}, "spec.issuerRef.kind"),
        ({"duration": "90 days"}, "spec.duration"),
        ({"duration": "-1h"}, "spec.duration"),
        ({"isCA": True}, "spec.certificateAuthority"),
    ],
)
async def test_a_spec_that_can_never_be_served_is_failed_naming_the_field(
    bench: Bench, more: dict[str, Any], why: str
) -> None:
    bench.with_ready_issuer().with_request(**more)
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert why in bench.ready["message"]


async def test_a_request_waits_for_an_issuer_that_is_not_there_and_says_so_once(bench: Bench) -> None:
    bench.with_request()
    bench.kube.expect("replace_status", lambda sent: sent)
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert "there is no VaultClusterIssuer demo" in bench.ready["message"]
    await bench.reconcile()
    assert len(bench.kube.written) == 1


async def test_waiting_requests_wake_when_their_issuer_is_ready(bench: Bench) -> None:
    bench.with_request()
    bench.kube.accepts_status()
    await bench.reconcile()
    bench.with_ready_issuer()
    assert bench.queue.depth == 1


async def test_an_issuer_that_changed_is_not_used_before_it_was_checked_again(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.issuers["VaultClusterIssuer"].upsert(issuer_object(generation=2))
    await bench.reconcile()
    assert bench.signer.signed == 0
    bench.issuers["VaultClusterIssuer"].upsert(issuer_object(uid="uid-2", generation=1))
    await bench.reconcile()
    assert bench.signer.signed == 0


async def test_a_sealed_vault_leaves_the_request_pending_and_its_issuer_to_be_checked(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(Retry("VaultSealed", "Vault is sealed"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert "VaultSealed" in bench.ready["message"]
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert (entry.ready, entry.reason) == (False, "VaultSealed")
    assert bench.issuer_queue.delayed == 1


async def test_a_passing_fault_is_retried_and_told(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(Retry("VaultRateLimited", "too many requests", after=2))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.registry.entry(CLUSTER_ISSUER).ready
    assert bench.queue.delayed == 1
    assert "VaultRateLimited" in bench.ready["message"]


async def test_a_refusal_by_the_ca_fails_the_request(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(Failed("RefusedByVault", "common name x not allowed by this role"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert (bench.ready["reason"], bench.ready["status"]) == ("Failed", "False")
    assert "not allowed by this role" in bench.ready["message"]


async def test_after_a_broken_issuer_returns_one_request_goes_first(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(IssuerBroken("PermissionDenied", "no capability"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.registry.entry(CLUSTER_ISSUER).suspect
    for number in range(5):
        bench.registry.wait(CLUSTER_ISSUER, RequestKey("team-a", f"other-{number}"))
    bench.registry.mark_ready(CLUSTER_ISSUER)
    assert bench.queue.depth == 1
    bench.signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert not bench.registry.entry(CLUSTER_ISSUER).suspect
    assert bench.queue.depth == 6


async def test_a_certificate_with_a_name_nobody_asked_for_is_revoked_and_never_delivered(
    bench: Bench,
) -> None:
    bench.with_ready_issuer().with_request().signs(extra_dns=("evil.example.com",))
    bench.signer.revokes.append(None)
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"
    assert "evil.example.com" in bench.ready["message"]
    assert "certificate" not in bench.kube.written[0]["status"]
    assert len(bench.signer.revoked) == 1


async def test_without_the_leadership_nothing_is_signed(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.leading = False
    await bench.reconcile()
    assert bench.signer.signed == 0
    assert bench.queue.delayed == 1


async def test_a_signed_certificate_outlives_a_failed_write_and_is_not_signed_again(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    bench.kube.expect("replace_status", Unavailable("down"))
    await bench.reconcile()
    assert len(bench.delivery) == 1
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 1
    assert bench.ready["reason"] == "Issued"
    assert len(bench.delivery) == 0


async def test_a_conflict_is_read_again_and_the_same_certificate_delivered(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    fresh = bench.store.get(KEY)
    assert fresh is not None
    bench.kube.expect("replace_status", Conflict("changed", status=409))
    bench.kube.expect(
        "get", {**fresh.object, "metadata": {**fresh.object["metadata"], "resourceVersion": "9"}}
    )
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 1
    assert bench.kube.written[-1]["metadata"]["resourceVersion"] == "9"


async def test_a_write_whose_answer_was_lost_counts_as_delivered(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    arrived: list[Json] = []

    def lose(sent: Json) -> Unavailable:
        arrived.append(sent)
        return Unavailable("timeout")

    bench.kube.expect("replace_status", lose)
    await bench.reconcile()
    bench.kube.expect("replace_status", Conflict("changed", status=409))
    bench.kube.expect("get", lambda _sent: arrived[0])
    await bench.reconcile()
    assert len(bench.delivery) == 0
    assert bench.signer.revoked == []
    assert bench.store.get(KEY) is None


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_request_deleted_between_signing_and_writing_has_its_certificate_revoked(
    bench: Bench, allowed: bool
) -> None:
    bench.with_ready_issuer().with_request().signs()
    bench.signer.revokes.append(None if allowed else Failed("RevocationNotPermitted", "no"))
    bench.kube.expect("replace_status", NotFound("gone", status=404))
    bench.kube.expect("get", NotFound("gone", status=404))
    await bench.reconcile()
    assert len(bench.delivery) == 0
    assert (
        bench.metrics.registry.get_sample_value(
            "vault_issuer_certificates_discarded_total", {"cause": "deleted", "revoked": str(allowed).lower()}
        )
        == 1
    )


async def test_a_request_denied_between_signing_and_writing_is_revoked_and_answered_as_denied(
    bench: Bench,
) -> None:
    bench.with_ready_issuer().with_request().signs()
    seen = bench.store.get(KEY)
    assert seen is not None
    denied = {**seen.object, "status": {"conditions": [condition("Denied")]}}
    bench.signer.revokes.append(None)
    bench.kube.expect("replace_status", Conflict("changed", status=409))
    bench.kube.expect("get", denied)
    await bench.reconcile()
    assert len(bench.signer.revoked) == 1
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 1
    assert bench.ready["reason"] == "Denied"


async def test_a_request_made_again_under_the_same_name_does_not_get_the_old_certificate(
    bench: Bench,
) -> None:
    bench.with_ready_issuer().with_request().signs()
    bench.kube.expect("replace_status", Unavailable("down"))
    await bench.reconcile()
    bench.store.upsert(certificate_request(uid="another", conditions=[approved()]))
    again = bench.store.get(KEY)
    assert again is not None
    bench.kube.expect("get", again.object)
    bench.signer.revokes.append(None)
    bench.signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 2
    assert len(bench.signer.revoked) == 1
    assert bench.kube.written[-1]["metadata"]["uid"] == "another"


async def test_an_old_event_after_the_answer_does_not_sign_again(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    seen = bench.store.get(KEY)
    assert seen is not None
    bench.kube.accepts_status()
    await bench.reconcile()
    bench.store.upsert(seen.object)
    await bench.reconcile()
    assert bench.signer.signed == 1


async def test_what_the_ca_decided_otherwise_is_told_in_the_condition(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(duration="48h").signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued"
    assert "As the CA decided" in bench.ready["message"]


async def test_a_strict_issuer_refuses_what_the_ca_decided_otherwise(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(duration="48h").signs()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.spec = IssuerSpec.parse(issuer_object(verification="Strict")["spec"])
    bench.signer.revokes.append(None)
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Failed"


async def test_our_own_pending_does_not_end_the_backoff(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(Retry("VaultUnavailable", "it happened at 12:00:01"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.queue.delayed == 1
    news: list[RequestKey] = []
    store = RequestStore(news.append)
    store.upsert(certificate_request(conditions=[approved()]))
    store.upsert(bench.kube.written[-1])
    assert news == [KEY]


async def test_after_a_suspect_issuer_returns_the_next_goes_when_the_first_is_gone(bench: Bench) -> None:
    bench.with_ready_issuer()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.suspect = True
    for number in range(3):
        bench.registry.wait(CLUSTER_ISSUER, RequestKey("team-a", f"r{number}"))
    bench.registry.mark_ready(CLUSTER_ISSUER)
    assert bench.queue.depth == 1
    # It was deleted meanwhile: nothing of it is in the store.
    await bench.reconciler.reconcile(await bench.queue.get())
    assert bench.queue.depth == 1


async def test_a_refusal_of_one_request_shows_that_the_issuer_works(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.suspect = True
    bench.registry.wait(CLUSTER_ISSUER, RequestKey("team-a", "other"))
    bench.signer.signs.append(Failed("RefusedByVault", "not allowed by this role"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.queue.depth == 1


def test_a_request_that_is_gone_leaves_nothing_behind_at_its_issuer(bench: Bench) -> None:
    invented = IssuerKey("VaultClusterIssuer", "", "invented")
    bench.registry.wait(invented, KEY)
    bench.registry.leave(KEY)
    assert bench.registry.find(invented) is None


async def test_a_request_made_again_while_its_certificate_is_discarded_is_not_lost(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    again = certificate_request(uid="another", conditions=[approved()])

    async def revoke(certificate_pem: str) -> None:
        bench.store.remove(certificate_request())
        bench.store.upsert(again)

    bench.signer.revoke = revoke  # type: ignore[method-assign]
    bench.kube.expect("replace_status", NotFound("gone", status=404))
    bench.kube.expect("get", NotFound("gone", status=404))
    await bench.reconcile()
    found = bench.store.get(KEY)
    assert found is not None
    assert found.uid == "another"


async def test_a_held_certificate_backs_off_while_the_api_server_is_away(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    bench.kube.expect("replace_status", Unavailable("down"))
    await bench.reconcile()
    bench.store.drop(KEY)
    for _ in range(3):
        bench.kube.expect("get", Unavailable("down"))
        await bench.reconcile()
    assert bench.queue.failures(KEY) == 4


def test_an_older_copy_does_not_hide_an_approval(bench: Bench) -> None:
    newer = certificate_request(conditions=[approved()])
    newer["metadata"]["resourceVersion"] = "12"
    bench.store.upsert(newer)
    older = certificate_request(conditions=[])
    older["metadata"]["resourceVersion"] = "11"
    bench.store.refresh(Request(older))
    found = bench.store.get(KEY)
    assert found is not None
    assert found.approved


async def test_a_right_to_approve_that_went_is_noticed_before_anything_is_signed(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(conditions=[])
    bench.rights.allowed = False
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 0
    assert "ApprovalForbidden" in bench.ready["message"]
    assert bench.issuer_queue.delayed == 1


async def test_a_policy_that_comes_while_a_request_is_judged_has_it_judged_again(bench: Bench) -> None:
    bench.access.refused.add("everything")
    bench.with_ready_issuer().with_request(conditions=[])
    bench.queue.add(KEY)
    assert await bench.queue.get() == KEY
    real = bench.access.may_use

    async def meanwhile(policy: str, namespace: str, spec: Mapping[str, Any]) -> bool:
        bench.unprocessed.wake_all()
        return await real(policy, namespace, spec)

    bench.access.may_use = meanwhile  # type: ignore[method-assign, assignment]
    bench.kube.accepts_status()
    await bench.reconcile()
    bench.queue.done(KEY)
    assert bench.queue.depth == 1


async def test_a_mistake_in_a_policy_does_not_open_an_external_issuer(bench: Bench) -> None:
    bench.policies.drop("everything")
    broken = policy("guard", {}, constraints={"minDuration": "3h", "maxDuration": "1h"})
    bench.policies.upsert(with_meta(broken))
    bench.with_ready_issuer().with_request()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    entry.spec = IssuerSpec.parse(issuer_object(approval="External")["spec"])
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.signer.signed == 0
    assert bench.ready["reason"] == "Pending"
    assert "guard" in bench.ready["message"]
