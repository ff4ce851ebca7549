"""What tests need in OpenBao beside the testbed's CA (`labca`): odd CAs and roles, other logins, tokens.

Each function does one thing, returns what the next needs, and can be called again with other names. Paths and
parameters are those of Vault's PKI, AppRole and Kubernetes APIs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.kube import Kube
from testbed.vaultclient import VaultClient

DOMAIN = "lab.example.test"
REVIEWER = ("kube-system", "vault-token-reviewer")


@dataclass(frozen=True, slots=True)
class PkiLayout:
    """A two-tier CA: ``mount`` (the intermediate) signs leaves, ``root_mount`` signed it.

    ``policy`` names a Vault policy that may sign with ``role`` and revoke in ``mount``, nothing else.
    """

    root_mount: str
    mount: str
    role: str
    policy: str
    root_pem: str
    intermediate_pem: str
    root_issuer: str
    intermediate_issuer: str

    @property
    def sign_path(self) -> str:
        """What goes into ``spec.vault.path``."""
        return f"{self.mount}/sign/{self.role}"


@dataclass(frozen=True, slots=True)
class AppRoleLogin:
    """An AppRole to log in with: ``spec.vault.auth.appRole``."""

    mount: str
    name: str
    role_id: str
    secret_id: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KubernetesLogin:
    """A role of Vault's Kubernetes auth: ``service_account`` may log in with a token for ``audience``."""

    mount: str
    role: str
    namespace: str
    service_account: str
    audience: str | None

    @property
    def mount_path(self) -> str:
        """What goes into ``spec.vault.auth.kubernetes.mountPath``."""
        return f"/v1/auth/{self.mount}"


FOR_SERVERS: Final[Mapping[str, Any]] = {"server_flag": True}
"""For a role whose certificates ask for "server auth"."""


def mount_pki(vault: VaultClient, mount: str, hours: int) -> None:
    """Enable a PKI mount with its longest lifetime and the URLs that go into its certificates."""
    vault.call("POST", f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": f"{hours}h"}})
    base = f"{vault.addr}/v1/{mount}"
    urls = {"issuing_certificates": [f"{base}/ca"], "crl_distribution_points": [f"{base}/crl"]}
    vault.write(f"{mount}/config/urls", urls)


def sign_intermediate(
    vault: VaultClient,
    root_mount: str,
    mount: str,
    name: str,
    hours: float,
    common_name: str = "Lab Intermediate CA",
) -> str:
    """A new issuer in ``mount``, signed by the root, made the default; returns its PEM. Also for rotation."""
    request = vault.write(
        f"{mount}/intermediate/generate/internal",
        {"common_name": common_name, "key_type": "ec", "key_bits": 256, "key_name": f"{name}-key"},
    )
    signed = vault.write(
        f"{root_mount}/root/sign-intermediate",
        {
            "csr": request["csr"],
            "common_name": common_name,
            "ttl": f"{hours}h",
            "max_path_length": 0,
            "format": "pem_bundle",
        },
    )
    certificate = (
        str(signed["certificate"]).split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    )
    root = vault.read(f"{root_mount}/cert/ca")["certificate"]
    imported = vault.write(f"{mount}/intermediate/set-signed", {"certificate": f"{certificate}{root}"})
    ours = next(issuer for issuer, key in imported["mapping"].items() if key)
    vault.write(f"{mount}/issuer/{ours}", {"issuer_name": name})
    vault.write(f"{mount}/config/issuers", {"default": ours})
    return certificate


def setup_role(
    vault: VaultClient, mount: str, role: str, domains: Sequence[str] = (DOMAIN,), **options: Any
) -> None:
    """A role that signs names at and below `domains` and adds no usage; `options` replace its parameters."""
    defaults = {
        "allowed_domains": list(domains),
        "allow_subdomains": True,
        "allow_bare_domains": True,
        "allow_wildcard_certificates": True,
        "allow_ip_sans": False,
        "key_type": "any",
        "max_ttl": "720h",
        "require_cn": False,
        "generate_lease": False,
        "key_usage": ["DigitalSignature", "KeyEncipherment"],
        "server_flag": False,
        "client_flag": False,
        "ext_key_usage": [],
    }
    vault.write(f"{mount}/roles/{role}", {**defaults, **options})


def setup_policy(vault: VaultClient, mount: str, role: str, name: str | None = None) -> str:
    """A policy that may sign with one role and revoke; returns its name (default ``MOUNT-ROLE``)."""
    chosen = name or f"{mount.replace('/', '-')}-{role}"
    paths = (f"{mount}/sign/{role}", f"{mount}/revoke")
    text = "".join(f'path "{path}" {{ capabilities = ["update"] }}\n' for path in paths)
    vault.call("PUT", f"sys/policies/acl/{chosen}", {"policy": text})
    return chosen


def setup_token(vault: VaultClient, policy: str, *, ttl: str = "1h", **options: Any) -> str:
    """A renewable orphan token with one policy."""
    body = {"policies": [policy], "ttl": ttl, "no_parent": True, **options}
    return str(vault.call("POST", "auth/token/create", body)["auth"]["client_token"])


def setup_approle(
    vault: VaultClient,
    policy: str,
    *,
    name: str = "vault-issuer",
    mount: str = "approle",
    token_ttl: str = "20m",  # noqa: S107  # a time
    **options: Any,
) -> AppRoleLogin:
    """AppRole auth (enabled if it isn't) with one role and a fresh SecretID."""
    _enable_auth(vault, mount, "approle")
    body = {"token_policies": [policy], "token_ttl": token_ttl, "token_max_ttl": "24h", **options}
    vault.write(f"auth/{mount}/role/{name}", body)
    role_id = vault.read(f"auth/{mount}/role/{name}/role-id")["role_id"]
    secret_id = vault.write(f"auth/{mount}/role/{name}/secret-id", {})["secret_id"]
    return AppRoleLogin(mount, name, str(role_id), str(secret_id))


def setup_certificate_auth(
    vault: VaultClient,
    policy: str,
    certificate_pem: str,
    *,
    name: str = "vault-issuer",
    mount: str = "cert",
    token_ttl: str = "20m",  # noqa: S107  # a time
    **options: Any,
) -> str:
    """TLS certificate auth (enabled if it isn't) with one role that trusts a certificate, or a CA's leaves.

    Returns what goes into ``spec.vault.auth.clientCertificate.mountPath``.
    """
    _enable_auth(vault, mount, "cert")
    body = {"certificate": certificate_pem, "token_policies": [policy], "token_ttl": token_ttl, **options}
    vault.write(f"auth/{mount}/certs/{name}", body)
    return f"/v1/auth/{mount}"


def setup_kubernetes_auth(bed: Testbed, *, mount: str = "kubernetes") -> str:
    """Kubernetes auth that reviews tokens at the testbed's API server; returns the mount."""
    review_tokens_at(bed.vault, bed.kube, bed.server, bed.ca_file.read_text(), mount=mount)
    return mount


def review_tokens_at(
    vault: VaultClient, kube: Kube, server: str, ca_pem: str, *, mount: str = "kubernetes"
) -> None:
    """Kubernetes auth (enabled if it isn't) that reviews tokens at an API server, by a token made there."""
    _enable_auth(vault, mount, "kubernetes")
    config = {
        "kubernetes_host": server,
        "kubernetes_ca_cert": ca_pem,
        "token_reviewer_jwt": reviewer_token(kube),
    }
    vault.write(f"auth/{mount}/config", config)


def reviewer_token(kube: Kube) -> str:
    """Return a token that may review others', of a ServiceAccount made for it."""
    namespace, name = REVIEWER
    account = {"name": name, "namespace": namespace}
    kube.apply([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}])
    kube.apply(_delegator(namespace, name))
    return kube.service_account_token(namespace, name)


def setup_kubernetes_role(
    vault: VaultClient,
    policy: str,
    *,
    audience: str | None,
    role: str = "vault-issuer",
    namespace: str = SYSTEM_NAMESPACE,
    service_account: str = "vault-login",
    mount: str = "kubernetes",
    token_ttl: str = "20m",  # noqa: S107  # a time
    **options: Any,
) -> KubernetesLogin:
    """A role bound to one ServiceAccount and audience.

    cert-manager's audiences are ``vault://ISSUER`` for a cluster issuer and ``vault://NAMESPACE/ISSUER`` for
    a namespaced one.
    """
    body = {
        "bound_service_account_names": [service_account],
        "bound_service_account_namespaces": [namespace],
        "token_policies": [policy],
        "token_ttl": token_ttl,
        **({"audience": audience} if audience else {}),
        **options,
    }
    vault.write(f"auth/{mount}/role/{role}", body)
    return KubernetesLogin(mount, role, namespace, service_account, audience)


def _enable_auth(vault: VaultClient, mount: str, kind: str) -> None:
    if f"{mount}/" not in vault.read("sys/auth"):
        vault.call("POST", f"sys/auth/{mount}", {"type": kind})


def _delegator(namespace: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"{name}:auth-delegator"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:auth-delegator",
        },
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
