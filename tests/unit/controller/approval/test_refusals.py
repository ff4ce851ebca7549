"""A refusal by policies is final once it has stood for some seconds: a policy may be on its way."""

from __future__ import annotations

import pytest
from cryptography import x509

from issuer.controller.approval.refusals import StandingRefusals
from issuer.kube.wire import Object
from testbed.samples import everything_policy
from tests.builders import approved, csr_with
from tests.unit.controller.bench import KEY, Bench, with_meta


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def default_deny() -> Object:
    """A policy that selects every request and allows nothing."""
    return with_meta({"metadata": {"name": "deny"}, "spec": {"selector": {"issuerRef": {}}}})


@pytest.fixture
def clock(bench: Bench) -> Clock:
    """The clock of refusals, which are final after 5 seconds; a default deny is the only policy."""
    clock = Clock()
    bench.decider.approver.refusals = StandingRefusals(5, clock)
    bench.policies.drop(everything_policy()["metadata"]["name"])
    bench.policies.upsert(default_deny())
    bench.with_ready_issuer()
    return clock


async def test_a_refused_request_waits_says_so_and_is_denied_then(bench: Bench, clock: Clock) -> None:
    bench.with_request(conditions=[])
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Pending"
    assert "unless a policy that allows it appears" in bench.ready["message"]
    assert "[deny: spec.allowed.dnsNames" in bench.ready["message"]
    assert (bench.queue.delayed, bench.unprocessed.known()) == (1, (KEY,))
    clock.now = 4.9
    await bench.reconcile()  # writes nothing
    clock.now = 5.0
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Denied"
    assert (
        bench.metrics.registry.get_sample_value(
            "vault_issuer_policy_decisions_total", {"verdict": "Denied", "policy": "deny"}
        )
        == 1
    ), "it is counted once"


async def test_a_policy_that_comes_meanwhile_has_it_signed(bench: Bench, clock: Clock) -> None:
    bench.with_request(conditions=[])
    bench.kube.accepts_status()
    await bench.reconcile()
    bench.policies.upsert(with_meta(everything_policy()))
    bench.unprocessed.wake_all()
    assert bench.queue.depth == 1, "it is woken at once"
    bench.signs()
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["status"] == "True"
    assert len(bench.decider.approver.refusals) == 0


async def test_a_denial_that_was_not_written_is_written_without_another_wait(
    bench: Bench, clock: Clock
) -> None:
    refusals = bench.decider.approver.refusals
    assert [refusals.left("a"), refusals.left("a")] == [5, 5]
    clock.now = 60.0
    assert refusals.left("a") == 0
    clock.now = 300.0
    assert (refusals.left("b"), len(refusals)) == (5, 1), "what is long over is forgotten"


@pytest.mark.parametrize("state", ["refused by any policy", "approved by others"])
async def test_what_no_policy_could_allow_is_told_at_once_and_others_word_waits(
    bench: Bench, clock: Clock, state: str
) -> None:
    bench.kube.accepts_status()
    if state == "approved by others":
        bench.with_request(conditions=[approved()])
        await bench.reconcile()
        assert bench.ready["reason"] == "Pending"
        clock.now = 5.0
        bench.kube.accepts_status()
        await bench.reconcile()
        assert "approved by somebody else" in bench.ready["message"]
        return
    bench.with_request(conditions=[], request=csr_with(x509.BasicConstraints(True, None)))
    await bench.reconcile()
    assert bench.ready["reason"] == "Denied"
