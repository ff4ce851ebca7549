"""One answer for a request from all policies.

A policy's violations are computed here; whether the requester may use the policy is known to the API server
alone. So an evaluation has two phases: it names the policies to ask about, best first, and decides once it
knows enough answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final, Literal

from issuer.policy.compiled import CompiledPolicy
from issuer.policy.evaluation import Shared, Violation, violation_steps, violations
from issuer.policy.facts import RequestFacts
from issuer.policy.selection import Exclusion, selector_mismatch
from issuer.policy.shown import shown
from issuer.requests.reason_message import Opening
from issuer.text import counted

_WORDS: Final[dict[Exclusion, str]] = {
    Exclusion.SELECTOR: "for other issuers",
    Exclusion.NAMESPACE: "for other namespaces",
    Exclusion.RBAC: 'without a "use" right',
    Exclusion.INVALID: "not Ready",
}
_ACCOUNT: Final = "system:serviceaccount:"
"""First part of the username of a ServiceAccount; its namespace and name follow."""


class PolicyVerdict(StrEnum):
    """The outcome of an evaluation. Unprocessed: no policy applies, so the request is neither approved nor
    denied."""

    APPROVED = "Approved"
    DENIED = "Denied"
    UNPROCESSED = "Unprocessed"


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """The result of one policy. `reason` is a code for why it doesn't apply ("" if it does), explained by
    `message`."""

    name: str
    applies: bool
    reason: Exclusion | Literal[""]
    message: str
    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class Allowance:
    """The freedom that the approving policy leaves to the CA: usages, by cert-manager's names, and the
    longest duration."""

    usages: frozenset[str]
    longest: timedelta | None = None


def approval_message(policy: str) -> str:
    """Return the message of the Approved condition of a request that this policy approved."""
    return f'Approved by CertificateRequestPolicy "{policy}"'


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict, the policy that approved with its allowance, and each policy's result, by name.

    Policies that weren't asked about, since another had approved, are left out of `results`. `mendable` is
    False for a denial that no policy could have averted.
    """

    verdict: PolicyVerdict
    policy: str | None
    results: tuple[PolicyResult, ...]
    allowance: Allowance | None = None
    mendable: bool = True

    def summary(self, limit: int = 1024, *, names: bool = True) -> str:
        """Return the decision for a condition: at most `limit` characters, equal for equal decisions.

        Without `names` it has neither policies' names nor what they allow, only fields and counts.
        """
        if self.verdict is PolicyVerdict.APPROVED:
            text = approval_message(str(self.policy)) if names else "Approved by policy"
            return text[:limit]
        head, parts = (
            self._denied(names) if self.verdict is PolicyVerdict.DENIED else self._unprocessed(names)
        )
        return _joined(head, parts, limit, ": " if self.verdict is PolicyVerdict.DENIED else " ")

    def to_json(self) -> dict[str, Any]:
        """Return the decision as `vault-issuer policy explain -o json` prints it."""
        return {
            "decision": self.verdict.value,
            "policy": self.policy,
            "policies": [
                {
                    "name": result.name,
                    "applies": result.applies,
                    "reason": result.reason,
                    "violations": [{"field": v.field, "message": v.message} for v in result.violations],
                }
                for result in self.results
            ],
        }

    def _denied(self, names: bool) -> tuple[str, list[Callable[[], str]]]:
        applicable = [result for result in self.results if result.applies]
        # One that can't be used may be the one that was written for this request.
        invalid = [result for result in self.results if result.reason is Exclusion.INVALID]
        if names:
            said = [partial(_all_violations, one) for one in applicable]
            return "No policy approved this request", [*said, *(partial(_sentence, one) for one in invalid)]
        fields = sorted({violation.field for result in applicable for violation in result.violations})
        beside = f", {len(invalid)} {_WORDS[Exclusion.INVALID]}" if invalid else ""
        head = f"No policy approved this request ({_count(len(applicable))} applied{beside})"
        return head, [partial(str, one) for one in fields]

    def _unprocessed(self, names: bool) -> tuple[str, list[Callable[[], str]]]:
        if not self.results:
            return f"{Opening.NO_POLICY_EXISTS}; create one, and bind its use", []
        if not names:
            counts = Counter(result.reason for result in self.results)
            why = ", ".join(f"{counts[reason]} {_WORDS[reason]}" for reason in _WORDS if counts[reason])
            return f"{Opening.NO_POLICY_APPLIES} (of {len(self.results)}: {why})", []
        # Nearest misses first: what lacks only a binding is likelier meant than what is for other issuers.
        order: list[Exclusion | Literal[""]] = [
            Exclusion.RBAC,
            Exclusion.INVALID,
            Exclusion.NAMESPACE,
            Exclusion.SELECTOR,
        ]
        ranked = sorted(self.results, key=lambda result: order.index(result.reason))
        return f"{Opening.NO_POLICY_APPLIES}.", [partial(_sentence, one) for one in ranked]


@dataclass(slots=True, eq=False)
class PolicyEvaluation:
    """One request's evaluation by the policies that select it, before it is known who may use them.

    `to_ask` names the selected policies, those that would cut the duration behind those that leave it. A
    policy is evaluated only when its use is granted: that takes time, and a requester without rights must not
    cost any. Its violations are kept, so that `decide` can be called again with more answers.
    """

    to_ask: tuple[str, ...]
    _selected: Mapping[str, CompiledPolicy]
    _set_aside: tuple[PolicyResult, ...]
    _facts: RequestFacts
    _shared: Shared | None = None
    _violations: dict[str, tuple[Violation, ...]] = field(default_factory=dict)

    def steps(self, may_use: Mapping[str, bool]) -> Iterator[None]:
        """Evaluate what `decide` needs with these answers, a step after each `next`: none takes long."""
        for name in self.to_ask:
            if not may_use.get(name):
                continue
            if name not in self._violations:
                self._shared = self._shared or Shared.of(self._facts)
                found: list[Violation] = []
                yield from violation_steps(self._selected[name], self._facts, self._shared, found)
                self._violations[name] = tuple(found)
            if not self._violations[name]:
                return

    def decide(self, may_use: Mapping[str, bool]) -> Decision | None:
        """Return the decision by these answers, or None while they don't settle it.

        One usable policy that approves is enough; else every name of `to_ask` must be answered.
        """
        for name in self.to_ask:
            if may_use.get(name) and not self.violations_of(name):
                return Decision(
                    PolicyVerdict.APPROVED, name, self._results(may_use), _allowance(self._selected[name])
                )
        if any(name not in may_use for name in self.to_ask):
            return None
        usable = any(may_use[name] for name in self.to_ask)
        verdict = PolicyVerdict.DENIED if usable else PolicyVerdict.UNPROCESSED
        mendable = self._shared is None or not self._shared.own
        return Decision(verdict, None, self._results(may_use), mendable=mendable)

    def violations_of(self, name: str) -> tuple[Violation, ...]:
        """Return the violations of the selected policy `name`, evaluated at the first call."""
        found = self._violations.get(name)
        if found is None:
            self._shared = self._shared or Shared.of(self._facts)
            found = self._violations[name] = violations(self._selected[name], self._facts, self._shared)
        return found

    def _results(self, may_use: Mapping[str, bool]) -> tuple[PolicyResult, ...]:
        asked = [
            PolicyResult(name, True, "", "", self.violations_of(name))
            if may_use[name]
            else PolicyResult(name, False, Exclusion.RBAC, _no_right(self._facts), ())
            for name in self.to_ask
            if name in may_use
        ]
        return tuple(sorted([*asked, *self._set_aside], key=lambda result: result.name))


def evaluate(
    policies: Sequence[CompiledPolicy],
    invalid: Mapping[str, str],
    facts: RequestFacts,
    labels: Mapping[str, str] | None,
    elsewhere: Set[str] = frozenset(),
) -> PolicyEvaluation:
    """Select the `policies` that are about the request; each is evaluated later, when its use is granted.

    `invalid` are the errors of policies that can't be evaluated, by name, `elsewhere` those of them that are
    about other issuers for sure; `labels` are the namespace's (None: not known).
    """
    selected: dict[str, CompiledPolicy] = {}
    aside = [
        PolicyResult(name, False, Exclusion.SELECTOR, "it is for other issuers, and not Ready", ())
        if name in elsewhere
        else PolicyResult(name, False, Exclusion.INVALID, text, ())
        for name, text in invalid.items()
    ]
    for policy in sorted(policies, key=lambda policy: policy.name):
        away = selector_mismatch(policy, facts, facts.namespace, labels)
        if away is None:
            selected[policy.name] = policy
        else:
            aside.append(PolicyResult(policy.name, False, away.kind, away.message, ()))
    return PolicyEvaluation(
        tuple(sorted(selected, key=lambda name: _cut_off(selected[name], facts))),
        selected,
        tuple(aside),
        facts,
    )


def _sentence(result: PolicyResult) -> str:
    """Return why a policy does not apply, for people."""
    match result.reason:
        case Exclusion.RBAC:
            return f'Policy "{result.name}" matches, but {result.message}.'
        case Exclusion.INVALID:
            return f'Policy "{result.name}" is not Ready: {result.message}.'
        case _:
            return f'Policy "{result.name}" does not match: {result.message}.'


def _no_right(facts: RequestFacts) -> str:
    """Return which right is missing, and what to create."""
    who = "the requester"
    if facts.username.startswith(_ACCOUNT):
        who = f"ServiceAccount {shown(facts.username.removeprefix(_ACCOUNT).replace(':', '/'))}"
    elif facts.username:
        who = f"user {shown(facts.username)}"
    where, binding = "", "ClusterRoleBinding"
    if facts.namespace:
        where, binding = f" in namespace {shown(facts.namespace)}", "RoleBinding"
    return f'{who} has no "use" right on it{where}; create a {binding}'


def _allowance(policy: CompiledPolicy) -> Allowance:
    return Allowance(frozenset(policy.usages or ()), policy.constraints.longest)


def _cut_off(policy: CompiledPolicy, facts: RequestFacts) -> timedelta:
    """Return the part of the duration that the policy would take away."""
    longest = policy.constraints.longest
    if not facts.shortens or facts.duration is None or longest is None:
        return timedelta()
    return max(facts.duration - longest, timedelta())


def _count(number: int) -> str:
    return counted(number, "policy", "policies")


def _all_violations(result: PolicyResult) -> str:
    return f"[{result.name}: {'; '.join(map(str, result.violations))}]"


def _joined(head: str, parts: Sequence[Callable[[], str]], limit: int, first: str) -> str:
    """Return `head`, `first`, and then `part part ... and n more`, within `limit` characters.

    Parts beyond it are never made.
    """
    text = head[:limit]
    for index, make in enumerate(parts):
        part = make()
        more = f" and {len(parts) - index - 1} more" if index + 1 < len(parts) else ""
        longer = f"{text}{' ' if index else first}{part}"
        if len(longer) + len(more) > limit:
            return _cut(text, first + part, index, len(parts), limit)
        text = longer
    return text


def _cut(text: str, part: str, index: int, count: int, limit: int) -> str:
    """Return `text` with as much of the first part (and its separator) as there is room for, or with the
    count of those left out."""
    if index == 0:
        return f"{text}{part}"[: max(limit - 3, 0)] + "..."[:limit]
    return f"{text} and {count - index} more"[:limit]
