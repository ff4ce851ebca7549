"""Objects that users write, filled in for a testbed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from testbed.cluster import Testbed

API_VERSION = "vault-issuer.io/v1alpha1"
GROUP = "vault-issuer.io"


def kubernetes_auth(role: str = "vault-issuer", service_account: str = "vault-login") -> dict[str, Any]:
    """``spec.vault.auth`` for Kubernetes auth with a ServiceAccount."""
    return {
        "kubernetes": {
            "role": role,
            "mountPath": "/v1/auth/kubernetes",
            "serviceAccountRef": {"name": service_account},
        }
    }


def vault_spec(
    bed: Testbed, auth: dict[str, Any], path: str = "pki_int/sign/lab", **more: Any
) -> dict[str, Any]:
    """``spec.vault`` that reaches the testbed's OpenBao over verified TLS."""
    return {"server": bed.vault.addr, "path": path, "caBundle": bed.vault.ca_bundle, "auth": auth, **more}


def vault_cluster_issuer(bed: Testbed, name: str, auth: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A VaultClusterIssuer; ``more`` goes into ``spec.vault``."""
    return {
        "apiVersion": API_VERSION,
        "kind": "VaultClusterIssuer",
        "metadata": {"name": name},
        "spec": {"vault": vault_spec(bed, auth, **more)},
    }


def vault_issuer(
    bed: Testbed, name: str, namespace: str, auth: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """A VaultIssuer; ``more`` goes into ``spec.vault``."""
    return {
        "apiVersion": API_VERSION,
        "kind": "VaultIssuer",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"vault": vault_spec(bed, auth, **more)},
    }


def certificate(
    name: str,
    namespace: str,
    issuer: str,
    dns_names: Sequence[str],
    *,
    kind: str = "VaultClusterIssuer",
    **spec: Any,
) -> dict[str, Any]:
    """A Certificate (EC P-256) whose Secret is ``NAME-tls``; ``spec`` adds or replaces fields."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "secretName": f"{name}-tls",
            "dnsNames": list(dns_names),
            "duration": "24h",
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "issuerRef": {"group": GROUP, "kind": kind, "name": issuer},
            **spec,
        },
    }
