"""Whether this controller may set Approved and Denied for an issuer's requests.

cert-manager's webhook asks for the verb ``approve`` on ``signers.cert-manager.io``,
by the issuer's own name or a wildcard. Source:
cert-manager.io/docs/usage/certificaterequest, "RBAC Syntax".
"""

from __future__ import annotations

from dataclasses import dataclass

from issuer.api.group import CLUSTER_ISSUER_KIND, CLUSTER_ISSUER_PLURAL, GROUP, ISSUER_PLURAL
from issuer.controller.credentials import kubernetes_retry
from issuer.controller.request import IssuerKey
from issuer.kube.access import may_i
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError


def approve_names(key: IssuerKey) -> tuple[str, str]:
    """The signer names that grant it: for all issuers of the kind, and for this one."""
    plural = CLUSTER_ISSUER_PLURAL if key.kind == CLUSTER_ISSUER_KIND else ISSUER_PLURAL
    own = f"{key.namespace}.{key.name}" if key.namespace else key.name
    return f"{plural}.{GROUP}/*", f"{plural}.{GROUP}/{own}"


@dataclass(frozen=True, slots=True)
class ApprovalRights:
    """Asks the API server about ourselves (SelfSubjectAccessReview)."""

    client: KubeClient

    async def may_approve(self, key: IssuerKey) -> bool:
        """Whether we may approve and deny for this issuer; raises Retry when the API server can't say."""
        try:
            for name in approve_names(key):
                if await may_i(
                    self.client, verb="approve", group="cert-manager.io", resource="signers", name=name
                ):
                    return True
        except KubeError as error:
            raise kubernetes_retry(error, "ask for the right to approve") from error
        return False
