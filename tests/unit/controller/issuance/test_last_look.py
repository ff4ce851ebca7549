"""A right that ended between the approval and the call is not used: no byte is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import pytest
from structlog.testing import capture_logs

from issuer.controller.access.permissions import SigningRights
from issuer.controller.approval.csr_permissions import CSRPermissions
from issuer.controller.state.health.shared_signer import Identity, SharedSigner
from issuer.controller.state.reasons import ControllerIssuerReason
from issuer.kube.client import KubeClient
from issuer.requests.issuers import IssuerKey
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.signing.signer import SignedCertificate, SigningRequest
from testbed.samples import everything_policy
from tests.builders import approved, certificate_request, condition, issuer_object, signing_request
from tests.ca import TestCA
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench, Rights, with_meta
from tests.unit.controller.fakes import ScriptedSigner


@pytest.fixture
def bench(ca: TestCA) -> Iterator[Bench]:
    one = Bench(ca).with_ready_issuer()
    one.namespaces.upsert({"metadata": {"name": "team-a", "labels": {"tier": "gold"}}})
    gold = everything_policy()
    gold["spec"]["selector"]["namespace"] = {"matchLabels": {"tier": "gold"}}
    one.policies.upsert(with_meta(gold, generation=2))
    yield one
    one.queue.close()
    one.issuer_queue.close()


def was_sent(_request: SigningRequest) -> SignedCertificate:
    pytest.fail("it was sent")


def delete_policy(bench: Bench) -> None:
    bench.policies.drop("everything")


def change_labels(bench: Bench) -> None:
    bench.namespaces.upsert({"metadata": {"name": "team-a", "labels": {"tier": "none"}}})


def revoke_use(bench: Bench) -> None:
    bench.access.refused.add("everything")


def revoke_our_right(bench: Bench) -> None:
    bench.rights.allowed = False


def delete_request(bench: Bench) -> None:
    bench.store.drop(KEY)


def deny_request(bench: Bench) -> None:
    bench.store.upsert(certificate_request(conditions=[condition("Denied")]))


def answer_request(bench: Bench) -> None:
    bench.store.upsert(certificate_request(conditions=[condition("Ready", "True", "Issued")]))


def make_request_again(bench: Bench) -> None:
    bench.store.drop(KEY)
    bench.store.upsert(certificate_request(uid="another"))
    delete_policy(bench)


def delete_issuer(bench: Bench) -> None:
    bench.issuers["VaultClusterIssuer"].drop(CLUSTER_ISSUER)


def change_issuer(bench: Bench) -> None:
    obj = issuer_object()
    obj["metadata"]["generation"] += 1
    bench.issuers["VaultClusterIssuer"].upsert(obj)


def break_issuer(bench: Bench) -> None:
    bench.registry.mark_broken(CLUSTER_ISSUER, ControllerIssuerReason.STATUS_WRITE_REFUSED, "refused")


@pytest.mark.parametrize(
    ("end", "changed"),
    [
        (delete_policy, "a policy"),
        (change_labels, "its namespace's labels"),
        (revoke_use, "who may use the policy, or the answer about that is old"),
        (revoke_our_right, "a right that it needs, or the answer about it is old"),
        (delete_request, "the request"),
        (deny_request, "the request"),
        (answer_request, "the request"),
        (make_request_again, "the request"),
        (delete_issuer, "its issuer"),
        (change_issuer, "its issuer"),
        (break_issuer, "its issuer"),
    ],
)
async def test_what_ended_during_a_login_signs_nothing(
    bench: Bench, end: Callable[[Bench], None], changed: str
) -> None:
    bench.with_request(conditions=[])
    bench.signer.signs.append(was_sent)
    bench.signer.log_in = lambda: end(bench)
    bench.kube.accepts_status()  # that it waits, or was denied; some say nothing
    with capture_logs() as logs:
        await bench.reconciler.reconcile(KEY)
    assert [one["changed"] for one in logs if one["event"] == "request decided again"] == [changed]
    assert len(bench.signer.asked) == 1, "it was decided again, and not tried again"
    assert len(bench.signer.signs) == 1, "no byte was sent"
    assert len(bench.delivery.held) == 0
    assert not [one for one in logs if "unexpected" in one["event"]]


async def test_a_change_that_allows_it_still_costs_one_look_more(bench: Bench) -> None:
    bench.with_request(conditions=[]).signs()

    def save_again() -> None:
        bench.signer.log_in = lambda: None
        bench.policies.upsert(with_meta(everything_policy(), generation=3))

    bench.signer.log_in = save_again
    bench.kube.accepts_status()
    await bench.reconcile()
    assert (len(bench.signer.asked), bench.signer.signed) == (2, 1)
    assert bench.ready["reason"] == "Issued"


async def test_an_answer_that_aged_during_a_login_is_asked_for_again(bench: Bench) -> None:
    bench.with_request(conditions=[]).signs()
    ages = iter([True, False])
    bench.access.still_may_use = lambda *_: not next(ages, False)  # type: ignore[method-assign]
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.access.asked == 2
    assert bench.signer.signed == 1


async def test_what_changes_without_end_waits_its_backoff(bench: Bench) -> None:
    bench.with_request(conditions=[])
    bench.signer.signs.append(was_sent)
    generations = iter(range(3, 100))

    def save_again() -> None:
        bench.policies.upsert(with_meta(everything_policy(), generation=next(generations)))

    bench.signer.log_in = save_again
    await bench.reconciler.reconcile(KEY)
    assert len(bench.signer.asked) == 3
    assert bench.queue.delayed == 1


async def test_a_signer_that_was_replaced_is_not_used(bench: Bench) -> None:
    bench.with_request(conditions=[])
    new, entry = ScriptedSigner(), bench.registry.entry(CLUSTER_ISSUER)
    new.signs.append(lambda request: bench.ca.sign(request.csr_pem))
    bench.signer.signs.append(was_sent)

    def replace() -> None:
        entry.shared = SharedSigner(new, Identity("uid-1", 2, ()))

    bench.signer.log_in = replace
    bench.kube.accepts_status()
    await bench.reconciler.reconcile(KEY)
    assert (len(bench.signer.signs), new.signed) == (1, 1)


async def test_without_the_lease_it_is_not_judged_anew(bench: Bench) -> None:
    bench.with_request()
    bench.signer.signs.append(was_sent)

    def lose() -> None:
        bench.leading = False

    bench.signer.log_in = lose
    await bench.reconciler.reconcile(KEY)
    assert (len(bench.signer.asked), bench.queue.delayed) == (1, 1)


async def test_another_approvers_word_is_not_used_once_a_policy_selects_the_issuer(bench: Bench) -> None:
    delete_policy(bench)
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert entry.spec is not None
    entry.spec = entry.spec.model_copy(update={"approval": "External"})
    bench.with_request(conditions=[approved()])
    bench.signer.signs.append(was_sent)
    bench.access.refused.add("everything")
    bench.signer.log_in = lambda: bench.policies.upsert(with_meta(everything_policy()))
    bench.kube.accepts_status()
    await bench.reconciler.reconcile(KEY)
    assert (len(bench.signer.asked), len(bench.signer.signs)) == (1, 1)


@pytest.mark.parametrize(
    ("age", "may_write", "blocked", "goes"),
    [
        (5.0, True, False, True),
        (5.1, True, False, False),
        (0.0, False, False, False),
        (0.0, True, True, False),
    ],
)
def test_the_rights_behind_a_signing_request_are_looked_at(
    age: float, may_write: bool, blocked: bool, goes: bool
) -> None:
    rights = Rights()
    rights.may_write = may_write
    request = KubernetesCSR(signing_request(signer="vaultissuers.vault-issuer.io/team-a.demo"))
    permissions = CSRPermissions(cast(KubeClient, None), cast(SigningRights, rights))
    if blocked:
        permissions._blocked[IssuerKey("VaultIssuer", "team-a", "demo")] = "refused"
    assert permissions.still_may(request, approves=False, age=age) is goes
