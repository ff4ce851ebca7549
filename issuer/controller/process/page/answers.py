"""The answers that the status page shows: what issuance publishes, as the page keeps it."""

from __future__ import annotations

from datetime import datetime

from issuer.controller.delivery.answer_log import Answer
from issuer.requests.request import Request
from issuer.statuspage.model import FinishedRequest
from issuer.statuspage.recent import Recent, shortened


class PageAnswerLog:
    """An `AnswerLog` that remembers the last answers in `recent`, and counts all."""

    def __init__(self) -> None:
        self.recent = Recent()

    def add(self, request: Request, answer: Answer, message: str, now: datetime) -> None:
        """Remember an answer, its message cut to what the page shows."""
        self.recent.add(
            FinishedRequest(
                at=now,
                request=str(request.key),
                issuer=str(request.issuer_if_any or ""),
                requester=str(request.spec.get("username") or ""),
                outcome=answer,
                message=shortened(message),
                seconds=max(0.0, (now - request.created).total_seconds()),
                certificate=_certificate(request),
            )
        )


def _certificate(request: Request) -> str:
    """Return what tells a request's Certificate from all others, "" without one."""
    found = request.certificate
    if found is None:
        return ""
    meta = found["metadata"]
    return f"{meta['namespace']}/{meta['name']} {meta['uid']}"
