"""Objects that users write, filled in for a testbed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from issuer.api.policy import Usage
from testbed.cluster import Testbed
from testbed.vaultpki import DOMAIN

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


def secret(name: str, namespace: str, **data: str) -> dict[str, Any]:
    """An Opaque Secret."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": data,
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


def policy(name: str, allowed: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A CertificateRequestPolicy that selects every issuer of ours, unless ``spec`` has another selector."""
    selector = {"issuerRef": {"group": GROUP}}
    return {
        "apiVersion": API_VERSION,
        "kind": "CertificateRequestPolicy",
        "metadata": {"name": name},
        "spec": {"allowed": allowed, "selector": selector, **spec},
    }


def use_binding(policy_name: str, subjects: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    """What lets ``subjects`` use a policy in every namespace."""
    group, name = "rbac.authorization.k8s.io", f"use-{policy_name}"
    rule = {
        "apiGroups": [GROUP],
        "resources": ["certificaterequestpolicies"],
        "resourceNames": [policy_name],
        "verbs": ["use"],
    }
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": [rule],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": list(subjects),
        },
    ]


def lab_policy(name: str) -> dict[str, Any]:
    """Names of the lab's domain for TLS; what it does not name is denied."""
    allowed = {
        "commonName": {"value": f"*.{DOMAIN}"},
        "dnsNames": {"values": [DOMAIN, f"*.{DOMAIN}"]},
        "usages": ["digital signature", "key encipherment", "server auth", "client auth"],
    }
    return policy(name, allowed)


EVERYBODY = {"kind": "Group", "name": "system:authenticated", "apiGroup": "rbac.authorization.k8s.io"}
CERT_MANAGER_ACCOUNT = {"kind": "ServiceAccount", "name": "cert-manager", "namespace": "cert-manager"}

USAGES: tuple[str, ...] = get_args(Usage)


def everything_policy(name: str = "everything") -> dict[str, Any]:
    """A policy that allows whatever a policy can: for tests about something else."""
    some = {"values": ["*"]}
    subject = (
        "organizations",
        "countries",
        "organizationalUnits",
        "localities",
        "provinces",
        "streetAddresses",
        "postalCodes",
    )
    allowed = {
        "commonName": {"value": "*"},
        **dict.fromkeys(("dnsNames", "ipAddresses", "uris", "emailAddresses"), some),
        "isCA": True,
        "usages": list(USAGES),
        "subject": {**dict.fromkeys(subject, some), "serialNumber": {"value": "*"}},
    }
    return policy(name, allowed)
