"""Differences between approver-policy's decisions and ours that a policy can meet.

Only those that a policy's fields tell. The others depend on the request, and hold for every policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from issuer.migrate.read.inventory import inner
from issuer.policy.differences import DIFFERENCES

_REASONS: Final = {one.name: one.reason for one in DIFFERENCES}
_NAMES: Final = ("commonName", "dnsNames", "emailAddresses", "uris")
_EDGES: Final = ("substring(", "indexOf(", "split(", "int(")


def met(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each difference that requests under this policy can meet."""
    for name, holds in _TESTS.items():
        if holds(spec):
            yield f"decided differently where it matters ({name}): {_REASONS[name]}"


def _rules(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        found = value.get("validations")
        for rule in found if isinstance(found, list) else ():
            if isinstance(rule, dict) and isinstance(rule.get("rule"), str):
                yield rule["rule"]
        for one in value.values():
            yield from _rules(one)
    elif isinstance(value, list):
        for one in value:
            yield from _rules(one)


def _has_rules(spec: Mapping[str, Any]) -> bool:
    return any(_rules(spec.get("allowed")))


def _name_rules(spec: Mapping[str, Any]) -> bool:
    allowed = inner(spec, "allowed")
    return any(any(_rules(allowed.get(field))) for field in _NAMES)


def _uses_edges(spec: Mapping[str, Any]) -> bool:
    return any(edge in rule for rule in _rules(spec.get("allowed")) for edge in _EDGES)


_TESTS: Final[Mapping[str, Callable[[Mapping[str, Any]], bool]]] = {
    "other-spellings": _name_rules,
    "uri-as-written": lambda spec: bool(inner(spec, "allowed", "uris")),
    "uri-by-rfc3986": lambda spec: bool(inner(spec, "allowed", "uris")),
    "other-keys": lambda spec: bool(inner(spec, "constraints", "privateKey")),
    "long-values": _has_rules,
    "function-edges": _uses_edges,
}
