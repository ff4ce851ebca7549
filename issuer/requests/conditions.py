"""Reading and setting Kubernetes status conditions, without I/O.

Source: the API conventions, "Typical status properties": a condition is a map
entry by type, and `lastTransitionTime` moves only when `status` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from issuer.kube.wire import Object
from issuer.text import clip, rfc3339

# Messages are read in tables and events; longer ones are cut, never refused.
MESSAGE_LIMIT = 1024

NOT_LOOKED_AT: Final = "no controller has looked at it yet"
"""Words for an object without a Ready condition, or with one of an earlier generation."""


def bounded(message: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return `message`, cut to `limit` characters with an ellipsis."""
    return clip(message, limit)


def find(conditions: Iterable[Mapping[str, Any]] | None, kind: str) -> Mapping[str, Any] | None:
    """Return the condition of that type, or None."""
    return next((one for one in conditions or () if one.get("type") == kind), None)


def ready_of(obj: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the Ready condition in an object's status, empty where there is none."""
    return find(((obj or {}).get("status") or {}).get("conditions"), "Ready") or {}


def is_true(conditions: Iterable[Mapping[str, Any]] | None, kind: str) -> bool:
    """Return True if the condition of that type has status `True`."""
    found = find(conditions, kind)
    return found is not None and found.get("status") == "True"


def with_condition(
    conditions: Iterable[Mapping[str, Any]] | None,
    kind: str,
    status: bool,
    reason: str,
    message: str,
    now: datetime,
    generation: int | None = None,
) -> list[Object]:
    """Return a new list in which the condition of that type has these values.

    Other conditions keep their place and content.
    """
    old = find(conditions, kind)
    text = "True" if status else "False"
    unchanged = old is not None and old.get("status") == text and old.get("lastTransitionTime")
    new: Object = {
        "type": kind,
        "status": text,
        "reason": reason,
        "message": bounded(message),
        "lastTransitionTime": old["lastTransitionTime"] if old and unchanged else rfc3339(now),
    }
    if generation is not None:
        new["observedGeneration"] = generation
    kept = [dict(one) for one in conditions or ()]
    for index, one in enumerate(kept):
        if one.get("type") == kind:
            kept[index] = new
            return kept
    return [*kept, new]


def says(conditions: Iterable[Mapping[str, Any]] | None, wanted: Mapping[str, Any]) -> bool:
    """Return True if the condition of the type of `wanted` already reads so, times aside."""
    old = find(conditions, wanted["type"])
    if old is None:
        return False
    return all(
        old.get(name) == wanted.get(name) for name in ("status", "reason", "message", "observedGeneration")
    )
