"""Says on a request what was decided: its status, events, the audit record and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from issuer.controller.delivery.answer_log import Answer, AnswerLog
from issuer.controller.delivery.status_writer import StatusWriter
from issuer.controller.state.audit import AuditRecord
from issuer.controller.state.outcomes import Denied, RequestFailed
from issuer.controller.state.pending import PendingDelivery
from issuer.controller.state.reasons import EventReason
from issuer.controller.state.watched.requests import RequestStore
from issuer.kube.events import EventRecorder
from issuer.kube.wire import Object
from issuer.reasons import RetryReason
from issuer.requests.reason_message import signed_next
from issuer.requests.request import Request, RequestKey
from issuer.telemetry.metrics import Metrics


@dataclass(slots=True, eq=False)
class RequestReporter:
    """Writes what was decided, and decides nothing. Each method that writes raises KubeError.

    `waits_by_event` holds the uid and the last reason of each request whose status has no place to say why it
    waits.
    """

    stores: Mapping[type[Request], RequestStore]
    writer: StatusWriter
    recorder: EventRecorder
    metrics: Metrics
    answers: AnswerLog
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    waits_by_event: dict[RequestKey, tuple[str, str]] = field(default_factory=dict)

    async def denied(self, request: Request, outcome: Denied, audit: AuditRecord) -> None:
        """Write that the request is denied, if its kind has a status for that."""
        message = outcome.message
        kind = request.issuer.kind if message else None
        await self._answer(request, request.refused(self.now(), message), kind)
        self._ended(request, audit, "denied", outcome.reason, message)
        if message is not None:
            self._say_on_certificate(request, "Denied", f"was denied: {message}")

    async def failed(self, request: Request, outcome: RequestFailed, audit: AuditRecord) -> None:
        """Write that the request can never be served as it is."""
        await self._answer(request, request.failed(self.now(), outcome.reason, outcome.message))
        self._ended(request, audit, "failed", outcome.reason, outcome.message)

    def issued(self, request: Request, pending: PendingDelivery) -> None:
        """Record an event if the certificate that was written is other than asked for."""
        self.stores[type(request)].mark_written(request)
        if pending.news:
            self.recorder.warning(request.object, EventReason.CERTIFICATE_DIFFERS, pending.news)

    async def keep_room(self, request: Request, stored: int) -> None:
        """Have its status keep room for a failure, before anything is signed for it."""
        answer = request.pending(self.now(), signed_next(stored))
        if answer is not None:
            written = await self.writer.client.replace_status(request.resource, answer)
            self.stores[type(request)].refresh(request.with_object(written))

    async def waiting(self, request: Request, message: str) -> None:
        """Write why the request waits, unless it says so already."""
        answer = request.pending(self.now(), message)
        if answer is not None:
            written = await self.writer.client.replace_status(request.resource, answer)
            self.stores[type(request)].refresh(request.with_object(written))
            self._say_on_certificate(request, "Pending", f"is waiting: {message}")
            self.recorder.hint(request.object, "Pending", message)
        elif request.tells_by_event and self.waits_by_event.get(request.key) != (request.uid, message):
            self.say_by_event(request, "Pending", message)

    def say_by_event(self, request: Request, reason: str, message: str) -> None:
        """Record an event, once, where the status can't say it; its Certificate gets one, too."""
        if self.waits_by_event.get(request.key) == (request.uid, message):
            return
        self.waits_by_event[request.key] = request.uid, message
        self.recorder.warning(request.object, reason, message)
        self._say_on_certificate(request, reason, f"has no certificate: {message}")

    def _say_on_certificate(self, request: Request, reason: str, sentence: str) -> None:
        """Record an event on the Certificate of a request: `kubectl describe certificate` is read first."""
        certificate = request.certificate
        if certificate is not None:
            self.recorder.hint(certificate, reason, f'{request.kind} "{request.key.name}" {sentence}')

    def put_off(self, reason: RetryReason) -> None:
        """Count an attempt that ended without an answer."""
        self.metrics.put_off(reason)

    def forget(self, key: RequestKey) -> None:
        """Forget what was said of a request that is gone, or another replica's now."""
        self.waits_by_event.pop(key, None)

    async def _answer(self, request: Request, answer: Object | None, approver: str | None = None) -> None:
        """Write a final status that is no certificate, where the kind has one.

        `approver` is the kind of the issuer where the answer is a denial of ours.
        """
        if answer is not None:
            request = await self.writer.write(request, answer, approver)
        self.stores[type(request)].mark_written(request)

    def _ended(
        self, request: Request, audit: AuditRecord, answer: Answer, reason: str, message: str | None
    ) -> None:
        """Publish a final answer, with an event where it is our decision."""
        self.metrics.answered(answer, reason)
        text = message or "by another approver"
        audit.write(answer, reason, request, self.now(), message=text)
        self.answers.add(request, answer, text, self.now())
        if message is not None:
            self.recorder.warning(request.object, answer.capitalize(), message)
