"""Translation of Vault's errors into outcomes: for whom each counts, and what people can do about it."""

from __future__ import annotations

from issuer.signing.outcomes import (
    AnswerFault,
    BadAnswer,
    CAEndsTooSoon,
    Failed,
    IssuerBroken,
    IssuerUnavailable,
    RateLimited,
    Retry,
    ServerFault,
)
from issuer.signing.reasons import SigningIssuerReason
from issuer.signing.vault.failures.role_fields import role_fields
from issuer.signing.vault.reasons import VaultFailure, VaultIssuerReason, VaultOutage, VaultRetry
from issuer.vault import errors
from issuer.vault.connection import Connection
from issuer.vault.paths import SignPath

Outcome = Retry | Failed | IssuerUnavailable | IssuerBroken


def outcome(error: errors.VaultError, path: SignPath, connection: Connection) -> Outcome:
    """Return the outcome for `error` of a call on `path`.

    Transient ones are Retry or IssuerUnavailable; only Vault's refusal of this CSR is Failed; the rest is the
    issuer's.
    """
    return (
        _transient(error, connection)
        or _refused_request(error, path)
        or _broken_login(error, connection)
        or _broken_path(error, path, connection)
    )


def may_have_signed(error: errors.VaultError, connection: Connection) -> BadAnswer | Retry | None:
    """Return the outcome of a signing call that Vault may have carried out though it did not say so; None for
    any other error.

    A proxy says 502 also where it reached no Vault, as in any outage, so that is no more than a reason to try
    again; 504 means that it waited for Vault's answer (RFC 9110, sections 15.6.3 and 15.6.5).
    """
    place = f"(server {connection.server})"
    match error:
        case errors.Unreachable(sent=True) | errors.GatewayError(status=504):
            return BadAnswer(
                AnswerFault.LOST,
                f"{error} {place}, so nobody knows if a certificate was signed. See whether Vault is slow or "
                "ended, and what proxies and load balancers before it do",
            )
        case errors.GatewayError() if error.status != 503:
            return ServerFault(
                VaultRetry.VAULT_UNAVAILABLE,
                f"What stands before Vault at {connection.server} has a problem. {error}.",
                may_have_signed=True,
                remedy="See what it does with this request, such as a bound on its size or time.",
            )
        case errors.UnexpectedAnswer() if error.status is None or error.status < 300:
            return BadAnswer(
                AnswerFault.UNREADABLE,
                f"{error} {place}, so nobody knows if a certificate was signed. Look at what stands before "
                "Vault: a proxy or load balancer that answers itself, or changes or cuts answers",
            )
    return None


def _transient(error: errors.VaultError, connection: Connection) -> Retry | IssuerUnavailable | None:
    server = connection.server
    match error:
        case errors.Sealed():
            return IssuerUnavailable(
                VaultOutage.VAULT_SEALED, f"Vault at {server} is sealed. Unseal it; requests wait until then."
            )
        case errors.Unreachable():
            return IssuerUnavailable(
                VaultOutage.VAULT_UNREACHABLE,
                f"{error} (server {server}). Check that it runs, its address, DNS, proxy and "
                "network policies.",
            )
        case errors.STSUnavailable():
            return IssuerUnavailable(
                VaultOutage.STS_UNAVAILABLE, f"{error}. The login to Vault needs it; requests wait."
            )
        case errors.VaultRateLimited():
            return RateLimited(
                VaultRetry.VAULT_RATE_LIMITED, f"Vault's rate limit is used up. {error}.", error.retry_after
            )
        case errors.ServerError():
            return ServerFault(
                VaultRetry.VAULT_UNAVAILABLE,
                f"Vault at {server} has a problem of its own. {error}.",
                remedy=_remedy(error),
            )
    return None


def _remedy(error: errors.ServerError) -> str:
    """Return what to change if Vault gives this answer to a request each time."""
    if isinstance(error, errors.BranchedChain):
        return (
            "Vault signs a CA only below one whose chain is a single line: set manual_chain of the signing "
            "issuer in Vault to one way up (vault patch MOUNT/issuer/REF manual_chain=self,REF), or name "
            "another issuer in spec.certificateAuthority.path."
        )
    return (
        "Look into Vault's log at the time of a try. Then ask for something else, or change the role or the "
        "CA that signs."
    )


def _refused_request(error: errors.VaultError, path: SignPath) -> Failed | None:
    match error:
        case errors.CAExpiresTooSoon():
            return CAEndsTooSoon(
                f'The CA behind "{path}" expires before the requested certificate would. Ask for a shorter '
                f"duration, or rotate the CA. {error}.",
                error.ca_ends,
            )
        case errors.VaultBadRequest():
            fields = role_fields(error.messages)
            change = f"the role's {fields}" if fields else "the role"
            return Failed(
                VaultFailure.REFUSED_BY_VAULT,
                f'Vault\'s PKI path "{path}" refuses this certificate request. {error}. Ask for '
                f"what the role allows, or change {change}.",
            )
    return None


def _broken_login(error: errors.VaultError, connection: Connection) -> IssuerBroken | None:
    match error:
        case errors.LoginRefused():
            return IssuerBroken(VaultIssuerReason.LOGIN_FAILED, f"{error}.")
        case errors.ServerNotAllowed():
            return IssuerBroken(SigningIssuerReason.SERVER_NOT_ALLOWED, f"{error}.")
        case errors.UntrustedTLS():
            return IssuerBroken(
                SigningIssuerReason.TLS_VERIFICATION_FAILED,
                f"{error}. {_tls_remedy(error, connection)}.",
            )
        case errors.ClientCertificateRefused():
            return IssuerBroken(
                VaultIssuerReason.CLIENT_CERTIFICATE_REFUSED, _client_certificate_refused(error, connection)
            )
        case errors.InvalidConnection():
            return IssuerBroken(SigningIssuerReason.INVALID_CONNECTION, f"{error}.")
    return None


def _tls_remedy(error: errors.UntrustedTLS, connection: Connection) -> str:
    return error.remedy("caBundle or caBundleSecretRef") or (
        f"Put the CA that signed the certificate of {connection.server} into caBundle or caBundleSecretRef, "
        "and see that its names hold the host, or set serverName"
    )


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
                VaultIssuerReason.PERMISSION_DENIED,
                f'Vault does not permit "{path}"{place}: give the login\'s policy the capability "update" '
                f"on that path, and check that {path.field} is right. {error}.",
            )
        case errors.RoleNotFound():
            return IssuerBroken(
                VaultIssuerReason.ROLE_NOT_FOUND,
                f'There is no role "{path.role}" at "{path.mount}"{place}. Write it, or correct '
                f"{path.field}. {error}.",
            )
        case errors.IssuerNotFound():
            return IssuerBroken(VaultIssuerReason.ISSUER_NOT_FOUND, _issuer_not_found(path, place, error))
        case errors.VaultNotFound(status=403):
            return IssuerBroken(
                VaultIssuerReason.PATH_NOT_FOUND,
                f"{error}{place}: it answers so where nothing is mounted. Mount a PKI engine there "
                f'("vault secrets enable -path={path.mount} pki"), or correct {path.field} or '
                f"spec.vault.namespace.{_sealed(connection)}{_cel(path)}",
            )
        case errors.VaultNotFound():
            return IssuerBroken(
                VaultIssuerReason.PATH_NOT_FOUND,
                f'Vault has nothing that signs at "{path}"{place}: check that a PKI engine is mounted at '
                f'"{path.mount}", the namespace, and {path.field}.{_sealed(connection)}{_cel(path)} {error}.',
            )
        case errors.DefaultNotReady():
            return IssuerBroken(
                VaultIssuerReason.CA_NOT_READY,
                f'The PKI engine at "{path.mount}"{place} has no default issuer that can sign. '
                f"{assumed_issuer(path)} Otherwise set a default issuer with its key and the usage "
                f'"issuing-certificates". {error}.',
            )
        case errors.RoleSetsNotAfter():
            return IssuerBroken(
                VaultIssuerReason.ROLE_SETS_NOT_AFTER,
                f'The role "{path.role}" at "{path.mount}"{place} sets not_after, so Vault refuses every '
                "request that asks for a duration, as each of this issuer's does. Take it out "
                f"(\"vault patch {path.mount}/roles/{path.role} not_after=''\"), and bound lives by the "
                f"role's max_ttl. {error}.",
            )
        case errors.CANotReady():
            return IssuerBroken(
                VaultIssuerReason.CA_NOT_READY,
                f'The PKI engine at "{path.mount}"{place} has no CA that can sign: set a default issuer '
                f'with its key and the usage "issuing-certificates". {error}.',
            )
    return IssuerBroken(SigningIssuerReason.UNEXPECTED_ANSWER, f"{error} (server {connection.server}).")


def _sealed(connection: Connection) -> str:
    """Return a sentence where what is asked is in a namespace, which OpenBao seals apart from the others."""
    return " A namespace of OpenBao that is sealed answers so, too." if connection.namespace else ""


def _cel(path: SignPath) -> str:
    """Return a sentence where the path looks like that of one of OpenBao's CEL roles, which nothing calls."""
    if not path.mount.endswith("/cel"):
        return ""
    return " If a CEL role of OpenBao's is meant: none can be used, so name a role (MOUNT/sign/ROLE)."


def assumed_issuer(path: SignPath) -> str:
    """Return what to do where a role that can't be read may name another issuer than the default."""
    return (
        f'If the role "{path.role}" names another one (issuer_ref), either let the login read the role '
        f'(its policy needs the capability "read" on "{path.mount}/roles/{path.role}"), or name the issuer '
        f"in {path.field}: "
        f'"{path.mount}/issuer/<name>/{path.mode}/{path.role}".'
    )


def _issuer_not_found(path: SignPath, place: str, error: errors.VaultError) -> str:
    if path.issuer_ref:
        return (
            f'There is no issuer "{path.issuer_ref}" at "{path.mount}"{place}. Import it, or correct '
            f"{path.field}. {error}."
        )
    who = f'The role "{path.role}" at' if path.role else "The default of"
    return f'{who} "{path.mount}"{place} names an issuer that isn\'t there. {error}.'
