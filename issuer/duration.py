"""Durations as Go writes them ("1h30m", "1.5h", "250ms"), because Kubernetes users write them so.

Source: Go's `time.ParseDuration` and `time.Duration.String` (https://pkg.go.dev/time). The arithmetic follows
Go's, its 64-bit overflow checks and its floating-point fractions included, so that both agree on every text.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Final

MAX_LENGTH: Final = 256
"""Longest text that is read. Go has no limit; nothing sensible comes near this one."""

PATTERN: Final = r"^[-+]?(0|(([0-9]+[.]?[0-9]*|[.][0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h))+)$"
"""Go's grammar of durations as a regular expression of RE2, of CEL and of Python; it bounds no value."""

_UNITS: Final[dict[str, int]] = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,  # micro sign
    "\u03bcs": 1_000,  # Greek mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_DIGITS: Final = frozenset("0123456789")
_LIMIT: Final = 1 << 63
_FRACTION_LIMIT: Final = (_LIMIT - 1) // 10
_MICROSECOND: Final = timedelta(microseconds=1)


@lru_cache(maxsize=256)  # the same few are asked for again and again
def parse_duration(text: str) -> timedelta:
    """The duration that `text` says, by Go's grammar.

    Below a microsecond the rest is dropped, as `timedelta` holds no more.
    Raises ValueError for anything Go refuses, 64-bit nanosecond overflow included.
    """
    nanoseconds = parse_nanoseconds(text)
    sign = -1 if nanoseconds < 0 else 1
    return timedelta(microseconds=sign * (abs(nanoseconds) // 1_000))


def parse_nanoseconds(text: str) -> int:
    """The duration that `text` says, in nanoseconds, as Go's `time.ParseDuration`. Raises ValueError."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"the duration is longer than {MAX_LENGTH} characters")
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return 0
    if not rest:
        raise _invalid(text)
    total = 0
    while rest:
        value, rest = _term(rest, text)
        total += value
        if total > _LIMIT:
            raise _too_long(text)
    if negative:
        return -total
    if total > _LIMIT - 1:
        raise _too_long(text)
    return total


def format_duration(duration: timedelta) -> str:
    """`duration` as Go's `Duration.String` writes it: "1h30m0s", "1.5s", "250ms", "0s"."""
    micros = duration // _MICROSECOND
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    if micros == 0:
        return "0s"
    if micros < 1_000:
        return f"{sign}{micros}\u00b5s"
    if micros < 1_000_000:
        return f"{sign}{_decimal(micros, 3)}ms"
    minutes, micros = divmod(micros, 60_000_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(micros, 6)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def format_seconds(duration: timedelta) -> str:
    """`duration` as `format_duration` writes it, its fraction of a second left out: "36h0m0s", "-1m30s"."""
    whole = timedelta(seconds=int(abs(duration).total_seconds()))
    return format_duration(-whole if duration < timedelta() else whole)


def _term(rest: str, text: str) -> tuple[int, str]:
    """One number with its unit, in nanoseconds, and what follows it."""
    whole, digits, rest = _whole(rest, text)
    fraction, scale, fraction_digits = 0, 1.0, 0
    if rest.startswith("."):
        fraction, scale, fraction_digits, rest = _fraction(rest[1:])
    if not digits and not fraction_digits:
        raise _invalid(text)
    end = next((i for i, c in enumerate(rest) if c == "." or c in _DIGITS), len(rest))
    name, rest = rest[:end], rest[end:]
    if not name:
        raise ValueError(f"{_shown(text)} lacks a unit; write one of ns, us, ms, s, m, h after each number")
    unit = _UNITS.get(name)
    if unit is None:
        raise ValueError(
            f"{_shown(text)} has the unknown unit {name[:16]!r}; use h, m, s, ms, us or ns (a day is 24h)"
        )
    if whole > _LIMIT // unit:
        raise _too_long(text)
    value = whole * unit
    if fraction:
        value += int(float(fraction) * (float(unit) / scale))
        if value > _LIMIT:
            raise _too_long(text)
    return value, rest


def _whole(rest: str, text: str) -> tuple[int, int, str]:
    """The leading digits: their value, how many, and what follows."""
    end = next((i for i, c in enumerate(rest) if c not in _DIGITS), len(rest))
    value = int(rest[:end]) if end else 0
    if value > _LIMIT:
        raise _too_long(text)
    return value, end, rest[end:]


def _fraction(rest: str) -> tuple[int, float, int, str]:
    """The digits after a point: value, scale, how many, and what follows. Go leaves off what 63 bits lack."""
    end = next((i for i, c in enumerate(rest) if c not in _DIGITS), len(rest))
    value, scale = 0, 1.0
    for digit in rest[:end]:
        if value > _FRACTION_LIMIT or value * 10 + int(digit) > _LIMIT:
            break
        value = value * 10 + int(digit)
        scale *= 10
    return value, scale, end, rest[end:]


def _decimal(value: int, places: int) -> str:
    whole, fraction = divmod(value, 10**places)
    digits = f"{fraction:0{places}d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


def _shown(text: str) -> str:
    return repr(text[:40])


def _invalid(text: str) -> ValueError:
    return ValueError(f"{_shown(text)} is not a duration; write for example 72h, 1h30m or 90s")


def _too_long(text: str) -> ValueError:
    return ValueError(f"{_shown(text)} is more than a 64-bit count of nanoseconds holds (about 292 years)")
