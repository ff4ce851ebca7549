"""Commands that mend a part of an issuer with `spec.vault`, or show what is wrong with it. Pure.

They are shown to be pasted: names of the spec are quoted for a shell.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence

from issuer.api.vault import VaultSpec
from issuer.signing.commands import look_at_tls
from issuer.signing.reasons import SigningIssuerReason
from issuer.signing.vault.needs import needs_of
from issuer.signing.vault.reasons import VaultIssuerReason, VaultOutage
from issuer.vault.paths import SignPath

_ROLE_EXAMPLE = "allowed_domains=example.com allow_subdomains=true max_ttl=2160h"


def credential_cures(vault: VaultSpec, home: str) -> Mapping[str, str]:
    """Return how a missing Secret or ServiceAccount is made; values are placeholders in angle brackets."""
    needs = needs_of(vault)
    where = f" -n {shlex.quote(home)}" if home else ""
    secrets = [
        f"kubectl create secret generic {shlex.quote(name)}{where} "
        + " ".join(f"--from-file={shlex.quote(key)}=<file>" for key in keys)
        for name, keys in needs.secrets.items()
    ]
    found: dict[str, str] = {}
    if secrets:
        found[SigningIssuerReason.SECRET_NOT_FOUND] = "\n".join(secrets)
        found[SigningIssuerReason.SECRET_KEY_NOT_FOUND] = "\n".join(
            f"kubectl describe secret {shlex.quote(name)}{where}" for name in needs.secrets
        )
    if needs.account is not None:
        made = f"kubectl create serviceaccount {shlex.quote(needs.account.name)}{where}"
        found[SigningIssuerReason.SERVICE_ACCOUNT_NOT_FOUND] = made
    return found


def server_cures(vault: VaultSpec) -> Mapping[str, str]:
    """Return how to unseal, and how to see what answers."""
    server = shlex.quote(vault.server)
    health = f"curl -v {shlex.quote(vault.server.rstrip('/') + '/v1/sys/health')}"
    return {
        VaultOutage.VAULT_SEALED: f"VAULT_ADDR={server} vault operator unseal",
        VaultOutage.VAULT_UNREACHABLE: health,
        SigningIssuerReason.TLS_VERIFICATION_FAILED: look_at_tls(vault.server, vault.server_name or ""),
        SigningIssuerReason.UNEXPECTED_ANSWER: health,
    }


def path_cures(vault: VaultSpec, paths: Sequence[SignPath]) -> Mapping[str, str]:
    """Return how a PKI engine is mounted, and how its issuers are listed."""
    mounts = dict.fromkeys(one.mount for one in paths)
    start = _prefix(vault)
    if not mounts:
        return {}
    return {
        VaultIssuerReason.PATH_NOT_FOUND: "\n".join(
            f"{start}vault secrets enable -path={shlex.quote(mount)} pki" for mount in mounts
        ),
        VaultIssuerReason.CA_NOT_READY: "\n".join(
            f"{start}vault list {shlex.quote(f'{mount}/issuers')}" for mount in mounts
        ),
    }


def login_cures(vault: VaultSpec) -> Mapping[str, str]:
    """Return how the role that the login names is read in Vault; by a token, how the token is."""
    auth, method = vault.auth, vault.auth.chosen()[0]
    path = ""
    if method == "kubernetes" and auth.kubernetes:
        path = f"auth/{_mount(auth.kubernetes.mount)}/role/{auth.kubernetes.role}"
    elif method == "aws" and auth.aws:
        path = f"auth/{_mount(auth.aws.mount)}/role/{auth.aws.role}"
    elif method == "clientCertificate" and auth.client_certificate and auth.client_certificate.name:
        path = f"auth/{_mount(auth.client_certificate.mount)}/certs/{auth.client_certificate.name}"
    elif method == "appRole" and auth.app_role:
        return {
            VaultIssuerReason.LOGIN_FAILED: (
                f"{_prefix(vault)}vault list {shlex.quote(f'auth/{_mount(auth.app_role.mount)}/role')}"
            )
        }
    if not path:
        return {}
    return {VaultIssuerReason.LOGIN_FAILED: f"{_prefix(vault)}vault read {shlex.quote(path)}"}


def role_cures(vault: VaultSpec, paths: Sequence[SignPath]) -> Mapping[str, str]:
    """Return how a role is written, and how the mount's issuers are listed."""
    if not paths:
        return {}
    start = _prefix(vault)
    roles = [f"{one.mount}/roles/{one.role}" for one in paths if one.role]
    found: dict[str, str] = {
        VaultIssuerReason.ISSUER_NOT_FOUND: "\n".join(
            f"{start}vault list {shlex.quote(f'{one.mount}/issuers')}" for one in paths
        )
    }
    if roles:
        found[VaultIssuerReason.ROLE_NOT_FOUND] = "\n".join(
            f"{start}vault write {shlex.quote(role)} {_ROLE_EXAMPLE}" for role in roles
        )
        found[VaultIssuerReason.ROLE_SETS_NOT_AFTER] = "\n".join(
            f"{start}vault patch {shlex.quote(role)} not_after=''" for role in roles
        )
    return found


def capability_cures(vault: VaultSpec, paths: Iterable[SignPath]) -> Mapping[str, str]:
    """Return the rules that let the login sign, and how it is read which policies the login has.

    The rules are comments: `vault policy write` replaces a policy, and which one is the operator's to say.
    """
    policies = login_cures(vault).get(VaultIssuerReason.LOGIN_FAILED)
    rules = (f'#   path "{path}" {{ capabilities = ["update"] }}' for path in paths)
    lines = [policies] if policies else []
    lines += ["# Add to one of the login's policies, which `vault policy write` replaces as a whole:", *rules]
    return {VaultIssuerReason.PERMISSION_DENIED: "\n".join(lines)}


def _prefix(vault: VaultSpec) -> str:
    return f"VAULT_NAMESPACE={shlex.quote(vault.namespace)} " if vault.namespace else ""


def _mount(mount: str) -> str:
    """Return a mount without the `/v1/auth/` or `auth/` that it may be written with."""
    return mount.strip("/").removeprefix("v1/").removeprefix("auth/")
