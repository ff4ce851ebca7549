"""Lifetimes and maintenance windows of `agent.yaml`."""

from __future__ import annotations

import re
from datetime import time, timedelta
from enum import IntEnum
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field

from issuer.duration import parse_duration
from issuer.manifests.checked import StrictModel

_DAYS: Final = re.compile(r"(\d{1,5})d")
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


def _lifetime(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError("is not a lifetime; write for example 72h")
    days = _DAYS.fullmatch(value)
    found = timedelta(days=int(days[1])) if days else parse_duration(value)
    if found <= timedelta(0):
        raise ValueError("must be longer than 0")
    return found


Lifetime = Annotated[
    timedelta,
    BeforeValidator(_lifetime, json_schema_input_type=str),
    Field(description="Lifetime: text such as 90m, 72h or 30d."),
]


def _clock(value: Any) -> time:
    if isinstance(value, time):
        return value
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('is not a time of day; write for example "02:30", in quotes')
    return time(int(match[1]), int(match[2]))


Clock = Annotated[time, BeforeValidator(_clock, json_schema_input_type=str)]


class Weekday(IntEnum):
    """Days of the week, as `datetime.weekday` counts them."""

    MON = 0
    TUE = 1
    WED = 2
    THU = 3
    FRI = 4
    SAT = 5
    SUN = 6


def _weekday(value: Any) -> Weekday:
    try:
        return Weekday[str(value).upper()[:3]]
    except KeyError:
        raise ValueError("is not a day; write mon, tue, wed, thu, fri, sat or sun") from None


Day = Annotated[Weekday, BeforeValidator(_weekday, json_schema_input_type=str)]


class Window(StrictModel):
    """Times in which a certificate is renewed. `to` before `from` means the next day."""

    days: tuple[Day, ...] = Field(default=tuple(Weekday), min_length=1)
    begin: Clock = Field(alias="from")
    end: Clock = Field(alias="to")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone; write for example Europe/Berlin or UTC") from None
    return name


TimeZone = Annotated[str, AfterValidator(_zone)]
