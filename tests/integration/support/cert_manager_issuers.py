"""What people have before they move: cert-manager's issuers with every login, and approver-policy's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from testbed.certmanager import NAMESPACE as CERT_MANAGER_NAMESPACE
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.delivered import Delivered
from testbed.kube import Object
from testbed.vaultpki import (
    DOMAIN,
    PkiLayout,
    setup_approle,
    setup_kubernetes_role,
    setup_role,
    setup_token,
)
from tests.integration.support.common import CERT_MANAGER, secret

ACCOUNT = "vault-login"
GROUP_OF = "cert-manager.io/issuer-group"


@dataclass(frozen=True)
class Old:
    """An Issuer or ClusterIssuer of cert-manager, named as the test's namespace."""

    bed: Testbed
    kind: str
    namespace: str

    @property
    def home(self) -> str:
        """Where cert-manager looks for its Secrets and ServiceAccounts."""
        return CERT_MANAGER_NAMESPACE if self.kind == "ClusterIssuer" else self.namespace

    @property
    def new_kind(self) -> str:
        """Its kind with us."""
        return f"Vault{self.kind}"

    @property
    def where(self) -> str | None:
        """The namespace to look for it in."""
        return None if self.kind == "ClusterIssuer" else self.namespace

    @property
    def audience(self) -> str:
        """cert-manager's own audience for it."""
        name = self.namespace
        return f"vault://{name}" if self.kind == "ClusterIssuer" else f"vault://{name}/{name}"

    def store(self, **data: str) -> str:
        """Write its Secret; the name."""
        name = f"{self.namespace}-login"
        self.bed.kube.apply(secret(name, self.home, **data))
        return name

    def grant_tokens(self) -> None:
        """The RBAC of cert-manager's documentation for serviceAccountRef."""
        metadata = {"name": f"{self.namespace}-tokens", "namespace": self.home}
        group = "rbac.authorization.k8s.io"
        rule = {
            "apiGroups": [""],
            "resources": ["serviceaccounts/token"],
            "resourceNames": [ACCOUNT],
            "verbs": ["create"],
        }
        subject = {"kind": "ServiceAccount", "name": "cert-manager", "namespace": CERT_MANAGER_NAMESPACE}
        reference = {"apiGroup": group, "kind": "Role", "name": metadata["name"]}
        account = {"name": ACCOUNT, "namespace": self.home}
        self.bed.kube.apply(
            [
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
                {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
                {
                    "apiVersion": f"{group}/v1",
                    "kind": "RoleBinding",
                    "metadata": metadata,
                    "roleRef": reference,
                    "subjects": [subject],
                },
            ]
        )

    def issuer(self, auth: Object) -> Object:
        """Its manifest."""
        metadata = {"name": self.namespace} | ({"namespace": self.where} if self.where else {})
        vault = {"server": self.bed.vault.addr, "path": "pki_int/sign/lab", "auth": auth}
        return {
            "apiVersion": CERT_MANAGER,
            "kind": self.kind,
            "metadata": metadata,
            "spec": {"vault": {**vault, "caBundle": self.bed.vault.ca_bundle}},
        }

    def certificate(self, name: str = "web") -> Object:
        """A Certificate from it, as most people write it: without a group, the kind only where it must be."""
        kind = {} if self.kind == "Issuer" else {"kind": self.kind}
        spec = {
            "secretName": f"{name}-tls",
            "dnsNames": [f"{name}.{DOMAIN}"],
            "privateKey": {"algorithm": "ECDSA", "size": 256},
            "issuerRef": {"name": self.namespace, **kind},
        }
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": CERT_MANAGER, "kind": "Certificate", "metadata": metadata, "spec": spec}

    def delivered(self, group: str, secret_name: str = "web-tls") -> Delivered:
        """Wait until the Secret's certificate is from an issuer of that group; what it holds."""
        found = self.bed.kube.wait(
            "v1",
            "Secret",
            secret_name,
            self.namespace,
            until=lambda one: (one["metadata"].get("annotations") or {}).get(GROUP_OF) == group,
            timeout=60,
        )
        return Delivered.from_secret(found)


def token(old: Old, layout: PkiLayout) -> Object:
    """A token in a Secret."""
    return {
        "tokenSecretRef": {"name": old.store(token=setup_token(old.bed.vault, layout.policy)), "key": "token"}
    }


def app_role(old: Old, layout: PkiLayout) -> Object:
    """AppRole."""
    login = setup_approle(old.bed.vault, layout.policy, name=old.namespace)
    reference = {"name": old.store(secretId=login.secret_id), "key": "secretId"}
    return {"appRole": {"path": "approle", "roleId": login.role_id, "secretRef": reference}}


def bind(old: Old, layout: PkiLayout, audience: str) -> None:
    """A role of Vault for the ServiceAccount, where it is and (as the plan will ask) where it will be."""
    home = old.home if old.where else f"{old.home},{SYSTEM_NAMESPACE}"
    setup_kubernetes_role(
        old.bed.vault,
        layout.policy,
        audience=audience,
        role=old.namespace,
        bound_service_account_namespaces=home.split(","),
    )


def kubernetes_account(old: Old, layout: PkiLayout) -> Object:
    """Kubernetes auth with a ServiceAccount and cert-manager's audience."""
    old.grant_tokens()
    bind(old, layout, old.audience)
    return {
        "kubernetes": {
            "role": old.namespace,
            "mountPath": "/v1/auth/kubernetes",
            "serviceAccountRef": {"name": ACCOUNT},
        }
    }


def kubernetes_secret(old: Old, layout: PkiLayout) -> Object:
    """Kubernetes auth with a token kept in a Secret."""
    bind(old, layout, "vault")
    name = old.store(token=old.bed.service_account_token(old.home, ACCOUNT, ["vault"]))
    return {
        "kubernetes": {
            "role": old.namespace,
            "mountPath": "/v1/auth/kubernetes",
            "secretRef": {"name": name, "key": "token"},
        }
    }


def client_certificate(old: Old, layout: PkiLayout) -> Object:
    """A TLS client certificate in a Secret, under a CA of Vault's own making."""
    vault = old.bed.vault
    setup_role(vault, layout.mount, "clients", ["client.test"], client_flag=True)
    pair = vault.write(
        f"{layout.mount}/issue/clients", {"common_name": "login.client.test", "key_type": "ec"}
    )
    if "cert/" not in vault.read("sys/auth"):
        vault.call("POST", "sys/auth/cert", {"type": "cert"})
    role = {"certificate": pair["certificate"], "token_policies": [layout.policy]}
    vault.write(f"auth/cert/certs/{old.namespace}", role)
    name = old.store(**{"tls.crt": pair["certificate"], "tls.key": pair["private_key"]})
    return {"clientCertificate": {"mountPath": "/v1/auth/cert", "secretName": name, "name": old.namespace}}


METHODS: dict[str, Callable[[Old, PkiLayout], Object]] = {
    "token": token,
    "appRole": app_role,
    "serviceAccountRef": kubernetes_account,
    "secretRef": kubernetes_secret,
    "clientCertificate": client_certificate,
}


def peer_policy(namespace: str) -> Object:
    """A policy of approver-policy for the test's issuer."""
    reference = {"group": "cert-manager.io", "kind": "Iss*", "name": namespace}
    allowed = {"dnsNames": {"values": [f"*.{DOMAIN}"]}, "usages": ["digital signature", "key encipherment"]}
    return {
        "apiVersion": "policy.cert-manager.io/v1alpha1",
        "kind": "CertificateRequestPolicy",
        "metadata": {"name": f"moved-{namespace}"},
        "spec": {"selector": {"issuerRef": reference}, "allowed": allowed},
    }


def use(namespace: str) -> list[Object]:
    """What lets cert-manager use it, in approver-policy's group."""
    group = "rbac.authorization.k8s.io"
    metadata = {"name": f"moved-{namespace}", "namespace": namespace}
    rule = {
        "apiGroups": ["policy.cert-manager.io"],
        "resources": ["certificaterequestpolicies"],
        "resourceNames": [metadata["name"]],
        "verbs": ["use"],
    }
    subject = {"kind": "ServiceAccount", "name": "cert-manager", "namespace": CERT_MANAGER_NAMESPACE}
    return [
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": metadata["name"]},
            "subjects": [subject],
        },
    ]


def peer_crd() -> Object:
    """approver-policy's CRD, as ours has its spec field for field: only the group is another."""
    text = (
        REPOSITORY / "charts/vault-issuer/crds/vault-issuer.io_certificaterequestpolicies.yaml"
    ).read_text()
    crd: dict[str, Any] = yaml.safe_load(text)
    crd["metadata"]["name"] = "certificaterequestpolicies.policy.cert-manager.io"
    crd["spec"]["group"] = "policy.cert-manager.io"
    del crd["spec"]["names"]["shortNames"]
    return crd
