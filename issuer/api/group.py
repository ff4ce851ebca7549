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

STEP_ISSUER_KIND: Final = "StepIssuer"
STEP_ISSUER_PLURAL: Final = "stepissuers"
STEP_ISSUER_SHORT: Final = "vsi"
STEP_CLUSTER_ISSUER_KIND: Final = "StepClusterIssuer"
STEP_CLUSTER_ISSUER_PLURAL: Final = "stepclusterissuers"
STEP_CLUSTER_ISSUER_SHORT: Final = "vsci"
"""step-issuer's kinds of the same names have another group, and no short names."""

POLICY_KIND: Final = "CertificateRequestPolicy"
POLICY_PLURAL: Final = "certificaterequestpolicies"
POLICY_SHORT: Final = "vcrp"
"""Short names are none of cert-manager's or approver-policy's, so that kubectl finds ours."""
