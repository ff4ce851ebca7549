"""One answer from all policies, with as few questions as it takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from issuer.policy import evaluation
from issuer.policy.compiled import CompiledPolicy
from issuer.policy.decision import Allowance, Decision, PolicyEvaluation, PolicyVerdict, evaluate
from tests.unit.policy.forge import csr, dns, facts, policy, sans

REQUEST = facts(csr(sans(dns("web.lab.test"))))
GOOD = {"allowed": {"dnsNames": {"values": ["*.lab.test"]}}}
BAD: dict[str, Any] = {"allowed": {"dnsNames": {"values": ["*.other.test"]}}}
ELSEWHERE = {**GOOD, "selector": {"issuerRef": {"name": "elsewhere"}}}
LABELLED = {**GOOD, "selector": {"namespace": {"matchLabels": {"team": "a"}}}}


def reviewed(invalid: dict[str, str] | None = None, /, **specs: Any) -> PolicyEvaluation:
    made = [policy(name, **spec) for name, spec in specs.items()]
    return evaluate(made, invalid or {}, REQUEST, {})


def decided(found: PolicyEvaluation, **may_use: bool) -> Decision:
    decision = found.decide(may_use)
    assert decision is not None
    return decision


def test_selected_policies_are_asked_about_by_name() -> None:
    assert reviewed(d=GOOD, c=BAD, b=GOOD, a=BAD, x=ELSEWHERE).to_ask == ("a", "b", "c", "d")


def test_a_policy_that_the_requester_may_not_use_is_never_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = []
    real = evaluation.violations

    def spy(one: CompiledPolicy, *more: Any) -> Any:
        judged.append(one.name)
        return real(one, *more)

    monkeypatch.setattr("issuer.policy.decision.violations", spy)
    found = reviewed(a=BAD, b=GOOD, c=GOOD)
    assert decided(found, a=False, b=False, c=False).verdict is PolicyVerdict.UNPROCESSED
    assert judged == []
    assert decided(found, a=True, b=True).policy == "b"
    assert decided(found, a=True, b=True).policy == "b"
    assert judged == ["a", "b"]


def test_one_usable_policy_that_approves_is_enough() -> None:
    found = reviewed(a=BAD, b=GOOD, c=GOOD)
    assert found.decide({}) is None
    decision = decided(found, b=True)
    assert (decision.verdict, decision.policy) == (PolicyVerdict.APPROVED, "b")
    assert [result.name for result in decision.results] == ["b"], "nobody asked about the others"
    assert decided(found, b=False, c=True).policy == "c"
    assert decided(found, a=True, b=True, c=True).policy == "b"


def test_a_denial_needs_every_answer() -> None:
    found = reviewed(a=BAD, b=GOOD)
    assert found.decide({"a": True}) is None
    assert found.decide({"b": False}) is None
    decision = decided(found, a=True, b=False)
    assert (decision.verdict, decision.policy) == (PolicyVerdict.DENIED, None)
    assert [(r.name, r.applies, r.reason) for r in decision.results] == [
        ("a", True, ""),
        ("b", False, "rbac"),
    ]


def test_without_an_applicable_policy_nothing_is_decided() -> None:
    found = reviewed({"broken": "bad rule"}, a=GOOD, b=ELSEWHERE, c=LABELLED)
    decision = decided(found, a=False)
    assert decision.verdict is PolicyVerdict.UNPROCESSED
    assert [(r.name, r.reason) for r in decision.results] == [
        ("a", "rbac"),
        ("b", "selector"),
        ("broken", "invalid"),
        ("c", "namespace"),
    ]
    none = decided(review_of_nothing())
    assert none.summary() == "No CertificateRequestPolicy exists; create one, and bind its use"


def review_of_nothing() -> PolicyEvaluation:
    return evaluate([], {}, REQUEST, None)


def test_an_invalid_policy_decides_nothing() -> None:
    assert decided(reviewed({"broken": "bad rule"})).verdict is PolicyVerdict.UNPROCESSED
    assert decided(reviewed({"broken": "bad rule"}, a=BAD), a=True).verdict is PolicyVerdict.DENIED


def test_summaries_say_who_and_why() -> None:
    assert decided(reviewed(a=GOOD), a=True).summary() == 'Approved by CertificateRequestPolicy "a"'
    assert decided(reviewed(a=BAD, b=BAD), a=True, b=False).summary() == (
        "No policy approved this request: [a: spec.allowed.dnsNames.values: "
        '"web.lab.test": allowed is "*.other.test"]'
    )
    broken = decided(reviewed({"broken": "bad rule"}, a=BAD), a=True)
    assert broken.summary() == (
        'No policy approved this request: [a: spec.allowed.dnsNames.values: "web.lab.test": allowed is '
        '"*.other.test"] Policy "broken" is not Ready: bad rule.'
    )
    assert broken.summary(names=False) == (
        "No policy approved this request (1 policy applied, 1 not Ready): spec.allowed.dnsNames.values"
    )
    elsewhere = evaluate([policy("a", **BAD)], {"broken": "bad rule"}, REQUEST, {}, {"broken"})
    assert "broken" not in decided(elsewhere, a=True).summary()
    assert "other issuers, and not Ready" in decided(elsewhere, a=False).summary()
    one = reviewed({"broken": "bad rule"}, a=GOOD, b=ELSEWHERE)
    assert decided(one, a=False).summary() == (
        'No policy applies to this request. Policy "a" matches, but ServiceAccount "team-a/app" has no "use" '
        'right on it in namespace "team-a"; create a RoleBinding. Policy "broken" is not Ready: bad rule. '
        'Policy "b" does not match: spec.selector.issuerRef.name is "elsewhere", the request\'s is "demo".'
    )
    assert decided(one, a=False).summary(names=False) == (
        'No policy applies to this request (of 3: 1 for other issuers, 1 without a "use" right, 1 not Ready)'
    )


def test_summaries_without_names_tell_neither_policies_nor_their_values() -> None:
    for decision in (
        decided(reviewed(secret=GOOD), secret=True),
        decided(reviewed(secret=BAD), secret=True),
        decided(reviewed(secret=ELSEWHERE)),
    ):
        text = decision.summary(names=False)
        assert "secret" not in text
        assert "other.test" not in text
        assert "elsewhere" not in text
    text = decided(reviewed(a=BAD, b=BAD), a=True, b=True).summary(names=False)
    assert text == "No policy approved this request (2 policies applied): spec.allowed.dnsNames.values"


@pytest.mark.parametrize("limit", [0, 1, 20, 60, 100, 200, 1024])
def test_a_summary_is_bounded_and_says_how_many_it_leaves_out(limit: int) -> None:
    many = reviewed(**{f"policy-{number:03d}": BAD for number in range(200)})
    text = decided(many, **dict.fromkeys(many.to_ask, True)).summary(limit)
    assert len(text) <= limit
    if limit >= 200:
        assert text.endswith(" more")
        shown = text.count("[policy-")
        assert text.endswith(f"and {200 - shown} more")


def test_json_is_what_explain_prints() -> None:
    decision = decided(reviewed(a=BAD, b=ELSEWHERE), a=True)
    assert decision.to_json() == {
        "decision": "Denied",
        "policy": None,
        "policies": [
            {
                "name": "a",
                "applies": True,
                "reason": "",
                "violations": [
                    {
                        "field": "spec.allowed.dnsNames.values",
                        "message": '"web.lab.test": allowed is "*.other.test"',
                    }
                ],
            },
            {"name": "b", "applies": False, "reason": "selector", "violations": []},
        ],
    }


def test_each_policy_has_time_of_its_own_and_no_more() -> None:
    slow = {"rule": "cr.groups.all(a, cr.groups.all(b, a == b || a != b || self != a || self != b))"}
    spec = {"allowed": {"dnsNames": {"validations": [slow]}}}
    request = facts(csr(sans(*(dns(f"{number}.{'a' * 60}.test") for number in range(60)))))
    found = evaluate([policy(name, **spec) for name in "ab"], {}, request, {})
    assert found.to_ask == ("a", "b")
    first, second = (one.violations for one in decided(found, a=True, b=True).results)
    assert any("too long together" in one.message for one in first)
    assert first == second


def test_a_duration_that_may_be_cut_is_cut_by_the_policy_that_cuts_least() -> None:
    wanted = replace(REQUEST, duration=timedelta(hours=48), shortens=True)
    limits = {"a": "1h", "b": "24h", "c": "2160h"}
    made = [policy(name, **GOOD, constraints={"maxDuration": limit}) for name, limit in limits.items()]
    found = evaluate(made, {}, wanted, {})
    assert found.to_ask == ("c", "b", "a")
    lasts = {}
    for name in limits:
        decision = decided(found, **{other: other == name for other in limits})
        assert decision.policy == name
        assert decision.allowance is not None
        lasts[name] = decision.allowance.longest
    assert lasts == {"a": timedelta(hours=1), "b": timedelta(hours=24), "c": timedelta(days=90)}
    frozen = evaluate(made, {}, replace(wanted, shortens=False), {})
    assert decided(frozen, a=True, b=True, c=False).verdict is PolicyVerdict.DENIED
    assert frozen.to_ask == ("a", "b", "c")


def test_a_decision_hands_on_the_usages_that_its_policy_allows() -> None:
    spec: dict[str, Any] = {"allowed": {**GOOD["allowed"], "usages": ["server auth", "signing"]}}
    decision = decided(reviewed(a=spec), a=True)
    assert decision.allowance == Allowance(frozenset({"server auth", "signing"}))
    assert decided(reviewed(a=BAD), a=True).allowance is None
