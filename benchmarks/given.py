"""What the systems are given: one policy, one path of one Vault, logins and issuers of their own."""

from __future__ import annotations

from typing import Any

from testbed import certmanager
from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.kube import Object
from testbed.samples import GROUP, policy, secret, vault_cluster_issuer, vault_spec
from testbed.vaultpki import DOMAIN, setup_approle, setup_token

SIGN_PATH = "pki_int/sign/lab"
VAULT_POLICY = "pki_int-lab"
CONSTRAINTS = {"maxDuration": "720h"}


def allowed(domain: str = DOMAIN) -> dict[str, Any]:
    """What the policy of all systems that have one says, in the spec that ours and approver-policy share."""
    return {
        "commonName": {"value": f"*.{domain}"},
        "dnsNames": {
            "values": [domain, f"*.{domain}"],
            "validations": [
                {
                    "rule": "self.size() < 200 && !self.startsWith('admin.')",
                    "message": "not an admin's",
                },
                {"rule": "cr.namespace != 'kube-system'", "message": "not for kube-system"},
            ],
        },
        "usages": ["digital signature", "key encipherment", "server auth", "client auth"],
    }


def bench_policy(name: str = "bench", issuer: str = "*", domain: str = DOMAIN) -> Object:
    """The policy in our group, for every issuer of ours, or for those with one name; for one domain."""
    selector = {"issuerRef": {"group": GROUP, "name": issuer}}
    return policy(name, allowed(domain), constraints=CONSTRAINTS, selector=selector)


def our_issuer(bed: Testbed, name: str) -> list[Object]:
    """A VaultClusterIssuer that logs in with an AppRole of its own, and its Secret."""
    login = setup_approle(bed.vault, VAULT_POLICY, name=f"ours-{name}")
    auth = approle_auth(login.role_id, login.name)
    login_secret = secret(login.name, SYSTEM_NAMESPACE, secretId=login.secret_id)
    return [login_secret, vault_cluster_issuer(bed, name, auth)]


def our_issuer_like(bed: Testbed, first: str, name: str, **spec: Any) -> Object:
    """Another issuer with the login of one that `our_issuer` made; `spec` beside `spec.vault`."""
    role_id = bed.vault.read(f"auth/approle/role/ours-{first}/role-id")["role_id"]
    made = vault_cluster_issuer(bed, name, approle_auth(str(role_id), f"ours-{first}"))
    made["spec"] |= spec
    return made


def cert_manager_issuer(bed: Testbed, name: str, login: str) -> list[Object]:
    """A ClusterIssuer of cert-manager's own with a login, `approle` or `token`, and its Secret."""
    if login == "approle":
        role = setup_approle(bed.vault, VAULT_POLICY, name=f"peer-{name}")
        auth = approle_auth(role.role_id, f"peer-{name}")
        data = {"secretId": role.secret_id}
    else:
        auth = {"tokenSecretRef": {"name": f"peer-{name}", "key": "token"}}
        data = {"token": setup_token(bed.vault, VAULT_POLICY, ttl="12h")}
    issuer = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": name},
        "spec": {"vault": vault_spec(bed, auth)},
    }
    return [secret(f"peer-{name}", certmanager.NAMESPACE, **data), issuer]


def approle_auth(role_id: str, secret: str) -> dict[str, Any]:
    """`spec.vault.auth` for an AppRole whose SecretID is in a Secret."""
    return {
        "appRole": {
            "path": "approle",
            "roleId": role_id,
            "secretRef": {"name": secret, "key": "secretId"},
        }
    }


def bare_loop_rights(account: str) -> list[Object]:
    """What the bare loop may do: read requests, answer them, approve for our signers."""
    group, name = "rbac.authorization.k8s.io", account
    rules = [
        {
            "apiGroups": ["cert-manager.io"],
            "resources": ["certificaterequests"],
            "verbs": ["get", "list", "watch"],
        },
        {
            "apiGroups": ["cert-manager.io"],
            "resources": ["certificaterequests/status"],
            "verbs": ["update"],
        },
        {
            "apiGroups": ["cert-manager.io"],
            "resources": ["signers"],
            "verbs": ["approve"],
            "resourceNames": ["vaultclusterissuers.vault-issuer.io/*"],
        },
    ]
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": rules,
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": SYSTEM_NAMESPACE}],
        },
    ]
