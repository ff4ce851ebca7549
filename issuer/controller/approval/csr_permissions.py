"""What stands between a CertificateSigningRequest and its signature, beside the policies.

Who may name a namespace's issuer, whether we may write the answer, and whether an answer of ours is being
refused. CertificateRequests pass: for them, other parts of the controller ask.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from issuer.controller.access.permissions import SigningRights, signing_forbidden_text
from issuer.controller.state.outcomes import Failed, RetryLater, Unprocessed, retry_later
from issuer.controller.state.pending import PendingDelivery
from issuer.controller.state.reasons import ControllerFailure, ControllerRetry, ControllerWait
from issuer.kube.access import may
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError
from issuer.requests.issuers import IssuerKey
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.reason_message import with_reason
from issuer.requests.request import Request
from issuer.signing.outcomes import Retry
from issuer.signing.secrets import kubernetes_retry


@dataclass(slots=True, eq=False)
class CSRPermissions:
    """Asks the API server what it would itself ask; ``rights`` are our own."""

    client: KubeClient
    rights: SigningRights
    _blocked: dict[IssuerKey, str] = field(default_factory=dict)

    async def may_reference(self, request: Request) -> Failed | RetryLater | None:
        """None where the requester may name this issuer; raises BadSpec when none is named.

        A VaultIssuer belongs to its namespace: the requester needs ``reference`` on ``signers`` there. The
        answer is never an old one, as a refusal is final.
        """
        if not isinstance(request, KubernetesCSR) or not request.issuer.namespace:
            return None
        try:
            for name in (request.issuer.name, "*"):  # to RBAC "*" is a name, which cert-manager asks for too
                if await self._may_reference(request, name):
                    return None
        except KubeError as error:
            return retry_later(kubernetes_retry(error, "ask who may reference the signer"))
        return Failed(
            f"the requester may not use {request.issuer}: it needs the verb reference on "
            f"signers.{self._group(request)}, resourceNames {request.issuer.name}, in the namespace "
            f"{request.issuer.namespace}",
            ControllerFailure.DENIED_REFERENCE,
        )

    async def _may_reference(self, request: KubernetesCSR, name: str) -> bool:
        spec = request.spec
        return await may(
            self.client,
            user=spec.get("username") or "",
            groups=spec.get("groups") or (),
            uid=spec.get("uid") or "",
            extra=spec.get("extra") or {},
            verb="reference",
            group=self._group(request),
            resource="signers",
            name=name,
            namespace=request.issuer.namespace,
        )

    @staticmethod
    def _group(request: KubernetesCSR) -> str:
        return request.issuer_kinds[request.issuer.kind].group

    async def may_sign(self, request: Request) -> Unprocessed | RetryLater | None:
        """None where an answer can be written; it is asked before anything is judged or signed."""
        if not isinstance(request, KubernetesCSR):
            return None
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

    def block(self, pending: PendingDelivery, why: str) -> None:
        """A certificate can't be written: no more are signed for this signer. The issuer itself goes on."""
        self._blocked[pending.issuer] = why

    def unblock(self, pending: PendingDelivery) -> None:
        """What was refused went through, or nobody wants it any more."""
        self._blocked.pop(pending.issuer, None)
