"""Names of this API: its group, version and kinds."""

from typing import Final

GROUP: Final = "vault-issuer.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

ISSUER_KIND: Final = "VaultIssuer"
ISSUER_PLURAL: Final = "vaultissuers"
ISSUER_SHORT: Final = "vi"
CLUSTER_ISSUER_KIND: Final = "VaultClusterIssuer"
CLUSTER_ISSUER_PLURAL: Final = "vaultclusterissuers"
CLUSTER_ISSUER_SHORT: Final = "vci"

POLICY_KIND: Final = "CertificateRequestPolicy"
POLICY_PLURAL: Final = "certificaterequestpolicies"
POLICY_SHORT: Final = "vcrp"
"""Short names are none of cert-manager's or approver-policy's, so that kubectl finds ours."""
