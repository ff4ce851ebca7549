"""Checks of each kind of request beside the policies: before it is signed, and once it can't be written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from issuer.api.issuers import IssuerSpec
from issuer.controller.access.permissions import ApprovalRights, forbidden_text
from issuer.controller.revocation.add_finalizer import RevocationFinalizer
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.outcomes import RequestFailed, RetryLater, Unprocessed
from issuer.controller.state.pending import PendingDelivery
from issuer.controller.state.reasons import ControllerIssuerReason
from issuer.kube.queues.workqueue import WorkQueue
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import Request
from issuer.signing.outcomes import Retry


class KindChecks(Protocol):
    """The checks of one kind of request; `CSRPermissions` are those of CertificateSigningRequests."""

    async def may_reference(self, request: Request) -> RequestFailed | RetryLater | None:
        """Return None if the requester may name this issuer. Raises BadSpec where none is named."""
        ...

    async def may_sign(self, request: Request) -> Unprocessed | RetryLater | None:
        """Return None if an answer can be written; asked before anything is evaluated or signed."""
        ...

    def still_may(self, request: Request, *, approves: bool, age: float) -> bool:
        """Return True if all that was asked before signing is still believed. Asks nobody.

        `approves` says that the answer holds an approval of ours, `age` how many seconds ago the first
        question was asked.
        """
        ...

    async def may_approve(self, issuer: IssuerKey) -> bool:
        """Return True if our approval can be written; the issuer becomes not Ready if it can't."""
        ...

    def needs_finalizer(self, request: Request, spec: IssuerSpec | None) -> bool:
        """Return True if revocation's finalizer has to be put on the request before it is signed."""
        ...

    async def add_finalizer(self, request: Request) -> Request:
        """Put the finalizer on and return the request as it is then. Raises KubeError and Retry."""
        ...

    def block(self, pending: PendingDelivery, why: str) -> None:
        """Sign nothing more where a certificate can't be written, until it can."""
        ...

    def unblock(self, pending: PendingDelivery) -> None:
        """Sign again: what was refused went through, or nobody wants it any more."""
        ...


@dataclass(slots=True, eq=False)
class CertificateRequestChecks:
    """The checks of cert-manager's CertificateRequests: our right to approve, and the finalizer.

    Whoever may create one in a namespace may name its issuers, so nobody is asked about that. `finalizer` is
    None where nothing is ever revoked.
    """

    registry: IssuerRegistry
    issuer_queue: WorkQueue[IssuerKey]
    rights: ApprovalRights
    finalizer: RevocationFinalizer | None = None

    async def may_reference(self, request: Request) -> RequestFailed | RetryLater | None:
        """Return None: whoever may create one in a namespace may name its issuers."""
        return None

    async def may_sign(self, request: Request) -> Unprocessed | RetryLater | None:
        """Return None: the issuer's check says whether its requests can be answered."""
        return None

    def still_may(self, request: Request, *, approves: bool, age: float) -> bool:
        """Return True if our right to approve is still believed, where it is needed."""
        return not approves or self.rights.still_may(request.issuer)

    async def may_approve(self, issuer: IssuerKey) -> bool:
        """Return True if the approval that we are about to sign under can be written."""
        try:
            may_approve = await self.rights.may_approve(issuer)
        except Retry as error:
            self.registry.mark_broken(issuer, error.reason, error.message)
        else:
            self.registry.approval_checked(issuer, may_approve)
            if may_approve:
                return True
            self.registry.mark_broken(
                issuer,
                ControllerIssuerReason.APPROVAL_FORBIDDEN,
                forbidden_text(self.rights.signer_names(issuer)),
            )
        self.issuer_queue.retry(issuer)
        return False

    def needs_finalizer(self, request: Request, spec: IssuerSpec | None) -> bool:
        """Return True if the issuer revokes and this process has not marked the request."""
        return self.finalizer is not None and self.finalizer.is_missing(request, spec)

    async def add_finalizer(self, request: Request) -> Request:
        """Put the finalizer on. Raises KubeError, and Retry where the Secret could not be read later."""
        if self.finalizer is None:
            raise AssertionError("a request is found to lack a finalizer that nobody adds")
        return await self.finalizer.add(request)

    def block(self, pending: PendingDelivery, why: str) -> None:
        """Make the issuer not Ready until what is signed can be written."""
        self.registry.status_refused(pending.issuer, why)
        self.issuer_queue.retry(pending.issuer)

    def unblock(self, pending: PendingDelivery) -> None:
        """Have the issuer checked if a write had been refused."""
        if self.registry.status_accepted(pending.issuer):
            self.issuer_queue.add(pending.issuer)
