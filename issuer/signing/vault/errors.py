"""What each of Vault's errors means for a request and its issuer, and what to tell people about it."""

from __future__ import annotations

from issuer.signing.outcomes import EndsWithCA, Failed, IssuerBroken, Retry
from issuer.vault import errors
from issuer.vault.connection import Connection
from issuer.vault.paths import SignPath

Outcome = Retry | Failed | IssuerBroken


def outcome(error: errors.VaultError, path: SignPath, connection: Connection) -> Outcome:
    """The outcome for `error` of a call on `path`.

    Transient ones are Retry; only Vault's refusal of this CSR is Failed; the rest is the issuer's.
    """
    return (
        _transient(error, connection)
        or _refused_request(error, path)
        or _broken_login(error, connection)
        or _broken_path(error, path, connection)
    )


def _transient(error: errors.VaultError, connection: Connection) -> Retry | None:
    server = connection.server
    match error:
        case errors.Sealed():
            return Retry("VaultSealed", f"Vault at {server} is sealed. Unseal it; requests wait until then.")
        case errors.Unreachable():
            return Retry(
                "VaultUnreachable",
                f"{error} (server {server}). Check that it runs, its address, DNS, proxy and "
                "network policies.",
            )
        case errors.STSUnavailable():
            return Retry("STSUnavailable", f"{error}. The login to Vault needs it; requests wait.")
        case errors.RateLimited():
            return Retry("VaultRateLimited", f"Vault's rate limit is used up. {error}.", error.retry_after)
        case errors.ServerError():
            return Retry("VaultUnavailable", f"Vault at {server} has a problem of its own. {error}.")
    return None


def _refused_request(error: errors.VaultError, path: SignPath) -> Failed | None:
    match error:
        case errors.CAExpiresTooSoon():
            return EndsWithCA(
                "CAExpiresTooSoon",
                f'The CA behind "{path}" ends before the asked certificate would. Ask for a shorter '
                f"duration, or rotate the CA. {error}.",
                error.ca_ends,
            )
        case errors.VaultBadRequest():
            return Failed(
                "RefusedByVault",
                f'Vault\'s PKI path "{path}" refuses this certificate request. {error}. Ask for '
                "what the role allows, or change the role.",
            )
    return None


def _broken_login(error: errors.VaultError, connection: Connection) -> IssuerBroken | None:
    match error:
        case errors.LoginRefused():
            return IssuerBroken("LoginFailed", f"{error}.")
        case errors.ServerNotAllowed():
            return IssuerBroken("ServerNotAllowed", f"{error}.")
        case errors.UntrustedTLS():
            return IssuerBroken(
                "TLSVerificationFailed",
                f"{error}. Put the CA that signed the certificate of {connection.server} into caBundle or "
                "caBundleSecretRef, and see that its names hold the host, or set serverName.",
            )
        case errors.ClientCertificateRefused():
            return IssuerBroken("ClientCertificateRefused", _client_certificate_refused(error, connection))
        case errors.InvalidConnection():
            return IssuerBroken("InvalidConnection", f"{error}.")
    return None


def _client_certificate_refused(error: errors.VaultError, connection: Connection) -> str:
    if connection.client_certificate is None:
        return (
            f"{error}. The listener at {connection.server} asks every client for a certificate: set "
            "clientCertSecretRef and clientKeySecretRef (auth.clientCertificate.secretName serves the login "
            "alone)."
        )
    return (
        f"{error}. The listener at {connection.server} does not take the client certificate it was shown: it "
        "must be in date, meant for client authentication, and signed by a CA of the listener's "
        "tls_client_ca_file."
    )


def _broken_path(error: errors.VaultError, path: SignPath, connection: Connection) -> IssuerBroken:
    place = f' in namespace "{connection.namespace}"' if connection.namespace else ""
    match error:
        case errors.VaultForbidden():
            return IssuerBroken(
                "PermissionDenied",
                f'Vault does not permit "{path}"{place}: give the login\'s policy the capability "update" '
                f"on that path, and check that {path.field} is right. {error}.",
            )
        case errors.RoleNotFound():
            return IssuerBroken(
                "RoleNotFound",
                f'There is no role "{path.role}" at "{path.mount}"{place}. Write it, or correct '
                f"{path.field}. {error}.",
            )
        case errors.IssuerNotFound():
            return IssuerBroken("IssuerNotFound", _issuer_not_found(path, place, error))
        case errors.VaultNotFound():
            return IssuerBroken(
                "PathNotFound",
                f'Vault has nothing that signs at "{path}"{place}: check that a PKI engine is mounted at '
                f'"{path.mount}", the namespace, and {path.field}. {error}.',
            )
        case errors.CANotReady():
            return IssuerBroken(
                "CANotReady",
                f'The PKI engine at "{path.mount}"{place} has no CA that can sign: set a default issuer '
                f'with its key and the usage "issuing-certificates". {error}.',
            )
    return IssuerBroken("UnexpectedAnswer", f"{error} (server {connection.server}).")


def _issuer_not_found(path: SignPath, place: str, error: errors.VaultError) -> str:
    if path.issuer_ref:
        return (
            f'There is no issuer "{path.issuer_ref}" at "{path.mount}"{place}. Import it, or correct '
            f"{path.field}. {error}."
        )
    who = f'The role "{path.role}" at' if path.role else "The default of"
    return f'{who} "{path.mount}"{place} names an issuer that isn\'t there. {error}.'
