"""The answer to a request as the status page remembers it, without I/O."""

from __future__ import annotations

from datetime import datetime

from issuer.requests.request import BadSpec, Request
from issuer.statuspage.model import FinishedRequest, Outcome
from issuer.statuspage.recent import shortened


def answer_to(request: Request, outcome: Outcome, message: str, now: datetime) -> FinishedRequest:
    """What became of it and why."""
    return FinishedRequest(
        at=now,
        request=str(request.key),
        issuer=_issuer(request),
        requester=str(request.spec.get("username") or ""),
        outcome=outcome,
        message=shortened(message),
        seconds=max(0.0, (now - request.created).total_seconds()),
    )


def _issuer(request: Request) -> str:
    try:
        return str(request.issuer)
    except BadSpec:
        return ""
