"""Progress of a request, by its own status. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from issuer.api.trust import TRUST_DISTRIBUTED
from issuer.requests.conditions import NOT_LOOKED_AT, find, is_true, ready_of
from issuer.requests.request import Request
from issuer.text import read_time, rfc3339


class RequestState(StrEnum):
    """State that a request has reached."""

    ISSUED = "Issued"
    WAITING = "Waiting"
    DENIED = "Denied"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a request, with its own reason and message ("" if it has none), and the time of the change."""

    state: RequestState
    reason: str
    message: str
    since: datetime | None

    def to_json(self) -> dict[str, Any]:
        """Return the progress as `-o json` prints it."""
        since = None if self.since is None else rfc3339(self.since)
        return {"state": self.state.value, "reason": self.reason, "message": self.message, "since": since}


def progress_of(request: Request) -> Progress:
    """Return a request's progress."""
    state = _state(request)
    if state is RequestState.WAITING:
        return _waiting(request)
    # Kubernetes' own requests have no Ready condition, only one of the state's name, or none when issued.
    condition = ready_of(request.object) or find(request.conditions, state.value) or {}
    since = time_of(condition.get("lastTransitionTime"))
    return Progress(state, text_of(condition, "reason") or state.value, text_of(condition, "message"), since)


def has_more_to_say(ready: Mapping[str, Any]) -> bool:
    """Return True if an object's Ready condition is True for a reason of its own, such as a policy's that
    selects no issuer."""
    return ready["ready"] is True and ready["reason"] not in ("", "Ready")


def request_name(found: Mapping[str, Any]) -> str:
    """Return the name by which `explain` takes a request, of which `found` has `namespace` and `name`."""
    return f"{found['namespace']}/{found['name']}" if found["namespace"] else f"csr/{found['name']}"


def ready_json(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return an issuer's or policy's Ready condition; `ready` is None if it isn't of this generation."""
    condition = ready_of(obj)
    if not condition:
        return {"ready": None, "reason": "", "message": NOT_LOOKED_AT}
    generation, seen = obj["metadata"].get("generation"), condition.get("observedGeneration")
    if isinstance(seen, int) and isinstance(generation, int) and seen < generation:
        return {
            "ready": None,
            "reason": "",
            "message": "it changed, and no controller has looked since",
        }
    return {
        "ready": condition.get("status") == "True",
        "reason": text_of(condition, "reason"),
        "message": text_of(condition, "message"),
    }


def trust_json(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the controller says of an issuer's `spec.trust`, None without it.

    `distributed` is None where it says nothing yet.
    """
    if not (obj.get("spec") or {}).get("trust"):
        return None
    condition = find((obj.get("status") or {}).get("conditions"), TRUST_DISTRIBUTED)
    if condition is None:
        return {"distributed": None, "reason": "", "message": "the controller says nothing of its roots yet"}
    return {
        "distributed": condition.get("status") == "True",
        "reason": text_of(condition, "reason"),
        "message": text_of(condition, "message"),
    }


def time_of(value: object) -> datetime | None:
    """Parse a Kubernetes time; None for anything else."""
    return read_time(value)


def text_of(fields: Mapping[str, Any], key: str) -> str:
    """Return a text field, or ""."""
    found = fields.get(key)
    return found if isinstance(found, str) else ""


def _state(request: Request) -> RequestState:
    ready = ready_of(request.object)
    if request.denied or ready.get("reason") == "Denied":
        return RequestState.DENIED
    if is_true(request.conditions, "Failed") or ready.get("reason") == "Failed":
        return RequestState.FAILED
    return RequestState.ISSUED if request.finished else RequestState.WAITING


def _waiting(request: Request) -> Progress:
    since = time_of(request.object["metadata"].get("creationTimestamp"))
    if request.only_others_approve and not request.approved:
        return Progress(RequestState.WAITING, "NotApproved", "nobody has approved it yet", since)
    ready = ready_of(request.object)
    return Progress(RequestState.WAITING, text_of(ready, "reason"), text_of(ready, "message"), since)
