"""Mistakes that an evaluator could have, put into ours one at a time: the peer's answers must catch each.

Most change what goes into or comes out of a public function, so that they outlive a rewrite of what is
inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from issuer.policy import decision, selection
from issuer.policy.cel.expressions import Program
from issuer.policy.compiled import CompiledPolicy
from issuer.policy.evaluation import Violation
from issuer.policy.facts import RequestFacts
from issuer.policy.patterns.wildcard import Pattern
from issuer.x509.contents import Place, RequestPart, Value
from issuer.x509.names import COMMON_NAME

Mistake = Callable[[pytest.MonkeyPatch], None]


def _in_use(name: str) -> Callable[..., Any]:
    """A function as the module that decides has imported it, which is where it is replaced."""
    found: Callable[..., Any] = vars(decision)[name]
    return found


def _forgive(forgiven: Callable[[Violation, CompiledPolicy, RequestFacts], bool]) -> Mistake:
    """Violations that this holds for aren't seen."""

    def put(patch: pytest.MonkeyPatch) -> None:
        right = _in_use("violations")

        def wrong(policy: CompiledPolicy, facts: RequestFacts, *rest: Any) -> tuple[Violation, ...]:
            return tuple(one for one in right(policy, facts, *rest) if not forgiven(one, policy, facts))

        patch.setattr(decision, "violations", wrong)

    return put


def _misread(place: Place, change: Callable[[tuple[Value, ...]], tuple[Value, ...]]) -> Mistake:
    """The values of this place are read wrongly."""

    def put(patch: pytest.MonkeyPatch) -> None:
        right = _in_use("violations")

        def wrong(policy: CompiledPolicy, facts: RequestFacts, *rest: Any) -> tuple[Violation, ...]:
            contents = facts.csr.contents
            held = contents.values.get(place, ())
            values = {**contents.values, place: change(held)}
            csr = replace(facts.csr, contents=replace(contents, values=values))
            return tuple(right(policy, replace(facts, csr=csr), *rest))

        patch.setattr(decision, "violations", wrong)

    return put


def _compile_otherwise(change: Callable[[CompiledPolicy], CompiledPolicy]) -> Mistake:
    """The policy is taken for another one, in selection and evaluation."""

    def put(patch: pytest.MonkeyPatch) -> None:
        judge = _in_use("violations")
        away = _in_use("selector_mismatch")
        patch.setattr(decision, "violations", lambda policy, *rest: judge(change(policy), *rest))
        patch.setattr(decision, "selector_mismatch", lambda policy, *rest: away(change(policy), *rest))

    return put


def _star_is_one_character(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: Pattern, text: str) -> bool:
        if len(text) != len(self.text):
            return False
        return all(a in ("*", b) for a, b in zip(self.text, text, strict=True))

    patch.setattr(Pattern, "matches", wrong)


def _case_does_not_count(patch: pytest.MonkeyPatch) -> None:
    right = Pattern.matches
    patch.setattr(
        Pattern,
        "matches",
        lambda self, text: right(Pattern.parse(self.text.lower()), text.lower()),
    )


def _rule_that_fails_passes(patch: pytest.MonkeyPatch) -> None:
    right = Program.check
    patch.setattr(Program, "check", lambda self, *rest: right(self, *rest) is not False)


def _longest_and_shortest_mixed_up(policy: CompiledPolicy) -> CompiledPolicy:
    limits = policy.constraints
    return replace(
        policy,
        constraints=replace(limits, max_duration=limits.min_duration, min_duration=limits.max_duration),
    )


def _no_default_issuer_kind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(selection, "_DEFAULT_KIND", "")


def _usages_superset(violation: Violation, policy: CompiledPolicy, facts: RequestFacts) -> bool:
    return violation.field == "spec.allowed.usages" and set(policy.usages or ()) <= set(facts.usages)


def _any_denies(patch: pytest.MonkeyPatch) -> None:
    right = decision.PolicyEvaluation.decide

    def wrong(self: decision.PolicyEvaluation, may_use: dict[str, bool]) -> Any:
        found = right(self, may_use)
        refuses = any(may_use.get(name) and self.violations_of(name) for name in self.to_ask)
        return (
            replace(found, verdict=decision.PolicyVerdict.DENIED)
            if found and found.policy and refuses
            else found
        )

    patch.setattr(decision.PolicyEvaluation, "decide", wrong)


def _without_labels(policy: CompiledPolicy) -> CompiledPolicy:
    return replace(policy, selector=replace(policy.selector, labels=()))


MISTAKES: dict[str, Mistake] = {
    "a star matches exactly one character": _star_is_one_character,
    "upper and lower case are the same": _case_does_not_count,
    "required is ignored": _forgive(lambda found, *_: found.field.endswith(".required")),
    "only the first DNS name is looked at": _misread((RequestPart.DNS, ""), lambda values: values[:1]),
    "of several common names only the last counts": _misread(
        (RequestPart.ATTRIBUTE, COMMON_NAME), lambda values: values[-1:]
    ),
    "organizational units are ignored": _forgive(
        lambda found, *_: found.field.startswith("spec.allowed.subject.organizationalUnits")
    ),
    "attributes without a field of their own are ignored": _forgive(
        lambda found, *_: found.field.startswith("spec.allowed.subject.otherAttributes")
    ),
    "otherNames are ignored": _forgive(lambda found, *_: found.field.startswith("spec.allowed.otherNames")),
    "the shortest and longest duration are mixed up": _compile_otherwise(_longest_and_shortest_mixed_up),
    "a duration that isn't named is short enough": _forgive(
        lambda found, _, facts: facts.duration is None and found.field.startswith("spec.constraints.m")
    ),
    "usages must hold all that is allowed, instead of nothing else": _forgive(_usages_superset),
    "isCA that isn't set allows a CA": _forgive(
        lambda found, policy, _: found.field == "spec.allowed.isCA" and policy.is_ca is None
    ),
    "key sizes are ignored": _forgive(lambda found, *_: found.field.endswith(("minSize", "maxSize"))),
    "a namespace's labels are ignored": _compile_otherwise(_without_labels),
    "a request without a kind isn't for an Issuer": _no_default_issuer_kind,
    "a rule that fails to evaluate passes": _rule_that_fails_passes,
    "one policy that refuses outweighs one that approves": _any_denies,
}


def seeded(patch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each mistake in turn, put in while the caller looks and taken out before the next."""
    for name, put in MISTAKES.items():
        with patch.context() as inner:
            put(inner)
            yield name
