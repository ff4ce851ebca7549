"""Signs an approved request through its Ready issuer, once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from issuer.api.issuers import IssuerSpec
from issuer.controller.approval.approver import Approval
from issuer.controller.delivery.undelivered import SigningCall, Undelivered
from issuer.controller.issuance.acceptance import Acceptance
from issuer.controller.issuance.last_look import Judged, LastLook, NotSent
from issuer.controller.issuance.renewable import bounded, fitting, renewable
from issuer.controller.issuance.signing_work import SigningWork
from issuer.controller.issuers.signers import IssuerSigners
from issuer.controller.scheduling.limits import Limits
from issuer.controller.state.audit import AuditRecord
from issuer.controller.state.health.ca_expiry import (
    CAExpired,
    check_not_expired,
    shortened,
)
from issuer.controller.state.health.issuer_entry import IssuerEntry
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.health.shared_signer import SharedSigner
from issuer.controller.state.outcomes import Outcome, RequestFailed, RetryLater, Waiting, retry_later
from issuer.controller.state.reasons import ControllerRetry
from issuer.kube.queues.workqueue import WorkQueue
from issuer.requests.issuers import IssuerKey
from issuer.requests.reason_message import issuer_not_ready
from issuer.requests.request import Request
from issuer.signing import outcomes as signing
from issuer.signing.profile import Mismatch, SigningProfile, path_length
from issuer.signing.signer import SignedCertificate, SigningRequest
from issuer.telemetry.metrics import Metrics
from issuer.telemetry.tracing import span
from issuer.x509.verification.requested import RequestedCertificate

_PERMANENT = "It looks permanent: the same answer comes at each try."


@dataclass(slots=True, eq=False)
class SigningStep:
    """Signs one request through its issuer, once, and keeps what was learnt of the issuer in the registry.

    The `last_look` is taken before the call, and again by the backend before the call's bytes are written.
    """

    registry: IssuerRegistry
    issuer_queue: WorkQueue[IssuerKey]
    acceptance: Acceptance
    metrics: Metrics
    limits: Limits
    last_look: LastLook
    undelivered: Undelivered
    signers: IssuerSigners
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def run(self, judged: Judged, asked: RequestedCertificate, audit: AuditRecord) -> Outcome:
        """Issued with the certificate held, or why there is none."""
        entry = judged.entry
        if entry.spec is None or entry.profile is None:
            raise AssertionError("a usable issuer has a spec and a profile")
        try:
            work = self._plan(judged, asked, entry.spec, entry.profile, audit)
        except (Mismatch, signing.Failed) as error:
            return RequestFailed(str(error), error.reason)
        except CAExpired as error:
            return self._issuer_broken(entry.key, judged.request, error, is_ca=asked.is_ca)
        shared = judged.shared.borrow()
        try:
            return await self._sign(entry, shared, work)
        finally:
            await shared.give_back()

    async def _sign(self, entry: IssuerEntry, shared: SharedSigner, work: SigningWork) -> Outcome:
        """Make the call; what was learnt of the issuer is kept in the registry."""
        try:
            await self._see_secrets(entry)
            self.registry.begin_signing(work.issuer, work.request.key)
            with self.limits.limiter(work.issuer).signing(work.request.key):
                signed, work = await self._call(shared, work)
                outcome = await self.acceptance.accept(shared, signed, work)
            self._answered(work)
            return outcome
        except NotSent as error:
            return error.outcome
        except signing.Failed as error:
            self._answered(work)  # the CA answered, and it was about this request
            return RequestFailed(str(error), error.reason)
        except signing.BadAnswer as error:
            return self._bad_answer(shared, work, error)
        except signing.IssuerBroken as error:
            return self._issuer_broken(work.issuer, work.request, error, is_ca=work.asked.is_ca)
        except signing.IssuerUnavailable as error:
            return self._issuer_trouble(work.issuer, error)
        except signing.Retry as error:
            return self._passing_trouble(entry, work.request, error)

    async def _see_secrets(self, entry: IssuerEntry) -> None:
        """Raise NotSent if a Secret of the issuer changed since its signer was opened; Retry if unknown."""
        if not await self.signers.unchanged(entry):
            message = issuer_not_ready(entry.key.quoted, entry.reason, entry.message)
            raise NotSent(Waiting(entry.key, message, report=False))

    def _plan(
        self,
        judged: Judged,
        asked: RequestedCertificate,
        spec: IssuerSpec,
        profile: SigningProfile,
        audit: AuditRecord,
    ) -> SigningWork:
        """Plan what is sent, and how its answer is verified. Raises Mismatch, signing.Failed, CAExpired."""
        request, entry, approval = judged.request, judged.entry, judged.approval
        asked, named = replace(asked, path_length=path_length(profile, asked)), asked.duration
        asked = replace(asked, duration=bounded(asked.duration, _bounds(request, approval), entry.lives))
        whole, now = asked, self.now()
        asked = replace(asked, duration=entry.lives.fitting(asked.duration, profile.too_long))
        wanted = SigningRequest(
            csr_pem=asked.request.pem,
            duration=renewable(fitting(asked, entry, spec, now), whole, now),
            usages=asked.usages,
            is_ca=asked.is_ca,
            path_length=asked.path_length,
            before_sending=partial(self.last_look.take, judged),
        )
        return SigningWork(
            request=request,
            asked=asked,
            issuer=entry.key,
            wanted=wanted,
            ca=entry.current_ca_validity.get(asked.is_ca),
            strict=profile.is_strict(is_ca=asked.is_ca),
            ca_expiry=spec.ca_expiry,
            approval=approval,
            audit=audit,
            call=SigningCall(request, asked, self.now),
            too_long=profile.too_long,
            named_duration=named,
        )

    def _answered(self, work: SigningWork) -> None:
        """The CA decided about this request: those that waited for that follow."""
        if self.registry.answer_was_good(work.issuer, work.request.key, work.request.uid):
            self.issuer_queue.forget(work.issuer)
            self.issuer_queue.add(work.issuer)

    async def _call(self, shared: SharedSigner, work: SigningWork) -> tuple[SignedCertificate, SigningWork]:
        """Return the certificate, and the work with the life that was asked for in the end."""
        try:
            return await self._timed(shared, work), work
        except signing.LifeNotAllowed as error:
            # Nothing was signed. The CA told no bound before, or another one.
            longest = error.shortened(work.named_duration, work.too_long)
            self.registry.life_refused(work.issuer, longest)
            left = renewable(longest, work.asked, self.now())
            work = replace(work, asked=replace(work.asked, duration=longest))
        except signing.CAEndsTooSoon as error:
            ca = work.refusing_ca(error)
            check_not_expired(ca, None, self.now())  # nothing was signed, and nobody's request is at fault
            if ca is None or work.ca_expiry == "Refuse":
                raise
            # Nothing was signed. The role names another CA, or it was replaced since it was looked at.
            now = self.now()
            left = renewable(shortened(ca, work.ca_expiry, now), work.asked, now)
        work = replace(work, wanted=replace(work.wanted, duration=left))
        return await self._timed(shared, work), work

    async def _timed(self, shared: SharedSigner, work: SigningWork) -> SignedCertificate:
        work.wanted.before_sending()  # a signer asks again, once it has logged in and is connected
        started, result = time.perf_counter(), "error"
        limiter = self.limits.limiter(work.issuer)
        try:
            paid = limiter.call(work.request.key, lambda: work.call.sent)
            with span("sign"), paid, self.undelivered.watching(work.call):
                signed = await shared.signer.sign(work.call.watched(work.wanted))
            result = "signed"
            return signed
        except NotSent:
            result = "not_sent"
            raise
        except signing.SigningError as error:
            result = error.result
            raise
        finally:
            seconds = time.perf_counter() - started
            work.audit.signing += seconds
            self.metrics.sign_seconds.labels(result).observe(seconds)

    def _passing_trouble(self, entry: IssuerEntry, request: Request, error: signing.Retry) -> Outcome:
        """Put this request off; of a backend that takes no more calls now, the issuer's others wait, too."""
        if isinstance(error, signing.RateLimited):
            self.limits.limiter(entry.key).pause(error.after)
        later, alone = retry_later(error), not error.may_have_signed
        permanent = bool(error.remedy) and entry.same_answers.looks_permanent(
            request.key, request.uid, error.message, alone=alone
        )
        self.registry.put_off.add(request.key, entry.key, error.reason, shared=error.shared and not permanent)
        if permanent:
            return replace(later, message=f"{error.message} {_PERMANENT} {error.remedy}")
        return later

    def _bad_answer(self, shared: SharedSigner, work: SigningWork, error: signing.BadAnswer) -> Waiting:
        """Hold back the issuer's requests, this one among them, and have the issuer checked soon."""
        self.registry.answer_was_bad(work.issuer, shared, work.request, error)
        self.issuer_queue.forget(work.issuer)
        self.issuer_queue.retry(work.issuer)
        return Waiting(work.issuer, issuer_not_ready(work.issuer.quoted, error.reason, error.message))

    def _issuer_broken(
        self, key: IssuerKey, request: Request, error: signing.IssuerBroken, *, is_ca: bool
    ) -> Outcome:
        """Have one request go first once the issuer is mended; an expired CA for CAs holds up these alone."""
        if is_ca and isinstance(error, CAExpired):
            return RetryLater(ControllerRetry.CA_EXPIRED, error.message)
        self.registry.half_open(key, request.key)
        return self._issuer_trouble(key, error)

    def _issuer_trouble(self, key: IssuerKey, error: signing.SigningError) -> Waiting:
        """Mark the issuer broken, as it can't sign, and have it checked soon."""
        if self.registry.entry(key).signs_some:  # the first of many in flight to find out
            self.registry.mark_broken(key, error.reason, error.message)
            self.issuer_queue.retry(key)
        return Waiting(key, issuer_not_ready(key.quoted, error.reason, error.message))


def _bounds(request: Request, approval: Approval) -> list[timedelta]:
    """Return what can only shorten the life of the request: what is set after its approval, its policy."""
    allowed = approval.allowance.longest if approval.allowance and request.policy_shortens else None
    return [bound for bound in (request.longest, allowed) if bound is not None]
