"""Another controller that answers requests of an issuer, as far as it shows. Pure but for the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from issuer.controller.state.bad_answers import retry_command
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey

LOOK_AGAIN: Final = 5.0
"""Seconds between two looks at who answered. The watch may show our own answer before the API server replies
to our write, and a peer that is there answers again and again."""

_ANSWERS: Final = ("f:certificate", "f:failureTime")


class PeerWatch:
    """The request of one issuer that has an answer from elsewhere, and the controller that gave one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked: float | None = None
        self._found: tuple[str, RequestKey, str | None] | None = None
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

    def looked(self, manager: str | None, own: str, mark: str | None) -> None:
        """Keep who answered the suspected request, None where that can't be told.

        `mark` is the annotation by which somebody had the issuer tried again last.
        """
        request, self.suspected = self.suspected, None
        if request is not None and manager not in (None, own):
            self._found = manager or "a client without a name", request, mark

    def problem(self, key: IssuerKey, peer: str, mark: str | None) -> str | None:
        """Return what is wrong and what to do; None where nothing is, or somebody has it tried again."""
        if self._found is None:
            return None
        manager, request, before = self._found
        if mark != before:
            self._found = None
            return None
        return (
            f'"{manager}" answered the request {request}, which this controller had in work: two controllers '
            f"serve this issuer, so nothing more is signed here. Scale {peer} down (kubectl get deployments "
            f"-A shows where it is), then have this issuer tried again: {retry_command(key)}"
        )


def answered_by(request: Mapping[str, Any]) -> str | None:
    """Return the field manager that wrote a request's certificate or failure, None where nobody did.

    Source: kubernetes.io/docs/reference/using-api/server-side-apply, "Field management": without a name in
    the query, it is the User-Agent up to its slash, "" without one.
    """
    entries = (request.get("metadata") or {}).get("managedFields") or ()
    for entry in entries:
        status = (entry.get("fieldsV1") or {}).get("f:status") or {}
        if entry.get("subresource") == "status" and any(name in status for name in _ANSWERS):
            return str(entry.get("manager") or "")
    return None
