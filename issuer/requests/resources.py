"""API resources of cert-manager, of CertificateSigningRequests, and of this product."""

from __future__ import annotations

from typing import Final

from issuer.api.group import (
    GROUP,
    POLICY_PLURAL,
    STEP_CLUSTER_ISSUER_PLURAL,
    STEP_ISSUER_PLURAL,
    VERSION,
)
from issuer.kube.resources import Resource

CERTIFICATE_REQUESTS: Final = Resource("cert-manager.io", "v1", "certificaterequests", namespaced=True)
CERTIFICATE_SIGNING_REQUESTS: Final = Resource(
    "certificates.k8s.io", "v1", "certificatesigningrequests", namespaced=False
)
CERTIFICATES: Final = Resource("cert-manager.io", "v1", "certificates", namespaced=True)
VAULT_ISSUERS: Final = Resource(GROUP, VERSION, "vaultissuers", namespaced=True)
VAULT_CLUSTER_ISSUERS: Final = Resource(GROUP, VERSION, "vaultclusterissuers", namespaced=False)
STEP_ISSUERS: Final = Resource(GROUP, VERSION, STEP_ISSUER_PLURAL, namespaced=True)
STEP_CLUSTER_ISSUERS: Final = Resource(GROUP, VERSION, STEP_CLUSTER_ISSUER_PLURAL, namespaced=False)
CERTIFICATE_REQUEST_POLICIES: Final = Resource(GROUP, VERSION, POLICY_PLURAL, namespaced=False)
