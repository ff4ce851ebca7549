"""The audit log line of a finished request, with the duration of each step.

`waiting` is from when this process first saw it until the attempt that answered it began; `deciding`,
`signing` and `writing` are that attempt's (for a certificate that could not be written at once, writing goes
on until it was). `seconds` counts from the request's creation, which Kubernetes stamps in whole seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from issuer.requests.conditions import bounded
from issuer.requests.request import Request
from issuer.telemetry.tracing import NOTHING, Span
from issuer.text import rfc3339

log = structlog.get_logger(__name__)

_LONGEST_NAME = 253  # characters of a requester's name


@dataclass(slots=True)
class AuditRecord:
    """One attempt at a request. Times are of `time.monotonic`, in seconds."""

    seen: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.monotonic)
    trace: Span = NOTHING
    decision: str = "none"
    policy: str = ""
    deciding: float = 0.0
    signing: float = 0.0
    to_write: float | None = None
    """Time at which it was known what to write."""

    @contextmanager
    def timing_decision(self) -> Iterator[None]:
        """Around the policies' judgement."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.deciding += time.monotonic() - started

    def decided(self, decision: str, policy: str | None = None) -> None:
        """Note who said yes or no, in words, and by which policy."""
        self.decision, self.policy = decision, policy or ""

    def begin_writing(self) -> None:
        """Note that only the write is left."""
        if self.to_write is None:
            self.to_write = time.monotonic()

    def write(
        self,
        outcome: str,
        reason: str,
        request: Request,
        now: datetime,
        *,
        message: str = "",
        serial: str = "",
        not_after: datetime | None = None,
    ) -> None:
        """The one line. `message` is why there is no certificate; what is empty is left out."""
        ended = time.monotonic()
        line: dict[str, str | float] = {
            "request": str(request.key),
            "requester": bounded(request.spec.get("username") or "", _LONGEST_NAME),
            "issuer": str(request.issuer_if_any or ""),
            "decision": self.decision,
            "policy": self.policy,
            "reason": reason,
            "serial": serial,
            "not_after": "" if not_after is None else rfc3339(not_after),
            "message": bounded(message),
            "trace_id": self.trace.trace_id,
        }
        log.info(
            outcome,
            **{name: value for name, value in line.items() if value},
            waiting=round(max(self.began - self.seen, 0.0), 4),
            deciding=round(self.deciding, 4),
            signing=round(self.signing, 4),
            writing=round(ended - (self.to_write or ended), 4),
            seconds=round(max((now - request.created).total_seconds(), 0.0), 3),
        )
        if self.trace.on:
            self.trace.set_attributes(
                outcome=outcome, reason=reason, decision=self.decision, policy=self.policy, serial=serial
            )
