"""Pieces of a policy's YAML that would allow what a request asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from issuer.api.group import API_VERSION, POLICY_KIND
from issuer.duration import format_duration
from issuer.explain.requested import ALLOWED, IS_CA, USAGES, requested
from issuer.explain.review_input import ReviewInput
from issuer.policy.compiled import PATHS
from issuer.policy.evaluation import Violation
from issuer.policy.facts import RequestFacts
from issuer.policy.patterns.names import NamePatterns
from issuer.policy.patterns.wildcard import Patterns

_SINGLE: Final = frozenset({f"{ALLOWED}.commonName", f"{ALLOWED}.subject.serialNumber"})
_BY_OID: Final = re.compile(r"^(.*)\.([A-Za-z]+)\[([0-9.]+)\]$")
_MAX_NAME: Final = 60


def to_allow(
    violations: Iterable[Violation], facts: RequestFacts, spec: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[Violation, ...]]:
    """Return the part to merge into a policy's spec, and the violations that no `allowed` field mends.

    Lists come whole: what the policy allows already, then what is new.
    """
    values = requested(facts)
    part: dict[str, Any] = {}
    rest: list[Violation] = []
    for violation in violations:
        field = _field(violation.field, values)
        # What is allowed already is refused for its bytes, and allowing it once more won't help. A single
        # pattern would be replaced, and with it what others may ask for.
        new = () if field is None or _is_taken(field, spec) else _new(field, values[field], spec)
        if field is None or not new:
            rest.append(violation)
        else:
            _put(part, field, new, spec)
    return part, tuple(rest)


def starter_policy(request: ReviewInput, facts: RequestFacts) -> dict[str, Any]:
    """Return a policy that allows this request, in its namespace, from its issuer, and nothing else."""
    spec: dict[str, Any] = {
        "selector": {
            "issuerRef": {
                "group": request.issuer.group,
                "kind": request.issuer.kind,
                "name": request.issuer.name,
            },
        }
    }
    if request.namespace:
        spec["selector"]["namespace"] = {"matchNames": [request.namespace]}
    wrapped = {"spec": spec}
    for field, found in requested(facts).items():
        _put(wrapped, field, found, {})
    if request.duration is not None:
        spec["constraints"] = {"maxDuration": format_duration(request.duration)}
    name = f"{request.namespace}-{request.issuer.name}"[:_MAX_NAME].strip("-.")
    return {"apiVersion": API_VERSION, "kind": POLICY_KIND, "metadata": {"name": name}, "spec": spec}


def _field(path: str, values: Mapping[str, tuple[str, ...]]) -> str | None:
    """Return the field of `values` that a violation at `path` is about, if more of it can be allowed.

    Validations and `required` are rules of the policy's owner; nothing is suggested against them.
    """
    for field in values:
        rest = path.removeprefix(field) if path.startswith(field) else None
        if rest is not None and re.fullmatch(r"(\.values?)?(\[\d+\](\.value)?)?", rest):
            return field
    return None


def _put(part: dict[str, Any], field: str, new: tuple[str, ...], spec: Mapping[str, Any]) -> None:
    """Set `field` in `part` to what the spec allows there and `new`."""
    present = list(_present(field, spec))
    by_oid = _BY_OID.match(field)
    if by_oid:
        target = _at(part, by_oid[1].split("."))
        listed = target.get(by_oid[2], _entries(field, spec))
        own = next((entry for entry in listed if entry.get("oid") == by_oid[3]), {"oid": by_oid[3]})
        others = [entry for entry in listed if entry.get("oid") != by_oid[3]]
        target[by_oid[2]] = [*others, {**own, "values": [*present, *new]}]
        return
    *parents, last = field.split(".")
    target = _at(part, parents)
    if field == IS_CA:
        target[last] = True
    elif field == USAGES:
        target[last] = [*present, *new]
    elif field in _SINGLE:
        target[last] = {"value": new[0]}
    else:
        target[last] = {"values": [*present, *new]}


def _is_taken(field: str, spec: Mapping[str, Any]) -> bool:
    return field in _SINGLE and bool(_present(field, spec))


def _new(field: str, wanted: tuple[str, ...], spec: Mapping[str, Any]) -> tuple[str, ...]:
    place = next((place for place, path in PATHS.items() if path == field), None)
    texts = _present(field, spec)
    patterns = Patterns.parse(texts) if place is None else NamePatterns.parse(place, texts)
    return tuple(text for text in wanted if not patterns.match(text))


def _present(field: str, spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the values that the spec allows in this field already."""
    by_oid = _BY_OID.match(field)
    if by_oid:
        found = next(
            (one.get("values") for one in _entries(field, spec) if one.get("oid") == by_oid[3]), None
        )
    elif field == USAGES:
        found = _find(spec, field.split("."))
    elif field in _SINGLE:
        found = [_find(spec, [*field.split("."), "value"])]
    else:
        found = _find(spec, [*field.split("."), "values"])
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def _entries(field: str, spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all entries of the list that `field`, which ends in an object identifier, is in."""
    found = _find(spec, field.partition("[")[0].split("."))
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _at(part: dict[str, Any], path: Iterable[str]) -> dict[str, Any]:
    for key in path:
        part = part.setdefault(key, {})
    return part


def _find(spec: Mapping[str, Any], path: list[str]) -> Any:
    found: Any = spec
    for key in path[1:]:  # the first is `spec` itself
        found = found.get(key) if isinstance(found, dict) else None
    return found
