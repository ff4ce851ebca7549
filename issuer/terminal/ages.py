"""Ages as kubectl prints them: `95s`, `12m`, `3d4h`. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

_SECONDS: Final = 60
_HOURS: Final = 60 * 60
_DAYS: Final = 24 * _HOURS
_YEARS: Final = 365 * _DAYS


def span_text(span: timedelta) -> str:
    """Return a time span in one or two units, as kubectl does
    (k8s.io/apimachinery/pkg/util/duration, HumanDuration)."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 2 * _SECONDS:
        return f"{seconds}s"
    if seconds < 10 * _SECONDS:
        return _two(seconds, _SECONDS, "m", 1, "s")
    if seconds < 3 * _HOURS:
        return f"{seconds // _SECONDS}m"
    if seconds < 8 * _HOURS:
        return _two(seconds, _HOURS, "h", _SECONDS, "m")
    if seconds < 2 * _DAYS:
        return f"{seconds // _HOURS}h"
    if seconds < 8 * _DAYS:
        return _two(seconds, _DAYS, "d", _HOURS, "h")
    if seconds < 2 * _YEARS:
        return f"{seconds // _DAYS}d"
    if seconds < 8 * _YEARS:
        return _two(seconds, _YEARS, "y", _DAYS, "d")
    return f"{seconds // _YEARS}y"


def age(moment: datetime | None, now: datetime) -> str:
    """Return how long ago a moment was; `-` for none, `0s` for one that is to come."""
    return "-" if moment is None else span_text(now - moment)


def until(moment: datetime, now: datetime) -> str:
    """Return how far away the end of a validity is: `in 5d`, or `expired 3m ago`."""
    return f"in {span_text(moment - now)}" if moment > now else f"expired {span_text(now - moment)} ago"


def _two(seconds: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    rest = seconds % large // small
    return f"{seconds // large}{large_unit}" + (f"{rest}{small_unit}" if rest else "")
