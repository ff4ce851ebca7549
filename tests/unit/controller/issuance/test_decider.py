"""Deciding returns an outcome and writes nothing: the scripted API server refuses every call."""

from __future__ import annotations

from issuer.controller.state.audit import AuditRecord
from issuer.controller.state.outcomes import AwaitingApproval, Denied, Issued, Outcome, Waiting
from issuer.requests.kubernetes_csr import KubernetesCSR
from tests.builders import condition, signing_request
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench


async def outcome(bench: Bench) -> Outcome:
    request = bench.store.get(KEY)
    assert request is not None
    return await bench.decider.decide(request, AuditRecord())


async def test_an_approved_request_is_signed_and_its_certificate_kept(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    decided = await outcome(bench)
    assert isinstance(decided, Issued)
    assert bench.delivery.held.get(KEY) is decided.pending


async def test_a_certificate_that_is_kept_is_not_signed_again(bench: Bench) -> None:
    bench.with_ready_issuer().with_request().signs()
    assert await outcome(bench) == await outcome(bench)
    assert bench.signer.signed == 1


async def test_a_request_that_others_denied_is_denied_without_a_message(bench: Bench) -> None:
    bench.with_ready_issuer().with_request(conditions=[condition("Denied", "True", "other", "no")])
    assert await outcome(bench) == Denied()


async def test_a_request_waits_quietly_while_its_issuer_is_checked(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.registry.begin_check(CLUSTER_ISSUER, "uid-1", 99)
    decided = await outcome(bench)
    assert isinstance(decided, Waiting)
    assert not decided.report


async def test_a_csr_awaits_somebody_elses_approval(bench: Bench) -> None:
    bench.with_ready_issuer()
    request = KubernetesCSR(signing_request(conditions=[]))
    assert await bench.decider.decide(request, AuditRecord()) == AwaitingApproval()
