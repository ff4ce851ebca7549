"""Answers requests: decide, sign, verify, write; one status write a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import structlog

from issuer.controller.access.permissions import ApprovalRights, forbidden_text
from issuer.controller.approval.approver import Approval, Approver
from issuer.controller.approval.csr_permissions import CSRPermissions
from issuer.controller.issuance.delivery import Delivery
from issuer.controller.issuance.reading import RequestReader
from issuer.controller.issuance.signing_step import SigningStep
from issuer.controller.issuance.status_writer import StatusWriter
from issuer.controller.revocation.add_finalizer import RevocationFinalizer
from issuer.controller.state.audit import AuditRecord
from issuer.controller.state.defects import Defects
from issuer.controller.state.issuers import IssuerEntry, IssuerRegistry
from issuer.controller.state.outcomes import (
    AwaitingApproval,
    Denied,
    Failed,
    Issued,
    NeedsFinalizer,
    Outcome,
    RetryLater,
    Unprocessed,
    Waiting,
    retry_later,
)
from issuer.controller.state.pending import PendingDelivery
from issuer.controller.state.reasons import ControllerIssuerReason, ControllerRetry
from issuer.controller.state.stores import IssuerStore, RequestStore
from issuer.controller.state.unprocessed import UnprocessedRequests
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, Forbidden, Invalid, KubeError, NotFound
from issuer.kube.events import EventRecorder
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.wire import Object
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.issuers import IssuerKey
from issuer.requests.kinds import kind_of
from issuer.requests.reason_message import issuer_not_ready, with_reason
from issuer.requests.request import BadSpec, Request, RequestKey
from issuer.signing.outcomes import Retry
from issuer.telemetry.metrics import Metrics
from issuer.telemetry.tracing import span
from issuer.x509.errors import InvalidRequest
from issuer.x509.request import decode_request
from issuer.x509.verify import RequestedCertificate

log = structlog.get_logger(__name__)

# Seconds after which a request that no policy applies to is looked at without news: RBAC may be hidden from
# our watches, and other authorizers than RBAC can't be watched at all.
UNPROCESSED_AGAIN = 120.0


@dataclass(slots=True, eq=False)
class RequestReconciler:
    """Handles one request at a time, by key; many run at once, never two for one key."""

    client: KubeClient
    stores: Mapping[type[Request], RequestStore]
    issuers: dict[str, IssuerStore]
    registry: IssuerRegistry
    queue: WorkQueue[RequestKey]
    issuer_queue: WorkQueue[IssuerKey]
    approver: Approver
    rights: ApprovalRights
    csr_permissions: CSRPermissions
    unprocessed: UnprocessedRequests
    signing: SigningStep
    delivery: Delivery
    writer: StatusWriter
    recorder: EventRecorder
    metrics: Metrics
    defects: Defects
    finalizer: RevocationFinalizer | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    told: dict[RequestKey, tuple[str, str]] = field(default_factory=dict)
    reader: RequestReader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = RequestReader(self.client, self.stores)

    async def reconcile(self, key: RequestKey) -> None:
        """Bring the request one step further, or leave it waiting with the reason told."""
        self.registry.leave(key)
        try:
            await self._attempt(key)
        finally:
            self.registry.settled(key)

    def _store(self, key: RequestKey) -> RequestStore:
        return self.stores[kind_of(key)]

    async def _attempt(self, key: RequestKey) -> None:
        try:
            request = await self.reader.get(key)
            pending = self.delivery.pending(key)
            if pending is not None and (request is None or request.uid != pending.uid):
                await self._settle_pending(pending)
                request = await self.reader.get(key)
        except KubeError as error:
            log.warning("request not read", request=str(key), error=str(error))
            self.queue.retry(key)
            return
        if request is None or request.deleted:
            self.queue.forget(key)
            self.unprocessed.discard(key)
            self.told.pop(key, None)
            return
        with span("request", namespace=key.namespace, name=key.name, uid=request.uid) as trace:
            await self._work_on(request, AuditRecord(self._store(key).seen(key), trace=trace))

    async def _work_on(self, request: Request, audit: AuditRecord) -> None:
        key = request.key
        outcome = await self._decided(request, audit)
        audit.begin_writing()
        if audit.trace.on:
            audit.trace.tell(came_to=type(outcome).__name__)
        try:
            await self._report(request, outcome, audit)
        except NotFound:
            self.queue.forget(key)
        except Conflict:
            self.queue.retry(key)  # a newer copy is on its way to the store
        except KubeError as error:
            log.warning("status not written", request=str(key), error=str(error))
            self.queue.retry(key)

    async def _settle_pending(self, pending: PendingDelivery) -> None:
        """The watch no longer shows the request as open: it was deleted, or our write arrived after all.

        Raises KubeError when the API server can't say: it is tried again later.
        """
        await self.delivery.deliver_fresh(pending)
        self._writes_work(pending)

    # Deciding ---------------------------------------------------------------

    async def _decided(self, request: Request, audit: AuditRecord) -> Outcome:
        """How the attempt ends; an error that nobody expected puts it off, with that as the reason."""
        try:
            return await self._decide(request, audit)
        except Exception as error:  # noqa: BLE001 - whatever it is, the requester is told, and it is tried again
            return RetryLater(
                ControllerRetry.INTERNAL_ERROR, self.defects.note("requests", request.key, error)
            )

    async def _decide(self, request: Request, audit: AuditRecord) -> Outcome:
        if request.denied:
            audit.decided("denied by another approver")
            return Denied()
        pending = self.delivery.pending(request.key)
        if pending is not None:
            return Issued(pending)
        if request.only_others_approve and not request.approved:
            return AwaitingApproval()
        try:
            key = request.issuer
            refusal = await self.csr_permissions.may_reference(request)
            if refusal is not None:
                return refusal
            entry = self._checked(key)
            if isinstance(entry, Waiting):
                return entry
            if entry.external and not request.approved:
                return AwaitingApproval()
            asked = _asked(request)
        except BadSpec as error:
            return Failed(str(error), error.reason)
        return await self._judge_and_sign(request, asked, entry, audit)

    async def _judge_and_sign(
        self, request: Request, asked: RequestedCertificate, entry: IssuerEntry, audit: AuditRecord
    ) -> Outcome:
        with audit.timing_decision(), span("decide"):
            approval = await self._judge(request, asked, entry)
        if not isinstance(approval, Approval):
            if isinstance(approval, (Denied, Failed)):
                audit.decided("denied by policy")
            return approval
        if approval.policy is None:
            audit.decided("approved by another approver")
        else:
            audit.decided("approved by policy", approval.policy)
        if approval.message is not None and not await self._may_approve(entry):
            return _not_ready(entry.key, entry)
        if not _signs(entry):
            return _not_ready(entry.key, entry)
        if self.finalizer is not None and self.finalizer.is_missing(request, entry.spec):
            return NeedsFinalizer()
        return await self.signing.run(request, asked, entry, approval, audit)

    async def _judge(
        self, request: Request, asked: RequestedCertificate, entry: IssuerEntry
    ) -> Approval | Outcome:
        if entry.spec is None or entry.profile is None:
            raise AssertionError("a checked issuer has a spec and a profile")
        # Before it is judged, so that a policy that changes meanwhile finds it and has it judged again.
        self.unprocessed.add(request.key, request.policy_namespace)
        policy_only = entry.profile.is_policy_only(is_ca=asked.is_ca)
        approval = await self.csr_permissions.may_sign(request) or await self.approver.evaluate(
            request, asked.request, entry.spec.approval, policy_only=policy_only
        )
        if not isinstance(approval, Unprocessed):
            self.unprocessed.discard(request.key)
        return approval

    async def _may_approve(self, entry: IssuerEntry) -> bool:
        """Whether the approval we are about to sign under can be written; the issuer is told if not."""
        try:
            may_approve = await self.rights.may_approve(entry.key)
        except Retry as error:
            self.registry.mark_broken(entry.key, error.reason, error.message)
        else:
            self.registry.approval_checked(entry.key, may_approve)
            if may_approve:
                return True
            self.registry.mark_broken(
                entry.key,
                ControllerIssuerReason.APPROVAL_FORBIDDEN,
                forbidden_text(self.rights.signer_names(entry.key)),
            )
        self.issuer_queue.retry(entry.key)
        return False

    def _checked(self, key: IssuerKey) -> IssuerEntry | Waiting:
        """The issuer's entry if it was checked as it stands now and may decide; it need not be Ready."""
        obj = self.issuers[key.kind].get(key)
        if obj is None:
            return Waiting(key, f"there is no {key}; create it, or name the right one in a new request")
        entry = self.registry.entry(key)
        meta = obj["metadata"]
        if not entry.describes(meta["uid"], meta["generation"]):
            return Waiting(key, f"{key} is new or has changed and is being checked", tell=False)
        if entry.spec is None or not entry.may_approve:
            return _not_ready(key, entry)
        return entry

    # Reporting --------------------------------------------------------------

    async def _report(self, request: Request, outcome: Outcome, audit: AuditRecord) -> None:
        match outcome:
            case Issued(pending):
                pending.audit.trace = audit.trace  # where it was signed in an earlier attempt
                await self._deliver(request, pending)
            case Denied(message, reason):
                kind = request.issuer.kind if message else None
                await self._answer(request, request.refused(self.now(), message), kind)
                self._ended(request, audit, "denied", reason, message)
            case Failed(message, reason):
                await self._answer(request, request.failed(self.now(), reason, message))
                self._ended(request, audit, "failed", reason, message)
            case AwaitingApproval():
                self.queue.forget(request.key)
            case NeedsFinalizer():
                await self._add_finalizer(request)
            case Unprocessed() | Waiting() | RetryLater():
                await self._retry_later(request, outcome)

    async def _add_finalizer(self, request: Request) -> None:
        """The write before signing; then the next attempt signs."""
        if self.finalizer is None:
            raise AssertionError("a request is found to lack a finalizer that nobody adds")
        try:
            self._store(request.key).refresh(await self.finalizer.add(request))
        except Retry as error:
            await self._retry_later(request, retry_later(error))
        except (Forbidden, Invalid) as error:
            # Not the issuer's: admission rules of one namespace can refuse this, too.
            await self._retry_later(request, RetryLater(ControllerRetry.REVOCATION_FORBIDDEN, str(error)))
        else:
            self.queue.add(request.key)

    async def _retry_later(self, request: Request, outcome: Unprocessed | Waiting | RetryLater) -> None:
        """Arrange for the next look, then say why there is none yet."""
        match outcome:
            case Unprocessed(message):
                self.queue.forget(request.key)
                self.queue.add_after(request.key, UNPROCESSED_AGAIN)
                await self._tell(request, message)
            case Waiting(key, message, tell):
                self._wait(request.key, key)
                if tell:
                    await self._tell(request, message)
            case RetryLater(reason, message, after, tell):
                self.queue.retry(request.key, after)
                self.metrics.put_off(reason)
                if tell:
                    await self._tell(request, with_reason(reason, message))

    def _ended(
        self,
        request: Request,
        audit: AuditRecord,
        outcome: Literal["denied", "failed"],
        reason: str,
        message: str | None,
    ) -> None:
        """A final answer that is no certificate: one log line, and an event where it is our decision."""
        self.metrics.answered(outcome, reason)
        text = message or "by another approver"
        audit.write(outcome, reason, request, self.now(), message=text)
        self.delivery.answers.add(request, outcome, text, self.now())
        if message is not None:
            self.recorder.warning(request.object, outcome.capitalize(), message)

    async def _deliver(self, request: Request, pending: PendingDelivery) -> None:
        try:
            delivered, newest = await self.delivery.deliver(request, pending)
        except (Forbidden, Invalid) as error:
            self._write_refused(pending, error)
            # A status without our approval can still be written: it says why there is no certificate yet.
            await self._tell(request, "its certificate is signed, and the API server refuses its status")
            return
        self._writes_work(pending)
        if not delivered:
            self._look_again(request, newest)
            return
        self._store(request.key).mark_answered(request)
        self.queue.forget(request.key)
        if pending.news:
            self.recorder.warning(request.object, "CertificateDiffers", pending.news)

    def _write_refused(self, pending: PendingDelivery, error: KubeError) -> None:
        """Nothing more of its kind is signed through this issuer until what is signed can be written."""
        why = f"the API server refuses the status of {pending.key}, whose certificate is signed: {error}"
        log.error("status write refused", request=str(pending.key), serial=pending.serial, error=str(error))
        if kind_of(pending.key) is CertificateRequest:
            self.registry.status_refused(pending.issuer, why)
            self.issuer_queue.retry(pending.issuer)
        else:
            self.csr_permissions.block(pending, why)
        self.queue.retry(pending.key)

    def _writes_work(self, pending: PendingDelivery) -> None:
        if kind_of(pending.key) is not CertificateRequest:
            self.csr_permissions.unblock(pending)
            return
        if self.registry.status_accepted(pending.issuer):
            self.issuer_queue.add(pending.issuer)

    def _look_again(self, request: Request, newest: Request | None) -> None:
        """A certificate was discarded: go on from the newest copy, never from the one that was signed for."""
        if newest is None or newest.finished or newest.deleted:
            self._store(request.key).mark_answered(newest or request)
            self.queue.forget(request.key)
        else:
            self._store(request.key).refresh(newest)
            self.queue.add(request.key)

    async def _answer(self, request: Request, answer: Object | None, judged: str | None = None) -> None:
        """Write a final status that is no certificate, where there is one.

        ``judged`` is the kind of the issuer where the answer is a denial of ours.
        """
        if answer is not None:
            request = await self.writer.write(request, answer, judged)
        self._store(request.key).mark_answered(request)
        self.queue.forget(request.key)

    async def _tell(self, request: Request, message: str) -> None:
        """Say on the request why it waits, unless it says so already."""
        answer = request.pending(self.now(), message)
        if answer is not None:
            written = await self.client.replace_status(request.resource, answer)
            self._store(request.key).refresh(request.with_object(written))
        elif request.tells_by_event and self.told.get(request.key) != (request.uid, message):
            self.told[request.key] = request.uid, message
            self.recorder.warning(request.object, "Pending", message)

    def _wait(self, request: RequestKey, issuer: IssuerKey) -> None:
        self.queue.forget(request)
        self.metrics.put_off(ControllerRetry.ISSUER_NOT_READY)
        self.registry.wait(issuer, request)
        entry = self._checked(issuer)
        if isinstance(entry, IssuerEntry) and _signs(entry):
            self.registry.wake_all(issuer)  # it became Ready since it was looked at


def _signs(entry: IssuerEntry) -> bool:
    return entry.ready and entry.shared is not None


def _not_ready(key: IssuerKey, entry: IssuerEntry) -> Waiting:
    return Waiting(key, issuer_not_ready(key, entry.reason, entry.message))


def _asked(request: Request) -> RequestedCertificate:
    """What the request asks for; raises BadSpec, naming the field."""
    try:
        decoded = decode_request(request.spec.get("request") or "")
    except InvalidRequest as error:
        raise BadSpec(f"spec.request: {error}") from error
    request.check(decoded)
    return RequestedCertificate(
        request=decoded, is_ca=request.is_ca, usages=request.usages, duration=request.duration
    )
