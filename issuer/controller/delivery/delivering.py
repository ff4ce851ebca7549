"""From a signed certificate to the request's status, without ever signing twice.

A certificate that can't be written yet is pending. If its request turns out to be
gone, denied or answered by somebody else, it is revoked where the backend can,
and its serial is logged in any case, so that an auditor finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from issuer.controller.delivery.answer_log import AnswerLog, NoAnswerLog
from issuer.controller.delivery.discarding import Cause, DiscardedCertificate, Discarder
from issuer.controller.delivery.held import HeldCertificates
from issuer.controller.delivery.refused_writes import KeepsChanging, RefusedWrites
from issuer.controller.delivery.status_writer import StatusWriter
from issuer.controller.delivery.unanswered_writes import UnansweredWrites
from issuer.controller.state.outcomes import RequestFailed
from issuer.controller.state.pending import PendingDelivery
from issuer.kube.errors import Conflict, KubeError, NotFound
from issuer.kube.wire import Object
from issuer.requests.issuers import BUILT_IN, IssuerKinds
from issuer.requests.kinds import kind_of
from issuer.requests.request import Request, RequestKey
from issuer.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

# Writers that keep changing a request lose to us after this many tries; then the queue's backoff takes over.
_CONFLICTS = 5


class Delivery:
    """Writes what is signed and `held` to its request, or discards it.

    `discarder` revokes; `refused` are those of which the API server refuses the write.
    """

    def __init__(
        self,
        writer: StatusWriter,
        metrics: Metrics,
        now: Callable[[], datetime] | None = None,
        answers: AnswerLog | None = None,
        issuer_kinds: IssuerKinds = BUILT_IN,
    ) -> None:
        self._writer = writer
        self._metrics = metrics
        self._now = now or (lambda: datetime.now(UTC))
        self.held = HeldCertificates()
        self._unanswered = UnansweredWrites()
        self._given_up: dict[RequestKey, tuple[str, RequestFailed]] = {}
        self.discarder = Discarder(metrics)
        self.refused = RefusedWrites()
        self.answers = answers or NoAnswerLog()
        self._issuer_kinds = issuer_kinds

    async def deliver(self, request: Request, pending: PendingDelivery) -> tuple[bool, Request | None]:
        """Write the certificate, or discard it when its request no longer wants it.

        Returns whether it was delivered, and the newest copy of the request
        (None when it is gone). Raises KubeError when the API server can't take
        it now: it stays held.
        """
        try:
            return await self._deliver(request, pending)
        except KubeError as error:
            self.held.log_not_written(pending, error)
            raise

    async def _deliver(self, request: Request, pending: PendingDelivery) -> tuple[bool, Request | None]:
        newest: Request | None = request
        for _ in range(_CONFLICTS):
            cause = _obstacle(newest, pending)
            if newest is None or cause is not None:
                await self.discard(pending, cause or Cause.DELETED)
                return False, newest
            if newest.carries(pending.certificate_pem):
                self._writer.written(newest)  # an earlier write succeeded although its answer was lost
                break
            answer = newest.issued(
                self._now(), pending.message, pending.certificate_pem, pending.ca_pem, pending.approval
            )
            try:
                newest = await self._write(newest, answer, pending)
                break
            except (Conflict, NotFound):
                newest = await self._fresh(pending)
        else:
            raise KeepsChanging(
                "somebody changes it again and again: kubectl get -o yaml --show-managed-fields says who",
                status=409,
            )
        await self._delivered(newest, pending)
        return True, newest

    async def _write(self, request: Request, answer: Object, pending: PendingDelivery) -> Request:
        """Write the answer; one without an answer of its own may have arrived, or arrive yet."""
        with self._unanswered.write(pending.key, request):
            return await self._writer.write(
                request, answer, pending.issuer.kind if pending.approval else None
            )

    async def _delivered(self, request: Request, pending: PendingDelivery) -> None:
        self.refused.written(pending.key, pending.issuer)
        await self._settle(pending)
        self._publish(request, pending)

    def _publish(self, request: Request, pending: PendingDelivery) -> None:
        """Count a delivered certificate and publish it, whoever tried."""
        now = self._now()
        self._metrics.answered("issued", "Issued")
        self._metrics.answer_seconds.observe(max((now - request.created).total_seconds(), 0.0))
        self._metrics.lifetimes.observe(max((pending.not_after - now).total_seconds(), 0.0))
        pending.audit.write(
            "issued", "Issued", request, now, serial=pending.serial, not_after=pending.not_after
        )
        self.answers.add(request, "issued", pending.news, now)

    async def deliver_fresh(self, pending: PendingDelivery) -> tuple[bool, Request | None]:
        """Deliver to the request as the API server has it now."""
        try:
            fresh = await self._fresh(pending)
        except KubeError as error:
            self.held.log_not_written(pending, error)
            raise
        if fresh is None:
            await self.discard(pending, Cause.DELETED)
            return False, None
        return await self.deliver(fresh, pending)

    async def _fresh(self, pending: PendingDelivery) -> Request | None:
        kind, namespace = kind_of(pending.key), pending.key.namespace or None
        try:
            found = await self._writer.client.get(kind.resource, pending.key.name, namespace)
        except NotFound:
            return None
        return kind(found, self._issuer_kinds)

    async def may_write(self, pending: PendingDelivery) -> bool:
        """Return True unless RBAC refuses us the status of all requests of that kind. Raises KubeError."""
        return await self._writer.may_write(kind_of(pending.key).resource)

    async def give_up(self, pending: PendingDelivery, cause: Cause, failed: RequestFailed) -> None:
        """Discard a certificate that can't be written; its request is answered by `failed` from now on."""
        self._given_up[pending.key] = pending.uid, failed
        if cause is Cause.REFUSED:
            self.refused.gave_up(pending.key, pending.issuer)
        await self.discard(pending, cause)

    def given_up(self, request: Request) -> RequestFailed | None:
        """Return the answer of a request whose certificate could not be written: it isn't signed again."""
        uid, failed = self._given_up.get(request.key, ("", None))
        return failed if uid == request.uid else None

    def forget(self, key: RequestKey) -> None:
        """Forget a request that is gone."""
        self._given_up.pop(key, None)

    async def discard(self, pending: PendingDelivery, cause: Cause) -> None:
        """Revoke the certificate where allowed, and log its serial."""
        discarded = DiscardedCertificate(pending.key, pending.serial, pending.leaf_pem)
        await self.discarder.revoke(pending.shared, discarded, cause)
        await self._settle(pending)

    async def _settle(self, pending: PendingDelivery) -> None:
        if await self.held.settle(pending):
            self._unanswered.forget(pending.key)
            self.refused.settled(pending.key)

    async def close(self, seconds: float = 5.0) -> None:
        """Log the serial of each certificate that is left, then revoke what can be revoked in time.

        A write without an answer may have arrived, or arrive behind all that is asked here, and its
        certificate be used: it is revoked only if the API server shows that it can't any more.
        """
        left = list(self.held)
        for pending in left:
            self.discarder.left_behind(pending.key, pending.serial)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(self._end(pending, seconds / 2) for pending in left))
        except TimeoutError:
            log.error("not all certificates left behind were revoked in time", left=len(self.held))

    async def _end(self, pending: PendingDelivery, seconds: float) -> None:
        if pending.key not in self._unanswered:
            await self.discard(pending, Cause.STOPPED)
            return
        try:
            async with asyncio.timeout(seconds):
                fresh = await self._fresh(pending)
        except (KubeError, TimeoutError):
            await self._leave(pending, "its write may have arrived, and nobody can say")
            return
        if fresh is not None and fresh.carries(pending.certificate_pem):
            await self._delivered(fresh, pending)
        elif self._unanswered.may_arrive(pending.key, fresh):
            await self._leave(pending, "its write had no answer, and may arrive yet")
        else:
            await self.discard(pending, Cause.STOPPED)

    async def _leave(self, pending: PendingDelivery, why: str) -> None:
        self.discarder.in_use(pending.key, pending.serial, why)
        await self._settle(pending)


def _obstacle(request: Request | None, pending: PendingDelivery) -> Cause | None:
    if request is None or request.uid != pending.uid:
        return Cause.DELETED
    if request.deleted and not request.carries(pending.certificate_pem):
        return Cause.DELETED  # it still takes a status, but nobody would read it
    if request.denied:
        return Cause.DENIED
    if request.finished and not request.carries(pending.certificate_pem):
        return Cause.ANSWERED
    return None
