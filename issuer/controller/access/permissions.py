"""The controller's own rights: to approve an issuer's CertificateRequests, and to sign its Kubernetes CSRs.

cert-manager's webhook asks for the verb `approve` on `signers.cert-manager.io`,
the API server for `sign` on `signers.certificates.k8s.io`; each by the issuer's
own name or a wildcard. Sources:
cert-manager.io/docs/usage/certificaterequest, "RBAC Syntax";
kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests, "Authorization".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from issuer.kube.access import may_i
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError
from issuer.kube.single_flight import SingleFlightCache
from issuer.requests.issuers import BUILT_IN, IssuerKey, IssuerKinds
from issuer.signing.secrets import kubernetes_retry


def forbidden_text(signer_names: Sequence[str]) -> str:
    """Return what is wrong, and what to grant, where the right to approve for these names is missing."""
    names = " or ".join(signer_names)
    return (
        "spec.approval is Policy, but the controller may not approve this issuer's requests: grant "
        f"its ServiceAccount the verb approve on signers.cert-manager.io, resourceNames {names}"
    )


def signing_forbidden_text(signer_names: Sequence[str]) -> str:
    """Return what is wrong, and what to grant, where the right to sign for these names is missing."""
    names = " or ".join(signer_names)
    return (
        "the controller may not sign for this signer: set certificateSigningRequests.enabled in the chart's "
        "values, apply config/rbac/certificate-signing-requests.yaml, "
        f"or grant its ServiceAccount the verb sign on signers.certificates.k8s.io, resourceNames {names}"
    )


# An answer is believed this long; a change of RBAC that we see ends that at once.
RIGHT_SECONDS = 5.0


class _OwnRights:
    """Asks the API server about ourselves (SelfSubjectAccessReview), and remembers the answer for seconds."""

    verb: ClassVar[str]
    group: ClassVar[str]

    def __init__(
        self,
        client: KubeClient,
        kinds: IssuerKinds = BUILT_IN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._kinds = kinds
        self._answers: SingleFlightCache[IssuerKey] = SingleFlightCache(RIGHT_SECONDS, clock)

    def signer_names(self, key: IssuerKey) -> tuple[str, str]:
        """Return the signer names by which the right for an issuer is granted."""
        return self._kinds.signer_names(key)

    def clear(self) -> None:
        """Forget the answers, as RBAC changed."""
        self._answers.clear()

    def still_may(self, key: IssuerKey) -> bool:
        """Return True if the last answer for this issuer was yes and is not too old. Asks nobody."""
        return self._answers.still_yes(key)

    async def _may(self, key: IssuerKey) -> bool:
        try:
            return await self._answers.get(key, lambda: self._ask(key))
        except KubeError as error:
            raise kubernetes_retry(error, f"ask for the right to {self.verb}") from error

    async def _ask(self, key: IssuerKey) -> bool:
        for name in self._kinds.signer_names(key):
            if await may_i(self._client, verb=self.verb, group=self.group, resource="signers", name=name):
                return True
        return False


class ApprovalRights(_OwnRights):
    """The right to set Approved and Denied in an issuer's CertificateRequests."""

    verb, group = "approve", "cert-manager.io"

    async def may_approve(self, key: IssuerKey) -> bool:
        """Return True if we may approve and deny for this issuer. Raises Retry if nobody can say."""
        return await self._may(key)


class SigningRights(_OwnRights):
    """The right to write the answers of an issuer's CertificateSigningRequests."""

    verb, group = "sign", "certificates.k8s.io"

    async def may_sign(self, key: IssuerKey) -> bool:
        """Return True if we may sign for this issuer's signer name. Raises Retry if nobody can say."""
        return await self._may(key)
