"""Lifetimes as Vault reads them, seconds or Go's durations with days besides (`30d`)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from issuer.duration import parse_duration

_DAYS: Final = re.compile(r"(\d{1,7})d")
_NUMBER: Final = re.compile(r"\d+[hms]")
_WRONG: Final = "is not a lifetime; write for example 720h or 30d (a year is 8760h)"
_TOO_LONG: Final = "is longer than Vault can count, about 292 years; write for example 87600h"
LONGEST: Final = (1 << 63) // 10**9
"""Seconds, about 292 years: Vault counts nanoseconds in 64 bits, so that more is another lifetime to it."""


def seconds(value: object) -> int:
    """Return a lifetime in seconds. `value` is a number of seconds, or text such as `3600`, `72h`, `30d`.

    Raises ValueError, for one that is longer than Vault can count, too. Source: https://developer.hashicorp.com/vault/docs/concepts/duration-format
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(_WRONG)
    found = value if isinstance(value, int) else _of_text(value.strip())
    if abs(found) > LONGEST:
        raise ValueError(_TOO_LONG)
    return found


def _of_text(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    days = _DAYS.fullmatch(text)
    if days is not None:
        return int(days[1]) * 86_400
    try:
        return int(parse_duration(text).total_seconds())
    except ValueError as error:
        too_long = _NUMBER.fullmatch(text) is not None
        raise ValueError(_TOO_LONG if too_long else _WRONG) from error


def _positive(value: Any) -> int:
    found = seconds(value)
    if found <= 0:
        raise ValueError("must be longer than 0")
    return found


_WRITTEN: Final = {
    "anyOf": [
        {"type": "integer", "exclusiveMinimum": 0},
        # Without micro- and nanoseconds, in a form that editors and Go both take.
        {"type": "string", "pattern": r"^[0-9]+d?$|^(([0-9]+[.]?[0-9]*|[.][0-9]+)(ms|s|m|h))+$"},
    ]
}
Lifetime = Annotated[
    int,
    BeforeValidator(_positive),
    WithJsonSchema(_WRITTEN),
    Field(description="Lifetime: seconds, or text such as 90m, 720h or 30d."),
]
