"""Reasons that any backend may raise, and the form in which a backend hands over its own.

A backend's own reasons are enums in its package that derive from the bases in `issuer.reasons`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from issuer.reasons import FailureReason, IssuerReason, Reason, RetryReason


class SigningFailure(FailureReason):
    """Reasons of a request that its issuer can't serve as it is configured."""

    CA_EXPIRES_TOO_SOON = "CAExpiresTooSoon"
    CA_REQUESTS_NOT_ALLOWED = "CARequestsNotAllowed"
    DURATION_NOT_ALLOWED = "DurationNotAllowed"
    NAME_CONSTRAINTS_NOT_ISSUED = "NameConstraintsNotIssued"
    NO_CERTIFICATE_AUTHORITY = "NoCertificateAuthority"
    PATH_LENGTH_TOO_LONG = "PathLengthTooLong"


class SigningRetry(RetryReason):
    """Reasons for which whatever signs was not reached at all."""

    KUBERNETES_UNAVAILABLE = "KubernetesUnavailable"


class SigningIssuerReason(IssuerReason):
    """Reasons of an issuer that names what isn't there, may not be read, or can't be used."""

    AMBIENT_CREDENTIALS_NOT_ALLOWED = "AmbientCredentialsNotAllowed"
    AUDIENCE_REFUSED = "AudienceRefused"
    BAD_ANSWER = "BadAnswer"
    CA_NOT_TRUSTED = "CANotTrusted"
    INVALID_CONNECTION = "InvalidConnection"
    INVALID_SPEC = "InvalidSpec"
    INVALID_TRUSTED_CA = "InvalidTrustedCA"
    SECRET_FORBIDDEN = "SecretForbidden"
    SECRET_KEY_NOT_FOUND = "SecretKeyNotFound"
    SECRET_NOT_FOUND = "SecretNotFound"
    SECRET_TYPE_NOT_ALLOWED = "SecretTypeNotAllowed"
    SERVER_NOT_ALLOWED = "ServerNotAllowed"
    SERVICE_ACCOUNT_NOT_FOUND = "ServiceAccountNotFound"
    TLS_VERIFICATION_FAILED = "TLSVerificationFailed"
    TOKEN_REQUEST_FORBIDDEN = "TokenRequestForbidden"
    UNEXPECTED_ANSWER = "UnexpectedAnswer"


def _members(enums: tuple[type[Reason], ...], base: type[Reason]) -> frozenset[str]:
    return frozenset(member.value for enum in enums if issubclass(enum, base) for member in enum)


@dataclass(frozen=True, slots=True)
class Reasons:
    """All reasons of one backend, or of one layer above them.

    Attributes:
        failures: those of `Failed`; values of a metric's label.
        retries: those of a `Retry` of one request; values of a metric's label.
        issuer: those of an issuer that is not Ready, beside the retries.
    """

    failures: frozenset[str] = frozenset()
    retries: frozenset[str] = frozenset()
    issuer: frozenset[str] = frozenset()

    @classmethod
    def of(cls, *enums: type[Reason]) -> Self:
        """Return the members of these enums, each where its base puts it."""
        return cls(
            failures=_members(enums, FailureReason),
            retries=_members(enums, RetryReason),
            issuer=_members(enums, IssuerReason),
        )


SIGNING_REASONS = Reasons.of(SigningFailure, SigningRetry, SigningIssuerReason)
"""Those of this module, which every backend shares."""
