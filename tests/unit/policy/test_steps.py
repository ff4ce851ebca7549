"""One judgement goes in steps of bounded work, and others on the event loop get their turn between two."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from benchmarks.policy import worst_steps
from issuer.controller.approval.approver import Approver
from issuer.kube.client import KubeClient
from issuer.policy.cel.expressions import POLICY_LIMIT, STEP, RuleError, compile_rule
from issuer.policy.compiled import PolicyInvalid
from issuer.policy.decision import PolicyVerdict, evaluate
from issuer.policy.evaluation import Shared, violation_steps, violations
from issuer.policy.facts import RequestFacts
from issuer.policy.violation import Violation
from issuer.telemetry.metrics import Metrics
from issuer.x509.errors import InvalidRequest
from issuer.x509.names import MAX_NAMES
from issuer.x509.request import MAX_ATTRIBUTES, MAX_EXTENSIONS, read_request
from tests.unit.policy.forge import ORG, OU, attribute, csr, dns, extension, facts, policy, sans, subject

PEER_RULE = "self.split('.').all(p, p.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'))"


def request(names: int = MAX_NAMES) -> RequestFacts:
    """A request with as many names as one may have."""
    return facts(csr(sans(*(dns(f"{number}.{'a' * 20}.test") for number in range(names)))))


def worked(spec: dict[str, Any], asked: RequestFacts) -> tuple[list[int], tuple[Violation, ...]]:
    """The nanoseconds of each step, as estimated, and the violations."""
    shared, found, spent, before = Shared.of(asked), list[Violation](), list[int](), POLICY_LIMIT
    for _ in violation_steps(policy(allowed=spec), asked, shared, found):
        spent.append(before - shared.variables.left)
        before = shared.variables.left
    return [*spent, before - shared.variables.left], tuple(found)


@pytest.mark.parametrize(
    "allowed",
    [
        {"values": [f"a*{number}*z" for number in range(300)]},
        {"validations": [{"rule": "cr.groups.all(g, !g.contains(self))"}]},
        {"values": ["*"], "validations": [{"rule": f"{PEER_RULE} && self != '{n}'"} for n in range(5)]},
    ],
)
def test_no_step_does_more_than_its_share_and_all_is_judged(allowed: dict[str, Any]) -> None:
    asked, spec = request(), {"dnsNames": allowed}
    spent, found = worked(spec, asked)
    assert max(spent) <= STEP
    assert len(spent) > 5
    assert found == violations(policy(allowed=spec), asked)


def test_a_small_request_is_judged_in_one_step() -> None:
    spent, found = worked({"dnsNames": {"values": ["*"], "validations": [{"rule": PEER_RULE}]}}, request(1))
    assert (len(spent), found) == (1, ())


def test_no_rule_is_asked_that_could_take_longer_than_a_step() -> None:
    program = compile_rule(PEER_RULE)
    assert 0 < program.cost("a" * 256) <= STEP
    assert program.cost("a" * 2_000) == 0
    with pytest.raises(RuleError, match="more than the 20 ms"):
        compile_rule("self.split('').map(a, self.split('').map(b, [a, b])).size() > 0")


def test_lists_that_a_loop_gathers_cost_what_copying_them_does() -> None:
    program = compile_rule("self.split('').map(x, [x, x]).size() > 0")
    assert program.cost("a" * 512) > 3_000_000
    assert program.cost("a" * 2_048) == 0


def test_a_policy_whose_patterns_take_longer_than_a_step_for_one_name_is_invalid() -> None:
    with pytest.raises(PolicyInvalid, match="20001 patterns are too many to judge in time"):
        policy("many", allowed={"dnsNames": {"values": [f"a*{n}*z" for n in range(20_001)]}})


def test_a_value_that_is_too_long_for_the_patterns_is_denied_and_not_judged() -> None:
    asked = facts(csr(name=subject(attribute(ORG, "a" * 30_000))))
    spec = {"subject": {"organizations": {"values": [f"a*{number}*z" for number in range(1_000)]}}}
    (found,) = worked(spec, asked)[1]
    assert "too many, or too long, for these patterns" in found.message


class Access:
    """Everybody may use everything."""

    async def may_use(self, *_: object) -> bool:
        return True


async def test_others_on_the_loop_get_a_turn_after_each_step() -> None:
    spec = {"dnsNames": {"values": [f"a*{number}*z" for number in range(300)]}}
    asked = request()
    found = evaluate([policy("one", allowed=spec)], {}, asked, {})
    approver = Approver(
        cast(KubeClient, None), cast(Any, None), cast(Any, None), cast(Any, Access()), Metrics()
    )
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    decision = await approver._settled(found, {"one": True})
    task.cancel()
    assert decision is not None
    assert decision.verdict is PolicyVerdict.DENIED
    assert turns >= len(worked(spec, asked)[0]) > 5


@pytest.mark.parametrize("more", [0, 1])
def test_a_csr_has_so_many_names_attributes_and_extensions_at_most(more: int) -> None:
    units = [attribute(OU, "unit") for _ in range(MAX_ATTRIBUTES + more)]
    others = [extension(f"1.3.6.1.4.1.99999.{n}", b"\x05\x00") for n in range(MAX_EXTENSIONS + more)]
    made = {
        "names": csr(sans(*([dns("a.test")] * (MAX_NAMES + more)))),
        "attributes": csr(name=subject(*units)),
        "extensions": csr(*others),
    }
    for what, pem in made.items():
        if more:
            with pytest.raises(InvalidRequest, match=rf"more than \d+ {what}"):
                read_request(pem)
        else:
            read_request(pem)
    if more:
        with pytest.raises(InvalidRequest, match="attributes"):
            read_request(csr(name=subject(units)))


def test_the_benchmark_prints_the_longest_step_of_the_worst_cases() -> None:
    assert worst_steps(runs=1)
