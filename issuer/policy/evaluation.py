"""Every violation of one policy by a request.

The order is approver-policy's, so that both read alike; violations that only the bytes of the CSR show come
last. Rules and patterns take time, so that an evaluation goes in steps of at most `STEP` nanoseconds,
estimated before they are taken: whoever shares a thread with others lets these go between two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from issuer.duration import format_duration
from issuer.policy.cel.expressions import STEP, Variables
from issuer.policy.compiled import PATHS, AllowedValues, CompiledConstraints, CompiledPolicy
from issuer.policy.extensions import extension_violations
from issuer.policy.facts import RequestFacts
from issuer.policy.patterns.names import NO_UNDERSCORE, needs_underscore
from issuer.policy.shown import shown, shown_list
from issuer.policy.violation import Violation
from issuer.policy.weak_keys import weak_key
from issuer.x509.contents import Contents, Defect, Place, RequestPart, Value
from issuer.x509.names import COMMON_NAME

__all__ = ["Shared", "Violation", "violation_steps", "violations"]

_MICROSECOND: Final = timedelta(microseconds=1)
_PLACES: Final = tuple(PATHS)
_FIRST: Final = _PLACES[:5]
_SUBJECT: Final = _PLACES[5:]
_NAMED: Final = frozenset(_PLACES)
_SINGLE: Final = frozenset({(RequestPart.ATTRIBUTE, COMMON_NAME), (RequestPart.ATTRIBUTE, "2.5.4.5")})
_ALTERNATIVE_NAMES: Final = "spec.allowed.subjectAltName"
MAX_REPORTED: Final = 10
"""The most violations reported of one field: the field and its first values are enough to act on."""


@dataclass(frozen=True, slots=True)
class Shared:
    """The parts of an evaluation that all policies share.

    `variables` are the values that rules see, and hold the time that is left to the policy at work; `own` are
    violations that no policy could allow.
    """

    variables: Variables
    own: tuple[Violation, ...]

    @classmethod
    def of(cls, facts: RequestFacts) -> Shared:
        """Prepare the shared parts, once for each request."""
        variables = Variables(facts.name, facts.namespace, facts.username, facts.groups)
        defects = defect_violations(facts.contents)
        return cls(variables, (*defects, *extension_violations(facts)))


def violations(
    policy: CompiledPolicy, facts: RequestFacts, shared: Shared | None = None
) -> tuple[Violation, ...]:
    """Return all violations, each with the path of the policy's field. Never raises.

    `shared` is the result of `Shared.of(facts)`, given when several policies are evaluated for one request.
    """
    found: list[Violation] = []
    for _ in violation_steps(policy, facts, shared or Shared.of(facts), found):
        pass
    return tuple(found)


def violation_steps(
    policy: CompiledPolicy, facts: RequestFacts, shared: Shared, found: list[Violation]
) -> Iterator[None]:
    """Add all violations to `found`, a step after each `next`; see `violations`."""
    contents, variables = facts.contents, shared.variables
    variables.begin_policy()
    for place in _FIRST:
        yield from _place_steps(policy.allowed.get(place), place, contents, variables, found)
    found += _is_ca(policy, facts)
    found += _usages(policy, facts)
    yield from _typed(policy, RequestPart.OTHER, contents, variables, found)
    for place in _SUBJECT:
        yield from _place_steps(policy.allowed.get(place), place, contents, variables, found)
    yield from _typed(policy, RequestPart.ATTRIBUTE, contents, variables, found)
    found += shared.own
    found += _constraints(policy.constraints, facts)


def _typed(
    policy: CompiledPolicy,
    part: RequestPart,
    contents: Contents,
    variables: Variables,
    found: list[Violation],
) -> Iterator[None]:
    """Add violations at places with an OID of their own: those of the request, then those that the policy
    requires."""
    places = [place for place in contents.values if place[0] is part and place not in _NAMED]
    for place in dict.fromkeys([*places, *(p for p in policy.allowed if p[0] is part and p not in _NAMED)]):
        yield from _place_steps(policy.allowed.get(place), place, contents, variables, found)


def _place_steps(
    allowed: AllowedValues | None,
    place: Place,
    contents: Contents,
    variables: Variables,
    found: list[Violation],
) -> Iterator[None]:
    given = contents.values.get(place, ())
    # approver-policy takes an empty value of these for none.
    values = tuple(value for value in given if value.text) if place in _SINGLE else given
    if not given or len(values) < len(given):
        found += _missing(allowed, place, contents)
    if not values:
        return
    if allowed is None or (allowed.patterns is None and not allowed.rules):
        found.append(Violation(_path(place), f"{_texts(values)}: no allowed value"))
        return
    yield from _unmatched(allowed, place, values, variables, found)
    yield from _failed_rules(allowed, values, variables, found)


def _missing(allowed: AllowedValues | None, place: Place, contents: Contents) -> tuple[Violation, ...]:
    if allowed is None or not allowed.required or any(defect.place == place for defect in contents.defects):
        return ()
    return (Violation(f"{allowed.path}.required", "is required, and the request has none"),)


def _unmatched(
    allowed: AllowedValues,
    place: Place,
    values: tuple[Value, ...],
    variables: Variables,
    found: list[Violation],
) -> Iterator[None]:
    patterns = allowed.patterns
    path = f"{allowed.path}.{'value' if allowed.single else 'values'}"
    if patterns is None:  # rules alone decide, and none of them is a pattern
        bad = [value for value in values if needs_underscore(place, value.text)]
        if bad:
            found.append(Violation(path, f"{_texts(bad)} {NO_UNDERSCORE}"))
        return
    costs = patterns.costs([value.text for value in values])
    if sum(costs) > variables.left or max(costs) > STEP:
        message = f"{len(values)} values are too many, or too long, for these patterns to judge in time"
        found.append(Violation(path, message))
        return
    refused: list[tuple[Value, str]] = []
    for value, cost in zip(values, costs, strict=True):
        if variables.is_due(cost):
            yield
        variables.spend(cost)
        if (why := patterns.refusal(value.text)) is not None:
            refused.append((value, why))
    plain = [value for value, why in refused if not why]
    if plain:
        found.append(Violation(path, f"{_texts(plain)}: allowed is {shown_list(patterns.texts)}"))
    for value, why in [one for one in refused if one[1]][:MAX_REPORTED]:
        found.append(Violation(path, f"{shown(value.text)} {why}: allowed is {shown_list(patterns.texts)}"))


def _failed_rules(
    allowed: AllowedValues, values: tuple[Value, ...], variables: Variables, found: list[Violation]
) -> Iterator[None]:
    left = MAX_REPORTED
    for value in values:
        for index, rule in enumerate(allowed.rules):
            path = f"{allowed.path}.validations[{index}]"
            for text in dict.fromkeys((value.text, value.meaning)):
                if variables.is_due(rule.program.cost(text)):
                    yield
                answer = rule.program.check(text, variables)
                if answer is True:
                    continue
                told = rule.message if answer is False else f"the rule {shown(rule.program.text)} {answer}"
                found.append(Violation(path, f"{shown(text)}: {told}"))
                left -= 1
                if not left:
                    return
                break


def _path(place: Place) -> str:
    if place in PATHS:
        return PATHS[place]
    part, oid = place
    return f"spec.allowed.{'otherNames' if part is RequestPart.OTHER else 'subject.otherAttributes'}[{oid}]"


def _texts(values: Sequence[Value]) -> str:
    return shown_list([value.text for value in values])


def defect_violations(contents: Contents) -> tuple[Violation, ...]:
    """Return the first defects of the names and the subject as violations: no policy can allow them."""
    return tuple(map(_defect, contents.defects[:MAX_REPORTED]))


def _defect(defect: Defect) -> Violation:
    part, oid = defect.place
    if part is RequestPart.SUBJECT:
        path = "spec.allowed.subject"
    elif part is RequestPart.UNTYPED or (part is RequestPart.OTHER and not oid):
        kind = oid or ("otherName" if part is RequestPart.OTHER else "")
        path = f"{_ALTERNATIVE_NAMES}.{kind}" if kind else _ALTERNATIVE_NAMES
    else:
        path = _path(defect.place)
    named = "" if defect.text is None else f" {shown(defect.text)}"
    return Violation(path, f"the {part}{named} {defect.problem}")


def _is_ca(policy: CompiledPolicy, facts: RequestFacts) -> Iterator[Violation]:
    if facts.is_ca and not policy.is_ca:
        yield Violation("spec.allowed.isCA", "the request has spec.isCA true; that is not allowed")


def _usages(policy: CompiledPolicy, facts: RequestFacts) -> Iterator[Violation]:
    allowed = policy.usages or ()
    bad = [usage for usage in facts.usages if usage not in allowed]
    if bad:
        yield Violation("spec.allowed.usages", f"{shown_list(bad)}: allowed is {shown_list(allowed)}")


def _constraints(constraints: CompiledConstraints, facts: RequestFacts) -> Iterator[Violation]:
    if facts.policy_only:
        yield from weak_key(facts.csr.key, constraints.algorithm, constraints.min_size)
    yield from _durations(constraints, facts.duration, shortens=facts.shortens)
    path = "spec.constraints.privateKey"
    key = facts.csr.key
    if constraints.algorithm is None and constraints.min_size is None and constraints.max_size is None:
        return
    if not key.algorithm:
        yield Violation(path, "the key is neither RSA, nor ECDSA on a NIST curve, nor Ed25519")
        return
    if constraints.algorithm not in {None, key.algorithm}:
        yield Violation(f"{path}.algorithm", f"{key.algorithm}: allowed is {constraints.algorithm}")
    if constraints.max_size is not None and key.size > constraints.max_size:
        yield Violation(f"{path}.maxSize", f"{key.size} bits: at most {constraints.max_size} are allowed")
    if constraints.min_size is not None and key.size < constraints.min_size:
        size = f"{key.size} bits" if key.size >= 0 else f"{key.algorithm}, which has no size"
        yield Violation(f"{path}.minSize", f"{size}: at least {constraints.min_size} are wanted")


def _durations(
    constraints: CompiledConstraints, duration: timedelta | None, *, shortens: bool
) -> Iterator[Violation]:
    nanoseconds = None if duration is None else duration // _MICROSECOND * 1_000
    has = "the request names no duration" if duration is None else format_duration(duration)
    longest, shortest = constraints.max_duration, constraints.min_duration
    too_long = nanoseconds is None or (longest is not None and nanoseconds > longest[0])
    if longest and too_long and not shortens:
        yield Violation("spec.constraints.maxDuration", f"{has}: at most {longest[1]} is allowed")
    if shortest and (nanoseconds is None or nanoseconds < shortest[0]):
        yield Violation("spec.constraints.minDuration", f"{has}: at least {shortest[1]} is wanted")
