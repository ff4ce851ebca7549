"""Another controller of an issuer: it answers requests or writes the status. Pure but for the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from issuer.controller.state.health.bad_answers import retry_command
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey

LOOK_AGAIN: Final = 5.0
"""Seconds between two looks at who answered. The watch may show our own answer before the API server replies
to our write, and a peer that is there answers again and again."""

_NAMELESS: Final = "a client without a name"
_ANSWERS: Final = ("f:certificate", "f:failureTime")


class PeerWatch:
    """Answers and writes of other controllers for one issuer, and who made them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked: float | None = None
        self._found: tuple[str, RequestKey | None, str | None] | None = None
        self._written: str | None = None
        self.suspected: RequestKey | None = None

    def suspect(self, request: RequestKey) -> bool:
        """Note a request that has an answer which this process hasn't written; return True if it is worth a
        look now, and not at the issuer's next check."""
        if self._found is not None:
            return False
        now, self.suspected = self._clock(), request
        if self._looked is not None and now - self._looked < LOOK_AGAIN:
            return False
        self._looked = now
        return True

    def status_written(self, reason: str) -> None:
        """Note the reason of Ready that this process has left in the issuer's status."""
        self._written = reason

    def is_overwritten(self, reason: str) -> bool:
        """Return True if the status has another reason than this process left there, and nothing is known."""
        return self._found is None and self._written not in (None, reason)

    def looked_at_status(self, manager: str | None, own: str, mark: str | None) -> None:
        """Keep who wrote the issuer's status last, None where that can't be told; `mark` as for `looked`."""
        if manager not in (None, own):
            self._found = manager or _NAMELESS, None, mark

    def looked(self, manager: str | None, own: str, mark: str | None) -> None:
        """Keep who answered the suspected request, None where that can't be told.

        `mark` is the annotation by which somebody had the issuer tried again last.
        """
        request, self.suspected = self.suspected, None
        if request is not None and manager not in (None, own):
            self._found = manager or _NAMELESS, request, mark

    def problem(self, key: IssuerKey, peer: str, mark: str | None) -> str | None:
        """Return what is wrong and what to do; None where nothing is, or somebody has it tried again."""
        if self._found is None:
            return None
        manager, request, before = self._found
        if mark != before:
            self._found = self._written = None
            return None
        did = (
            "wrote the status of this issuer after this controller"
            if request is None
            else f"answered the request {request}, which this controller had in work"
        )
        return (
            f'"{manager}" {did}: two controllers '
            f"serve this issuer, so nothing more is signed here. Scale {peer} down (kubectl get deployments "
            f"-A shows where it is), then have this issuer tried again: {retry_command(key)}"
        )


def status_written_by(issuer: Mapping[str, Any]) -> str | None:
    """Return the field manager that wrote an issuer's conditions, None where nobody did."""
    return _writer(issuer, ("f:conditions",))


def answered_by(request: Mapping[str, Any]) -> str | None:
    """Return the field manager that wrote a request's certificate or failure, None where nobody did."""
    return _writer(request, _ANSWERS)


def _writer(obj: Mapping[str, Any], fields: Iterable[str]) -> str | None:
    """Return the field manager of one of these fields of a status, None where nobody wrote one.

    A claim to a field that isn't there counts for nothing: it is written by hand.

    Source: kubernetes.io/docs/reference/using-api/server-side-apply, "Field management": without a name in
    the query, it is the User-Agent up to its slash, "" without one.
    """
    entries = (obj.get("metadata") or {}).get("managedFields") or ()
    there = {f"f:{name}" for name in obj.get("status") or ()}
    for entry in entries:
        status = (entry.get("fieldsV1") or {}).get("f:status") or {}
        if entry.get("subresource") == "status" and any(name in status and name in there for name in fields):
            return str(entry.get("manager") or "")
    return None
