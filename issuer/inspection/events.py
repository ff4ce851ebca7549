"""Events of one object, and when they last happened."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from issuer.inspection.progress import text_of, time_of
from issuer.inspection.reading import Reader, Withheld
from issuer.kube.resources import EVENTS
from issuer.text import rfc3339

EVENTS_SHOWN: Final = 20


async def events_of(reader: Reader, uid: str, namespace: str) -> tuple[dict[str, Any], ...]:
    """Return the newest events of the object with this uid, oldest first; none if they may not be read."""
    newest: list[tuple[str, int, dict[str, Any]]] = []
    seen = 0
    events = reader.each(EVENTS, namespace, what="its events are", field_selector=f"regarding.uid={uid}")
    try:
        async for one in events:
            if (one.get("regarding") or {}).get("uid") != uid:
                continue
            seen += 1
            entry = (_when(one), seen, event_json(one))
            if len(newest) < EVENTS_SHOWN:
                heapq.heappush(newest, entry)
            else:
                heapq.heappushpop(newest, entry)
    except Withheld:
        return ()
    return tuple(event for _, _, event in sorted(newest))


def event_json(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event as `-o json` prints it."""
    series = one.get("series") or {}
    return {
        "time": _when(one),
        "type": text_of(one, "type"),
        "reason": text_of(one, "reason"),
        "by": text_of(one, "reportingController") or text_of(one.get("deprecatedSource") or {}, "component"),
        "message": text_of(one, "note"),
        "count": series.get("count") or one.get("deprecatedCount") or 1,
    }


def last_seen(one: Mapping[str, Any]) -> datetime | None:
    """Return the time of an event's last occurrence."""
    series = one.get("series") or {}
    for value in (series.get("lastObservedTime"), one.get("deprecatedLastTimestamp"), one.get("eventTime")):
        moment = time_of(value)
        if moment is not None:
            return moment
    return time_of((one.get("metadata") or {}).get("creationTimestamp"))


def _when(one: Mapping[str, Any]) -> str:
    """Return the time of an event's last occurrence, in whole seconds."""
    moment = last_seen(one)
    return "" if moment is None else rfc3339(moment)
