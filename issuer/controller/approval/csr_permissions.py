"""Permissions that a CertificateSigningRequest needs beside the policies.

The requester's to name a namespace's issuer, ours to write the answer, and what is signed no more because an
answer of ours was refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from issuer.api.issuers import IssuerSpec
from issuer.controller.access.permissions import SigningRights, signing_forbidden_text
from issuer.controller.approval.approver import ACCESS_SECONDS
from issuer.controller.state.outcomes import RequestFailed, RetryLater, Unprocessed, retry_later
from issuer.controller.state.pending import PendingDelivery
from issuer.controller.state.reasons import ControllerFailure, ControllerRetry, ControllerWait
from issuer.kube.access import may
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError
from issuer.requests.issuers import IssuerKey
from issuer.requests.reason_message import with_reason
from issuer.requests.request import Request
from issuer.signing.outcomes import Retry
from issuer.signing.secrets import kubernetes_retry


@dataclass(slots=True, eq=False)
class CSRPermissions:
    """Asks the API server what it would itself ask; `rights` are our own. (`KindChecks` of issuance.)"""

    client: KubeClient
    rights: SigningRights
    _blocked: dict[IssuerKey, str] = field(default_factory=dict)

    async def may_reference(self, request: Request) -> RequestFailed | RetryLater | None:
        """Return None if the requester may name this issuer; raises BadSpec when none is named.

        A namespaced issuer belongs to its namespace: the requester needs `reference` on `signers` there. The
        answer is never an old one, as a refusal is final.
        """
        if not request.issuer.namespace:
            return None
        try:
            for name in (request.issuer.name, "*"):  # to RBAC "*" is a name, which cert-manager asks for too
                if await self._may_reference(request, name):
                    return None
        except KubeError as error:
            return retry_later(kubernetes_retry(error, "ask who may reference the signer"))
        return RequestFailed(
            f"the requester may not use {request.issuer}: it needs the verb reference on "
            f"signers.{self._group(request)}, resourceNames {request.issuer.name}, in the namespace "
            f"{request.issuer.namespace}",
            ControllerFailure.DENIED_REFERENCE,
        )

    async def _may_reference(self, request: Request, name: str) -> bool:
        return await may(
            self.client,
            request.requester,
            verb="reference",
            group=self._group(request),
            resource="signers",
            name=name,
            namespace=request.issuer.namespace,
        )

    @staticmethod
    def _group(request: Request) -> str:
        return request.issuer_kinds[request.issuer.kind].group

    async def may_sign(self, request: Request) -> Unprocessed | RetryLater | None:
        """Return None if an answer can be written; asked before anything is evaluated or signed."""
        refused = self._blocked.get(request.issuer)
        if refused is not None:
            return RetryLater(ControllerRetry.STATUS_WRITE_REFUSED, refused)
        try:
            if await self.rights.may_sign(request.issuer):
                return None
        except Retry as error:
            return retry_later(error)
        return Unprocessed(
            with_reason(
                ControllerWait.SIGNING_FORBIDDEN,
                signing_forbidden_text(self.rights.signer_names(request.issuer)),
            )
        )

    def still_may(self, request: Request, *, approves: bool, age: float) -> bool:
        """Return True if all answers are still believed; nobody keeps that of `may_reference`."""
        return (
            (age <= ACCESS_SECONDS or not request.issuer.namespace)
            and request.issuer not in self._blocked
            and self.rights.still_may(request.issuer)
        )

    async def may_approve(self, issuer: IssuerKey) -> bool:
        """Return True: a CSR is approved by others, and our answer holds no approval."""
        return True

    def needs_finalizer(self, request: Request, spec: IssuerSpec | None) -> bool:
        """Return False: revocation is for cert-manager's requests only."""
        return False

    async def add_finalizer(self, request: Request) -> Request:
        """Return the request as it is."""
        return request

    def block(self, pending: PendingDelivery, why: str) -> None:
        """Sign no more for this signer until a certificate can be written. The issuer itself goes on."""
        self._blocked[pending.issuer] = why

    def unblock(self, pending: PendingDelivery) -> None:
        """Sign again: what was refused went through, or nobody wants it any more."""
        self._blocked.pop(pending.issuer, None)
