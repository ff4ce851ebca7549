"""Decides how an attempt at a request ends, and has it signed where it may be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from issuer.controller.approval.approver import Approval, Approver
from issuer.controller.delivery.delivering import Delivery
from issuer.controller.issuance.kind_checks import KindChecks
from issuer.controller.issuance.last_look import Judged
from issuer.controller.issuance.signing_step import SigningStep
from issuer.controller.renewals.guard import RenewalGuard
from issuer.controller.state.audit import AuditRecord
from issuer.controller.state.health.bad_answers import given_up
from issuer.controller.state.health.issuer_entry import IssuerEntry
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.outcomes import (
    AwaitingApproval,
    Denied,
    Issued,
    NeedsFinalizer,
    Outcome,
    RefusedSoon,
    RequestFailed,
    RetryLater,
    Unprocessed,
    Waiting,
)
from issuer.controller.state.reasons import ControllerRetry
from issuer.controller.state.unprocessed import UnprocessedRequests
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.requests.issuers import IssuerKey
from issuer.requests.reason_message import issuer_not_ready, with_reason
from issuer.requests.request import BadSpec, Request, RequestKey
from issuer.signing.reasons import SigningIssuerReason
from issuer.telemetry.tracing import span
from issuer.x509.errors import InvalidRequest
from issuer.x509.request import decode_request
from issuer.x509.verification.requested import RequestedCertificate

_LARGE: Final = 8 * 1024
"""Characters of a CSR after which others get their turn before it is judged."""


@dataclass(slots=True, eq=False)
class RequestDecider:
    """Takes one request through approval and signing to its outcome. Writes nothing to the API server.

    `checks` are what each kind of request needs beside the policies.
    """

    issuers: Mapping[str, IssuerStore]
    registry: IssuerRegistry
    checks: Mapping[type[Request], KindChecks]
    approver: Approver
    unprocessed: UnprocessedRequests
    signing: SigningStep
    delivery: Delivery
    renewals: RenewalGuard

    async def decide(self, request: Request, audit: AuditRecord) -> Outcome:
        """Return the outcome of an attempt at the request; `audit` learns who decided, and in what time."""
        if request.denied:
            audit.decided("denied by another approver")
            return Denied()
        signed = self._signed_before(request)
        if signed is not None:
            return signed
        if request.only_others_approve and not request.approved:
            return AwaitingApproval()
        try:
            key = request.issuer
            refusal = await self.checks[type(request)].may_reference(request)
            if refusal is not None:
                return refusal
            entry = self._checked(key)
            if isinstance(entry, Waiting):
                return entry
            if entry.external and not request.approved:
                self.registry.unapproved.add(request.key, key)
                return AwaitingApproval()
            asked = _asked(request)
        except BadSpec as error:
            return RequestFailed(str(error), error.reason)
        if len(asked.request.pem) > _LARGE:
            await asyncio.sleep(0)  # it took milliseconds to read; what follows takes its own
        return await self._approve_and_sign(request, asked, entry, audit)

    def _signed_before(self, request: Request) -> Issued | RequestFailed | None:
        """Return what comes of a certificate that was signed for it in an earlier attempt, if one was."""
        pending = self.delivery.held.get(request.key)
        return self.delivery.given_up(request) if pending is None else Issued(pending)

    def forget(self, key: RequestKey) -> None:
        """Forget a request that is gone."""
        self.unprocessed.discard(key)
        self.renewals.forget(key)
        self.delivery.forget(key)

    def signs(self, issuer: IssuerKey, request: Request) -> bool:
        """Return True if the issuer was checked as it stands now, and can sign the request like any other."""
        entry = self._checked(issuer)
        return isinstance(entry, IssuerEntry) and entry.ready and entry.signs(request)

    def is_checked(self, issuer: IssuerKey) -> bool:
        """Return True if the issuer was checked as it stands now, and no check of it is about to begin."""
        entry = self._checked(issuer)
        return entry.report if isinstance(entry, Waiting) else not entry.changed

    async def _approve_and_sign(
        self, request: Request, asked: RequestedCertificate, entry: IssuerEntry, audit: AuditRecord
    ) -> Outcome:
        version = entry.version
        with audit.timing_decision(), span("decide"):
            approval = await self._approval(request, asked, entry)
        if not isinstance(approval, Approval):
            if isinstance(approval, (Denied, RequestFailed)):
                audit.decided("denied by policy")
            return approval
        if approval.policy is None:
            audit.decided("approved by another approver")
        else:
            audit.decided("approved by policy", approval.policy)
        checks = self.checks[type(request)]
        if approval.message is not None and not await checks.may_approve(entry.key):
            return _not_ready(entry.key, entry)
        if not entry.signs(request):
            return _held_back(entry, request)
        examined = self._refused_beside(request, entry) or await self.renewals.examine(request, asked)
        if isinstance(examined, RetryLater):
            return examined
        if entry.shared is None or not entry.signs(request):  # that may have taken a call
            return _held_back(entry, request)
        if checks.needs_finalizer(request, entry.spec):
            return NeedsFinalizer()
        judged = Judged(request, entry, version, entry.shared, approval, audit.began)
        return await self.signing.run(judged, examined, audit)

    def _refused_beside(self, request: Request, entry: IssuerEntry) -> RetryLater | None:
        """Return why it waits where certificates beside it are signed, and the API server refuses them."""
        refused = self.delivery.refused
        if not refused.stops(request.key, entry.key):
            return None
        reason = ControllerRetry.STATUS_WRITE_REFUSED
        self.registry.put_off.add(request.key, entry.key, reason, shared=True)
        names = ", ".join(str(one) for one in refused.refused_in_place(request.key, entry.key))
        return RetryLater(
            reason, f"the API server refuses the status of requests whose certificates were signed: {names}"
        )

    async def _approval(
        self, request: Request, asked: RequestedCertificate, entry: IssuerEntry
    ) -> Approval | Outcome:
        if entry.spec is None or entry.profile is None:
            raise AssertionError("a checked issuer has a spec and a profile")
        # Before it is evaluated, so that a policy that changes meanwhile finds it and has that done again.
        self.unprocessed.add(request.key, request.policy_namespace)
        policy_only = entry.profile.is_policy_only(is_ca=asked.is_ca)
        approval = await self.checks[type(request)].may_sign(request) or await self.approver.evaluate(
            request, asked.request, entry.spec.approval, policy_only=policy_only
        )
        if not isinstance(approval, Unprocessed | RefusedSoon):
            self.unprocessed.discard(request.key)
        if isinstance(approval, AwaitingApproval):  # its issuer became External meanwhile
            self.registry.unapproved.add(request.key, entry.key)
        return approval

    def _checked(self, key: IssuerKey) -> IssuerEntry | Waiting:
        """Return the issuer's entry if it was checked as it stands now; it need not be Ready."""
        obj = self.issuers[key.kind].get(key)
        if obj is None:
            return Waiting(
                key,
                f"there is no {key.quoted}; create it, or change spec.issuerRef of the Certificate: a new "
                "request follows",
            )
        entry = self.registry.entry(key)
        meta = obj["metadata"]
        if not entry.describes(meta["uid"], meta["generation"]):
            return Waiting(key, f"{key.quoted} is new or has changed and is being checked", report=False)
        if entry.spec is None or not entry.may_approve:
            return _not_ready(key, entry)
        return entry


def _held_back(entry: IssuerEntry, request: Request) -> Waiting:
    if not entry.ready:
        return _not_ready(entry.key, entry)
    return Waiting(entry.key, with_reason(SigningIssuerReason.BAD_ANSWER, given_up(entry.key)))


def _not_ready(key: IssuerKey, entry: IssuerEntry) -> Waiting:
    message = issuer_not_ready(key.quoted, entry.reason, entry.message)
    return Waiting(key, message, report=not entry.changed)


def _asked(request: Request) -> RequestedCertificate:
    """Return what the request asks for; raises BadSpec, naming the field."""
    try:
        decoded = decode_request(request.spec.get("request") or "")
    except InvalidRequest as error:
        raise BadSpec(f"spec.request: {error}") from error
    request.check(decoded)
    return RequestedCertificate(
        request=decoded, is_ca=request.is_ca, usages=request.usages, duration=request.duration
    )
