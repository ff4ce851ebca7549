"""Problems that a policy can have, except in its CEL rules (see `cel/expressions`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from issuer.api.policy import KeyConstraints, PolicySpec, ValidationRule
from issuer.duration import parse_nanoseconds
from issuer.policy.shown import shown

_LARGEST_KEY: Final = 8192
_MOST_LISTED: Final = 5
_LONGEST_OID: Final = 256
_ARC: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_NAMED_ARCS: Final = frozenset({"3", "5", "6", "7", "8", "9", "10", "11", "17"})
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_LONGEST_MESSAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at one field of a policy."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class PolicyInvalid(Exception):
    """A policy that is never evaluated. Its text is fit for a condition: bounded, one line."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        more = len(problems) - _MOST_LISTED
        text = "; ".join(str(problem)[:600] for problem in problems[:_MOST_LISTED])
        super().__init__(text + (f"; and {more} more" if more > 0 else ""))
        self.problems = problems


def from_text(text: str) -> tuple[Problem, ...]:
    """Return the problems that a SpecError's text lists, one a line."""
    pairs = (line.partition(": ") for line in text.splitlines())
    return tuple(
        Problem(field, message) if mark else Problem("spec", field) for field, mark, message in pairs
    )


def plugins(spec: PolicySpec) -> Iterator[Problem]:
    """Refuse plugins: they are approver-policy's, and a policy that counts on one must not run without it."""
    if spec.plugins:
        yield Problem(
            "spec.plugins",
            "plugins of approver-policy don't run here; drop plugins, or leave such policies there",
        )


def selector(spec: PolicySpec) -> Iterator[Problem]:
    """Check that there is a selector, with labels that are possible."""
    given = spec.selector
    if given.issuer_ref is None and given.namespace is None:
        yield Problem(
            "spec.selector", "needs issuerRef or namespace; write `issuerRef: {}` to match every issuer"
        )
    labels = given.namespace.match_labels if given.namespace else None
    for key, value in (labels or {}).items():
        prefix, slash, name = key.rpartition("/")
        bad_prefix = slash and (len(prefix) > 253 or not _PREFIX.fullmatch(prefix))
        if bad_prefix or not _LABEL.fullmatch(name):
            yield Problem("spec.selector.namespace.matchLabels", f"{shown(key)} can't be a label's key")
        if value and not _LABEL.fullmatch(value):
            yield Problem("spec.selector.namespace.matchLabels", f"{shown(value)} can't be a label's value")


def duration(text: str | None, field: str, found: list[Problem]) -> tuple[int, str] | None:
    """Return the duration in nanoseconds and as written; None, and a problem in `found`, if
    it can't be used."""
    if text is None:
        return None
    path = f"spec.constraints.{field}"
    try:
        nanoseconds = parse_nanoseconds(text)
    except ValueError as error:
        found.append(Problem(path, str(error)))
        return None
    if nanoseconds < 0:
        found.append(Problem(path, f"{shown(text)} is negative"))
        return None
    return nanoseconds, text


def key(given: KeyConstraints) -> Iterator[Problem]:
    """Check that sizes are possible, and that Ed25519 has none."""
    path = "spec.constraints.privateKey"
    for field, size in (("minSize", given.min_size), ("maxSize", given.max_size)):
        if size is None:
            continue
        if not 0 <= size <= _LARGEST_KEY:
            yield Problem(f"{path}.{field}", f"must be between 0 and {_LARGEST_KEY}")
        if given.algorithm == "Ed25519":
            yield Problem(f"{path}.{field}", f"Ed25519 keys have one size; drop {field}")
    if given.min_size is not None and given.max_size is not None and given.max_size < given.min_size:
        yield Problem(f"{path}.maxSize", "is smaller than minSize; no key could satisfy both")


def oid(text: str, path: str, *, named: bool, seen: set[str]) -> Iterator[Problem]:
    """Check that an OID is written canonically, once, and (with `named`) has no field of its own."""
    arcs = text[:_LONGEST_OID].split(".")
    first = (
        arcs[0] in {"0", "1"}
        and len(arcs) > 1
        and len(arcs[1]) <= 2
        and arcs[1].isdigit()
        and int(arcs[1]) < 40
    )
    if (
        len(text) > _LONGEST_OID
        or len(arcs) < 2
        or not all(_ARC.fullmatch(arc) for arc in arcs)
        or not (first or arcs[0] == "2")
    ):
        yield Problem(
            path, f'{shown(text)} is not a dotted object identifier such as "1.3.6.1.4.1.311.20.2.3"'
        )
    elif named and arcs[:3] == ["2", "5", "4"] and len(arcs) == 4 and arcs[3] in _NAMED_ARCS:
        yield Problem(path, f"{text} has a field of its own (commonName or one of subject's); use that")
    elif text in seen:
        yield Problem(path, f"{text} is there twice; put all of it into one entry")


def rule_message(rule: ValidationRule) -> str:
    """Return the message for values that fail `rule`, on one line."""
    text = f"failed rule: {rule.rule}" if rule.message is None else rule.message
    return _CONTROLS.sub(" ", text)[:_LONGEST_MESSAGE]
