"""Whether this controller may approve an issuer's CertificateRequests, and sign its Kubernetes CSRs.

cert-manager's webhook asks for the verb ``approve`` on ``signers.cert-manager.io``,
the API server for ``sign`` on ``signers.certificates.k8s.io``; each by the issuer's
own name or a wildcard. Sources:
cert-manager.io/docs/usage/certificaterequest, "RBAC Syntax";
kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests, "Authorization".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from issuer.api.group import CLUSTER_ISSUER_KIND, CLUSTER_ISSUER_PLURAL, GROUP, ISSUER_PLURAL
from issuer.kube.access import may_i
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError
from issuer.kube.single_flight import Answers
from issuer.requests.request import IssuerKey
from issuer.signing.secrets import kubernetes_retry


def signer_names(key: IssuerKey) -> tuple[str, str]:
    """The signer names that grant it: for all issuers of the kind, and for this one."""
    plural = CLUSTER_ISSUER_PLURAL if key.kind == CLUSTER_ISSUER_KIND else ISSUER_PLURAL
    own = f"{key.namespace}.{key.name}" if key.namespace else key.name
    return f"{plural}.{GROUP}/*", f"{plural}.{GROUP}/{own}"


def forbidden_text(key: IssuerKey) -> str:
    """What is wrong, and what to grant."""
    names = " or ".join(signer_names(key))
    return (
        "spec.approval is Policy, but the controller may not approve this issuer's requests: grant "
        f"its ServiceAccount the verb approve on signers.cert-manager.io, resourceNames {names}"
    )


def signing_forbidden_text(key: IssuerKey) -> str:
    """What is wrong, and what to grant."""
    names = " or ".join(signer_names(key))
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

    def __init__(self, client: KubeClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._answers: Answers[IssuerKey] = Answers(RIGHT_SECONDS, clock)

    def clear(self) -> None:
        """RBAC changed: ask again."""
        self._answers.clear()

    async def _may(self, key: IssuerKey) -> bool:
        try:
            return await self._answers.get(key, lambda: self._ask(key))
        except KubeError as error:
            raise kubernetes_retry(error, f"ask for the right to {self.verb}") from error

    async def _ask(self, key: IssuerKey) -> bool:
        for name in signer_names(key):
            if await may_i(self._client, verb=self.verb, group=self.group, resource="signers", name=name):
                return True
        return False


class ApprovalRights(_OwnRights):
    """Whether we may set Approved and Denied in an issuer's CertificateRequests."""

    verb, group = "approve", "cert-manager.io"

    async def may_approve(self, key: IssuerKey) -> bool:
        """Whether we may approve and deny for this issuer; raises Retry when the API server can't say."""
        return await self._may(key)


class SigningRights(_OwnRights):
    """Whether we may write what answers an issuer's CertificateSigningRequests."""

    verb, group = "sign", "certificates.k8s.io"

    async def may_sign(self, key: IssuerKey) -> bool:
        """Whether we may sign for this issuer's signer name; raises Retry when the API server can't say."""
        return await self._may(key)
