"""HTML that can't be forgotten to escape: text is escaped unless it was made here. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape

from issuer.telemetry.redaction import redact
from issuer.text import counted, rfc3339

_VOID = frozenset({"br", "input", "link", "meta"})


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Part = str | Html | None


def tag(name: str, /, *parts: Part, **attributes: str | int | float | bool | None) -> Html:
    """Return an element. `class_` is `class`, underscores are dashes; None and False mean no attribute."""
    head = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Html(head) if name in _VOID else Html(f"{head}{join(*parts)}</{name}>")


def join(*parts: Part) -> Html:
    """Return the parts one after the other."""
    return Html("".join(one if isinstance(one, Html) else text(one) for one in parts if one is not None))


def text(value: str) -> Html:
    """Escape a text and redact what looks like a credential, as messages quote what others wrote."""
    return Html(escape(redact(value)))


def _attribute(name: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    key = name.rstrip("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{escape(redact(str(value)))}"'


def moment(at: datetime | None, now: datetime) -> Html:
    """Return a time in UTC, with its date unless that is today's; the script adds how long ago it is."""
    if at is None:
        return text("unknown")
    at = at.astimezone(UTC)
    shown = at.strftime("%H:%M:%S" if at.date() == now.date() else "%Y-%m-%d %H:%M")
    return tag("time", f"{shown} UTC", datetime=rfc3339(at))


def span(length: timedelta) -> str:
    """Return a length of time in one unit, rounded down, so that it seldom changes."""
    seconds = max(0, int(length.total_seconds()))
    days = seconds // 86400
    if days >= 2 * 365:
        return f"{days / 365.25:.1f} years"
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        number = seconds // size
        if number >= 2 or (number == 1 and size == 1):
            return counted(number, name)
    return "no time"
