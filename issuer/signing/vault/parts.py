"""Parts of an issuer with `spec.vault`, in the order in which its check meets them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from issuer.api.issuers import VaultIssuerSpec
from issuer.api.vault import VaultSpec
from issuer.signing.backend import IssuerPart
from issuer.signing.reasons import SigningIssuerReason
from issuer.signing.vault.failures.cures import (
    capability_cures,
    credential_cures,
    login_cures,
    path_cures,
    role_cures,
    server_cures,
)
from issuer.signing.vault.needs import needs_of
from issuer.signing.vault.reasons import VaultIssuerReason, VaultOutage, VaultRetry
from issuer.vault.paths import Mode, PathError, SignPath, auth_mount

_CREDENTIALS: Final = frozenset(
    {
        SigningIssuerReason.AMBIENT_CREDENTIALS_NOT_ALLOWED,
        SigningIssuerReason.AUDIENCE_REFUSED,
        SigningIssuerReason.INVALID_TRUSTED_CA,
        SigningIssuerReason.SECRET_FORBIDDEN,
        SigningIssuerReason.SECRET_KEY_NOT_FOUND,
        SigningIssuerReason.SECRET_NOT_FOUND,
        SigningIssuerReason.SECRET_TYPE_NOT_ALLOWED,
        SigningIssuerReason.SERVICE_ACCOUNT_NOT_FOUND,
        SigningIssuerReason.TOKEN_REQUEST_FORBIDDEN,
        VaultIssuerReason.INVALID_CLIENT_CERTIFICATE,
        VaultOutage.STS_UNAVAILABLE,
    }
)
_SERVER: Final = frozenset(
    {
        SigningIssuerReason.INVALID_CONNECTION,
        SigningIssuerReason.SERVER_NOT_ALLOWED,
        VaultIssuerReason.CLIENT_CERTIFICATE_REFUSED,
        SigningIssuerReason.TLS_VERIFICATION_FAILED,
        SigningIssuerReason.UNEXPECTED_ANSWER,
        VaultOutage.VAULT_SEALED,
        VaultOutage.VAULT_UNREACHABLE,
        VaultRetry.VAULT_RATE_LIMITED,
        VaultRetry.VAULT_UNAVAILABLE,
    }
)
_PATH: Final = frozenset(
    {VaultIssuerReason.CA_NOT_READY, VaultIssuerReason.INVALID_PATH, VaultIssuerReason.PATH_NOT_FOUND}
)
_ROLE: Final = frozenset(
    {
        VaultIssuerReason.ISSUER_NOT_FOUND,
        VaultIssuerReason.ROLE_NOT_FOUND,
        VaultIssuerReason.ROLE_SETS_NOT_AFTER,
    }
)


def issuer_parts(spec: VaultIssuerSpec, home: str = "") -> tuple[IssuerPart, ...]:
    """Return the parts of an issuer whose Secrets are in the namespace `home`, as `VaultSigner.check` meets
    them.

    It reads the CA chain, which takes no token, before it logs in, and signs an empty request to see that it
    may.
    """
    vault = spec.vault
    authority = spec.certificate_authority
    paths = [vault.path, *([] if authority is None else [authority.path])]
    signing = list(_parsed(paths))
    roles = [f'"{one.role}" at "{one.mount}"' for one in signing if one.role]
    reasons = frozenset({VaultIssuerReason.LOGIN_FAILED})
    capabilities = " and ".join(f'"update" on "{path}"' for path in paths)
    found = [
        IssuerPart("Credentials", _credentials(vault), _CREDENTIALS, cures=credential_cures(vault, home)),
        IssuerPart("Server", _server(vault), _SERVER, cures=server_cures(vault)),
        IssuerPart(
            "Path", " and ".join(f'"{path}"' for path in paths), _PATH, cures=path_cures(vault, signing)
        ),
        IssuerPart("Login", _login(vault), reasons, credentials_sent=True, cures=login_cures(vault)),
        IssuerPart(
            "Role",
            " and ".join(roles) or "none: what is asked for is signed",
            _ROLE,
            credentials_sent=True,
            cures=role_cures(vault, signing),
        ),
        IssuerPart(
            "Capability",
            capabilities,
            frozenset({VaultIssuerReason.PERMISSION_DENIED}),
            credentials_sent=True,
            cures=capability_cures(vault, signing),
        ),
    ]
    return tuple(found)


def _credentials(vault: VaultSpec) -> str:
    needs = needs_of(vault)
    found = [f'Secret "{name}" ({", ".join(keys)})' for name, keys in needs.secrets.items()]
    if needs.account is not None:
        found.append(f'ServiceAccount "{needs.account.name}"')
    return " and ".join(found) or "none in the cluster"


def _server(vault: VaultSpec) -> str:
    return f'{vault.server}, namespace "{vault.namespace}"' if vault.namespace else vault.server


def _login(vault: VaultSpec) -> str:
    """Return method, mount and role of the login that counts; no role ID, which some keep secret."""
    auth = vault.auth
    method = auth.chosen()[0]
    if method == "appRole" and auth.app_role:
        return f'appRole at "{_mount(auth.app_role.mount)}"'
    if method == "kubernetes" and auth.kubernetes:
        return f'kubernetes at "{_mount(auth.kubernetes.mount)}", role "{auth.kubernetes.role}"'
    if method == "aws" and auth.aws:
        return f'aws at "{_mount(auth.aws.mount)}", role "{auth.aws.role}"'
    if method == "clientCertificate" and auth.client_certificate:
        name = auth.client_certificate.name
        return f'clientCertificate at "{_mount(auth.client_certificate.mount)}"' + (
            f', role "{name}"' if name else ""
        )
    return method


def _mount(mount: str) -> str:
    """Return an auth mount as `vault auth list` names it, as it is written where it can be none."""
    try:
        return f"auth/{auth_mount(mount)}"
    except PathError:
        return mount


def _parsed(paths: Iterable[str]) -> Iterator[SignPath]:
    for path in paths:
        with suppress(PathError):
            yield SignPath.parse_authority(path) if path.endswith(Mode.INTERMEDIATE) else SignPath.parse(path)
