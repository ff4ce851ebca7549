"""Values that a request asks for, as the texts that a policy's patterns are compared with."""

from __future__ import annotations

from typing import Final

from issuer.duration import format_duration
from issuer.policy.compiled import PATHS
from issuer.policy.facts import RequestFacts
from issuer.x509.contents import Place, RequestPart

ALLOWED: Final = "spec.allowed"
IS_CA: Final = f"{ALLOWED}.isCA"
USAGES: Final = f"{ALLOWED}.usages"
DURATION: Final = "duration"
KEY: Final = "private key"


def requested(facts: RequestFacts) -> dict[str, tuple[str, ...]]:
    """Return values by the policy's field that allows them (`spec.allowed.dnsNames`); no empty ones."""
    found: dict[str, tuple[str, ...]] = {}
    for place, values in facts.csr.contents.values.items():
        texts = tuple(dict.fromkeys(value.text for value in values if value.text))
        if texts:
            found[_path(place)] = texts
    if facts.is_ca:
        found[IS_CA] = ("true",)
    if facts.usages:
        found[USAGES] = facts.usages
    return found


def also_asked(facts: RequestFacts) -> dict[str, str]:
    """Return what constraints are about, the duration and the key, as text."""
    key = facts.csr.key
    size = f" {key.size}" if key.size > 0 else ""
    return {
        DURATION: "not set" if facts.duration is None else format_duration(facts.duration),
        KEY: f"{key.algorithm or 'of another kind'}{size}",
    }


def _path(place: Place) -> str:
    part, oid = place
    if place in PATHS:
        return PATHS[place]
    return f"{ALLOWED}.{'otherNames' if part is RequestPart.OTHER else 'subject.otherAttributes'}[{oid}]"
