"""Lifetimes as Vault reads them, seconds or Go's durations with days besides (`30d`), and truth values."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from issuer.duration import parse_duration

_DAYS: Final = re.compile(r"(\d{1,7})d")

TRUTHS: Final = {
    "": False,
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
"""Texts that Vault reads as true or false: Go's strconv.ParseBool, and none."""


def seconds(value: object) -> int:
    """Return a lifetime in seconds. `value` is a number of seconds, or text such as `3600`, `72h`, `30d`.

    Raises ValueError. Source: https://developer.hashicorp.com/vault/docs/concepts/duration-format
    """
    if isinstance(value, bool):
        raise ValueError("is not a lifetime; write for example 720h")
    if isinstance(value, int):
        return value
    if not isinstance(value, str):
        raise ValueError("is not a lifetime; write for example 720h")
    text = value.strip()
    if text.isascii() and text.isdigit():
        return int(text)
    days = _DAYS.fullmatch(text)
    if days is not None:
        return int(days[1]) * 86_400
    return int(parse_duration(text).total_seconds())


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
