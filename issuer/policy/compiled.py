"""Policies compiled for evaluation, or all that is wrong with one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from issuer.api.policy import AllowedText, AllowedTexts, PolicySpec, SpecError, TypedTexts, ValidationRule
from issuer.policy import problems as find
from issuer.policy.cel.expressions import STEP, Program, RuleError, compile_rule
from issuer.policy.patterns.names import NamePatterns
from issuer.policy.patterns.wildcard import Pattern, Patterns
from issuer.policy.problems import PolicyInvalid, Problem
from issuer.x509.contents import Place, RequestPart
from issuer.x509.names import COMMON_NAME

__all__ = [
    "AllowedValues",
    "CompiledConstraints",
    "CompiledPolicy",
    "CompiledRule",
    "CompiledSelector",
    "PolicyInvalid",
    "Problem",
    "compile_policy",
]

SUBJECT_FIELDS: Final = {
    "organizations": "2.5.4.10",
    "countries": "2.5.4.6",
    "organizationalUnits": "2.5.4.11",
    "localities": "2.5.4.7",
    "provinces": "2.5.4.8",
    "streetAddresses": "2.5.4.9",
    "postalCodes": "2.5.4.17",
    "serialNumber": "2.5.4.5",
}
_ATTRIBUTES: Final = {
    "organizationalUnits": "organizational_units",
    "streetAddresses": "street_addresses",
    "postalCodes": "postal_codes",
    "serialNumber": "serial_number",
}
_ALTERNATIVE_NAMES: Final = {
    "dnsNames": (RequestPart.DNS, "dns_names"),
    "ipAddresses": (RequestPart.IP, "ip_addresses"),
    "uris": (RequestPart.URI, "uris"),
    "emailAddresses": (RequestPart.EMAIL, "email_addresses"),
}
PATHS: Final[dict[Place, str]] = {
    (RequestPart.ATTRIBUTE, COMMON_NAME): "spec.allowed.commonName",
    **{(part, ""): f"spec.allowed.{field}" for field, (part, _) in _ALTERNATIVE_NAMES.items()},
    **{
        (RequestPart.ATTRIBUTE, oid): f"spec.allowed.subject.{field}" for field, oid in SUBJECT_FIELDS.items()
    },
}
"""The path of a policy's field, by the place of a request that it allows; places with an OID of their own
left out."""


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A compiled rule, and the message for values that fail it. Its index is its place in `validations`."""

    program: Program
    message: str


@dataclass(frozen=True, slots=True)
class AllowedValues:
    """The values that one place may hold. `patterns` is None if only rules decide; `single` fields say
    `value`."""

    path: str
    patterns: NamePatterns | None
    required: bool
    rules: tuple[CompiledRule, ...]
    single: bool


@dataclass(frozen=True, slots=True)
class CompiledConstraints:
    """Bounds of durations (nanoseconds, and as written) and of keys (bits)."""

    min_duration: tuple[int, str] | None = None
    max_duration: tuple[int, str] | None = None
    algorithm: str | None = None
    min_size: int | None = None
    max_size: int | None = None

    @property
    def longest(self) -> timedelta | None:
        """The longest duration allowed, or None for any."""
        return None if self.max_duration is None else timedelta(microseconds=self.max_duration[0] // 1_000)


@dataclass(frozen=True, slots=True)
class CompiledSelector:
    """Patterns by field of issuerRef; of namespaces (None: all); and labels."""

    issuer: tuple[tuple[str, Pattern], ...]
    namespaces: Patterns | None
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy that can be evaluated."""

    name: str
    selector: CompiledSelector
    allowed: Mapping[Place, AllowedValues]
    is_ca: bool | None
    usages: tuple[str, ...] | None
    constraints: CompiledConstraints


def compile_policy(name: str, spec: Mapping[str, Any] | PolicySpec) -> CompiledPolicy:
    """Compile the policy `name` with this spec. Raises PolicyInvalid with every problem that was found."""
    if not isinstance(spec, PolicySpec):
        try:
            spec = PolicySpec.parse(spec)
        except SpecError as error:
            raise PolicyInvalid(find.from_text(str(error))) from error
    found: list[Problem] = [*find.selector(spec), *find.plugins(spec)]
    constraints = _constraints(spec, found)
    allowed = dict(_all_allowed(spec, found))
    if found:
        raise PolicyInvalid(tuple(found))
    body = spec.allowed
    return CompiledPolicy(
        name,
        _selector(spec),
        allowed,
        body.is_ca if body else None,
        body.usages if body else None,
        constraints,
    )


def _selector(spec: PolicySpec) -> CompiledSelector:
    issuer, namespace = spec.selector.issuer_ref, spec.selector.namespace
    fields = [("name", issuer.name), ("kind", issuer.kind), ("group", issuer.group)] if issuer else []
    names = namespace.match_names if namespace else ()
    labels = (namespace.match_labels if namespace else None) or {}
    return CompiledSelector(
        tuple((field, Pattern.parse(text)) for field, text in fields if text is not None),
        Patterns.parse(names) if names else None,
        tuple(sorted(labels.items())),
    )


def _constraints(spec: PolicySpec, found: list[Problem]) -> CompiledConstraints:
    given = spec.constraints
    if given is None:
        return CompiledConstraints()
    shortest = find.duration(given.min_duration, "minDuration", found)
    longest = find.duration(given.max_duration, "maxDuration", found)
    if shortest and longest and longest[0] < shortest[0]:
        found.append(Problem("spec.constraints.maxDuration", "is shorter than minDuration"))
    key = given.private_key
    if key is None:
        return CompiledConstraints(shortest, longest)
    found.extend(find.key(key))
    return CompiledConstraints(shortest, longest, key.algorithm, key.min_size, key.max_size)


def _all_allowed(spec: PolicySpec, found: list[Problem]) -> Iterator[tuple[Place, AllowedValues]]:
    body = spec.allowed
    if body is None:
        return
    subject = body.subject
    given: list[tuple[Place, AllowedText | AllowedTexts | None]] = [
        ((RequestPart.ATTRIBUTE, COMMON_NAME), body.common_name)
    ]
    given += [((part, ""), getattr(body, attribute)) for part, attribute in _ALTERNATIVE_NAMES.values()]
    if subject is not None:
        given += [
            ((RequestPart.ATTRIBUTE, oid), getattr(subject, _ATTRIBUTES.get(field, field)))
            for field, oid in SUBJECT_FIELDS.items()
        ]
    for place, entry in given:
        if entry is not None:
            path = PATHS[place]
            yield place, _allowed(entry, place, (path, path), found)
    yield from _typed(body.other_names, RequestPart.OTHER, "spec.allowed.otherNames", found)
    if subject is not None:
        path = "spec.allowed.subject.otherAttributes"
        yield from _typed(subject.other_attributes, RequestPart.ATTRIBUTE, path, found)


def _typed(
    entries: Iterable[TypedTexts], part: RequestPart, path: str, found: list[Problem]
) -> Iterator[tuple[Place, AllowedValues]]:
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        where = f"{path}[{index}]"
        found.extend(find.oid(entry.oid, f"{where}.oid", named=part is RequestPart.ATTRIBUTE, seen=seen))
        seen.add(entry.oid)
        place = (part, entry.oid)
        yield place, _allowed(entry, place, (f"{path}[{entry.oid}]", where), found)


def _allowed(
    entry: AllowedText | AllowedTexts, place: Place, paths: tuple[str, str], found: list[Problem]
) -> AllowedValues:
    """Return the values that `place` may hold; `paths` are those of violations and of
    problems in the policy."""
    path, where = paths
    single = isinstance(entry, AllowedText)
    texts = (
        (None if entry.value is None else (entry.value,)) if isinstance(entry, AllowedText) else entry.values
    )
    if entry.required and texts is None and not entry.validations:
        field = "value" if single else "values"
        found.append(Problem(f"{where}.{field}", f"{field} or validations is needed where required is true"))
    rules = tuple(_rules(entry.validations, f"{where}.validations", found))
    patterns = None if texts is None else NamePatterns.parse(place, texts)
    if patterns is not None and patterns.cost > STEP:
        problem = f"{len(patterns.texts)} patterns are too many to judge in time"
        found.append(Problem(f"{where}.values", problem))
    return AllowedValues(path, patterns, bool(entry.required), rules, single)


def _rules(given: Iterable[ValidationRule], path: str, found: list[Problem]) -> Iterator[CompiledRule]:
    seen: set[str] = set()
    for index, rule in enumerate(given):
        where = f"{path}[{index}]"
        if rule.rule in seen:
            found.append(Problem(where, "is there twice; drop one"))
        seen.add(rule.rule)
        try:
            program = compile_rule(rule.rule)
        except RuleError as error:
            found.append(Problem(where, str(error)))
            continue
        yield CompiledRule(program, find.rule_message(rule))
