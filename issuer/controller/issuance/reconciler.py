"""Reconciles requests: one attempt reads, decides, reports and plans the next; one status write a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from issuer.controller.delivery.delivering import Delivery
from issuer.controller.delivery.discarding import Cause
from issuer.controller.delivery.refused_writes import KeepsChanging
from issuer.controller.issuance.decider import RequestDecider
from issuer.controller.issuance.kind_checks import KindChecks
from issuer.controller.issuance.last_look import too_large
from issuer.controller.issuance.reading import RequestReader
from issuer.controller.issuance.reporter import RequestReporter
from issuer.controller.state.audit import AuditRecord
from issuer.controller.state.defects import Defects
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.outcomes import (
    AwaitingApproval,
    Denied,
    Issued,
    NeedsFinalizer,
    NeedsRoom,
    Outcome,
    Outdated,
    RefusedSoon,
    RequestFailed,
    RetryLater,
    Unprocessed,
    Waiting,
    retry_later,
)
from issuer.controller.state.pending import PendingDelivery
from issuer.controller.state.reasons import ControllerFailure, ControllerRetry, EventReason
from issuer.kube.errors import Conflict, Forbidden, Invalid, KubeError, NotFound, ObjectTooLarge
from issuer.kube.queues.workqueue import WorkQueue
from issuer.requests.issuers import IssuerKey
from issuer.requests.kinds import kind_of
from issuer.requests.reason_message import with_reason
from issuer.requests.request import Request, RequestKey
from issuer.signing.outcomes import Retry
from issuer.telemetry.tracing import span

log = structlog.get_logger(__name__)

# Seconds after which a request that no policy applies to is looked at without news: RBAC may be hidden from
# our watches, and other authorizers than RBAC can't be watched at all.
UNPROCESSED_AGAIN = 120.0

_WRITE_AGAIN: Final = 5.0
"""Seconds at most until the next attempt to write a certificate that is signed."""

_TOO_LARGE_AGAIN: Final = 600.0
"""Seconds until a status that is too large is written again: somebody may take a label off the request."""

_JUDGED_AT_ONCE: Final = 3
"""Attempts in a row where what a request was approved by changes before it is sent; after them it backs off.
The second finds the login and the connection that the first had to wait for."""


@dataclass(slots=True, eq=False)
class RequestReconciler:
    """Handles one request at a time, by key; many run at once, never two for one key."""

    reader: RequestReader
    decider: RequestDecider
    reporter: RequestReporter
    delivery: Delivery
    checks: Mapping[type[Request], KindChecks]
    registry: IssuerRegistry
    queue: WorkQueue[RequestKey]
    defects: Defects

    async def reconcile(self, key: RequestKey) -> None:
        """Bring the request one step further, or leave it waiting with a reason that it shows."""
        self.registry.leave(key)
        try:
            for _ in range(_JUDGED_AT_ONCE):
                if not await self._attempt(key):
                    return
            self.queue.retry(key)
        finally:
            self.registry.settled(key)

    def remembered(self) -> tuple[RequestKey, ...]:
        """Return the requests of which something is remembered here."""
        return (*self.reporter.waits_by_event, *self.registry.put_off.known())

    def forget(self, key: RequestKey) -> None:
        """Forget a request that is gone, or another replica's now."""
        self.queue.forget(key)
        self.registry.put_off.forget(key)
        self.decider.forget(key)
        self.reporter.forget(key)

    async def _attempt(self, key: RequestKey) -> bool:
        """Make one attempt; return True if another is to be made at once."""
        try:
            request = await self.reader.get(key)
            pending = self.delivery.held.get(key)
            if pending is not None and (request is None or request.uid != pending.uid):
                await self._settle(pending)
                request = await self.reader.get(key)
        except KubeError as error:
            log.warning("request not read", request=str(key), error=str(error))
            self._retry_write(key)
            return False
        if request is None or request.deleted:
            self.forget(key)
            return False
        with span("request", namespace=key.namespace, name=key.name, uid=request.uid) as trace:
            return await self._work_on(request, AuditRecord(self.reader.seen(key), trace=trace))

    async def _work_on(self, request: Request, audit: AuditRecord) -> bool:
        key = request.key
        outcome = await self._outcome(request, audit)
        audit.begin_writing()
        if audit.trace.on:
            audit.trace.set_attributes(came_to=type(outcome).__name__)
        try:
            await self._carry_out(request, outcome, audit)
        except NotFound:
            self.queue.forget(key)
        except Conflict:
            self._retry_write(key)  # a newer copy is on its way to the store
        except ObjectTooLarge as error:
            log.warning("status too large", request=str(key), error=str(error))
            self.reporter.say_by_event(request, EventReason.STATUS_TOO_LARGE, str(error))
            self.queue.add_after(key, _TOO_LARGE_AGAIN)
        except KubeError as error:
            log.warning("status not written", request=str(key), error=str(error))
            self._retry_write(key)
        return isinstance(outcome, Outdated)

    def _retry_write(self, key: RequestKey) -> None:
        """Come back soon with a certificate that is held: nothing more is signed while many are."""
        self.queue.retry(key)
        if self.delivery.held.get(key) is not None:
            self.queue.hasten(key, _WRITE_AGAIN)

    async def _settle(self, pending: PendingDelivery) -> None:
        """Deliver or discard a certificate whose request the watch no longer shows as open.

        It was deleted, or our write arrived after all. Raises KubeError when the API server can't say: it is
        tried again later.
        """
        await self.delivery.deliver_fresh(pending)
        self._unblock(pending)

    async def _outcome(self, request: Request, audit: AuditRecord) -> Outcome:
        """Return what was decided; an error that nobody expected is a reason to try again."""
        try:
            return await self.decider.decide(request, audit)
        except Exception as error:  # noqa: BLE001 - whatever it is, the request says so, and it is tried again
            return RetryLater(
                ControllerRetry.INTERNAL_ERROR, self.defects.note("requests", request.key, error)
            )

    async def _carry_out(self, request: Request, outcome: Outcome, audit: AuditRecord) -> None:
        """Have the outcome reported, and plan the next attempt if there is to be one."""
        if not isinstance(outcome, RetryLater | Waiting):
            self.registry.put_off.forget(request.key)
        match outcome:
            case Issued(pending):
                pending.audit.trace = audit.trace  # where it was signed in an earlier attempt
                await self._deliver(request, pending)
            case Denied():
                await self.reporter.denied(request, outcome, audit)
                self.queue.forget(request.key)
            case RequestFailed():
                await self.reporter.failed(request, outcome, audit)
                self.queue.forget(request.key)
            case Outdated(changed):
                log.info("request decided again", request=str(request.key), changed=changed)
            case AwaitingApproval():
                self.queue.forget(request.key)
            case NeedsFinalizer() | NeedsRoom():
                await self._write_before_signing(request, outcome)
            case Unprocessed() | RefusedSoon() | Waiting() | RetryLater():
                await self._later(request, outcome)

    async def _later(
        self, request: Request, outcome: Unprocessed | RefusedSoon | Waiting | RetryLater
    ) -> None:
        """Arrange for the next attempt, then have the request say why it waits for it."""
        match outcome:
            case Unprocessed(message):
                self.queue.forget(request.key)
                self.queue.add_after(request.key, UNPROCESSED_AGAIN)
                await self.reporter.waiting(request, message)
            case RefusedSoon(message, seconds):
                self.queue.forget(request.key)
                self.queue.add_after(request.key, seconds)
                await self.reporter.waiting(request, message)
            case Waiting(key, message, report):
                self._wait(request, key)
                if report:
                    await self.reporter.waiting(request, message)
                elif self.decider.is_checked(key):
                    self.queue.add(request.key)  # that ended before the request began to wait for it
            case RetryLater(reason, message, after, report):
                self.queue.retry(request.key, after)
                self.reporter.put_off(reason)
                if report:
                    await self.reporter.waiting(request, with_reason(reason, message))

    async def _write_before_signing(self, request: Request, needed: NeedsFinalizer | NeedsRoom) -> None:
        """Do the write that signing needs; then the next attempt signs."""
        if isinstance(needed, NeedsRoom):
            await self.reporter.keep_room(request, needed.stored)
            self.queue.add(request.key)
            return
        try:
            self.reader.refresh(await self.checks[type(request)].add_finalizer(request))
        except Retry as error:
            await self._later(request, retry_later(error))
        except (Forbidden, Invalid) as error:
            # Not the issuer's: admission rules of one namespace can refuse this, too.
            await self._later(request, RetryLater(ControllerRetry.REVOCATION_FORBIDDEN, str(error)))
        else:
            self.queue.add(request.key)

    async def _deliver(self, request: Request, pending: PendingDelivery) -> None:
        try:
            delivered, newest = await self.delivery.deliver(request, pending)
        except ObjectTooLarge as error:
            await self._give_up(request, pending, Cause.TOO_LARGE, too_large(str(error)))
            return
        except KubeError as error:
            if not self.delivery.refused.note(pending, error):
                raise
            await self._refused(request, pending, error)
            return
        self._unblock(pending)
        if delivered:
            self.reporter.issued(request, pending)
            self.queue.forget(request.key)
        else:
            self._go_on(request, newest)

    async def _refused(self, request: Request, pending: PendingDelivery, error: KubeError) -> None:
        """Keep a certificate whose write is refused, and try again; give it up after long, or where it takes
        the room of others.

        Nothing more is signed through its issuer if all such writes are refused.
        """
        why = f"the API server refuses the status of {pending.key}, whose certificate is signed: {error}"
        log.error("status write refused", request=str(pending.key), serial=pending.serial, error=str(error))
        if await self._concerns_all(pending, error):
            self.checks[kind_of(pending.key)].block(pending, why)
        elif self.delivery.refused.is_given_up(pending.key):
            failed = RequestFailed(f"{why}. It was revoked", ControllerFailure.STATUS_WRITE_REFUSED)
            await self._give_up(request, pending, Cause.REFUSED, failed)
            return
        self.queue.retry(pending.key)
        in_the_way = self.delivery.refused.in_the_way(pending.issuer)
        if in_the_way is not None:
            self.queue.hasten(in_the_way, _WRITE_AGAIN)
        self.reporter.say_by_event(request, EventReason.STATUS_WRITE_REFUSED, why)
        if isinstance(error, KeepsChanging):
            self.queue.hasten(pending.key, _WRITE_AGAIN)  # it may end at any time
            return
        # A status without our approval can still be written: it says why there is no certificate yet.
        await self.reporter.waiting(
            request, "its certificate is signed, and the API server refuses its status"
        )

    async def _concerns_all(self, pending: PendingDelivery, error: KubeError) -> bool:
        """Return True if it is likely that the status of no request can be written."""
        if self.delivery.refused.is_everywhere:
            return True
        if not isinstance(error, Forbidden):
            return False
        try:
            return not await self.delivery.may_write(pending)
        except KubeError:
            return False  # it is asked at the next refusal

    async def _give_up(
        self, request: Request, pending: PendingDelivery, cause: Cause, failed: RequestFailed
    ) -> None:
        """Revoke a certificate that can't be written, and fail its request: it is never signed again."""
        await self.delivery.give_up(pending, cause, failed)
        self._unblock(pending)
        await self.reporter.failed(request, failed, pending.audit)
        self.queue.forget(request.key)

    def _unblock(self, pending: PendingDelivery) -> None:
        """Go on with what waited until this certificate was written or discarded."""
        self.checks[kind_of(pending.key)].unblock(pending)
        self.registry.put_off.recovered(pending.issuer)
        for beside in self.delivery.refused.beside(pending.key, pending.issuer):
            self.queue.hasten(beside, _WRITE_AGAIN)

    def _go_on(self, request: Request, newest: Request | None) -> None:
        """Go on from the newest copy of a request whose certificate was discarded."""
        if newest is None or newest.finished or newest.deleted:
            self.reader.close(newest or request)
            self.queue.forget(request.key)
        else:
            self.reader.refresh(newest)
            self.queue.add(request.key)

    def _wait(self, request: Request, issuer: IssuerKey) -> None:
        self.queue.forget(request.key)
        self.reporter.put_off(ControllerRetry.ISSUER_NOT_READY)
        self.registry.wait(issuer, request.key, request.uid)
        if self.decider.signs(issuer, request):
            self.registry.wake_all(issuer)  # it became Ready since it was looked at
