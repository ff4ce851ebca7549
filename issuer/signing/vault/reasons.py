"""Vault's own reasons, by what ends or waits for them."""

from __future__ import annotations

from issuer.reasons import FailureReason, IssuerReason, RetryReason, RevocationReason
from issuer.signing.reasons import Reasons


class VaultFailure(FailureReason):
    """Vault refuses this very request, and would again."""

    REFUSED_BY_VAULT = "RefusedByVault"


class VaultRetry(RetryReason):
    """Vault may take this request later; other requests of the issuer may fare better now."""

    PERMISSION_DENIED = "PermissionDenied"
    VAULT_RATE_LIMITED = "VaultRateLimited"
    VAULT_UNAVAILABLE = "VaultUnavailable"


class VaultOutage(IssuerReason):
    """Vault can't sign anything now, and comes back without a change to the issuer."""

    STS_UNAVAILABLE = "STSUnavailable"
    VAULT_SEALED = "VaultSealed"
    VAULT_UNREACHABLE = "VaultUnreachable"


class VaultIssuerReason(IssuerReason):
    """Somebody has to mend the issuer, or what it names in Vault."""

    CA_NOT_READY = "CANotReady"
    CLIENT_CERTIFICATE_REFUSED = "ClientCertificateRefused"
    INVALID_CLIENT_CERTIFICATE = "InvalidClientCertificate"
    INVALID_PATH = "InvalidPath"
    ISSUER_NOT_FOUND = "IssuerNotFound"
    LOGIN_FAILED = "LoginFailed"
    PATH_NOT_FOUND = "PathNotFound"
    PERMISSION_DENIED = "PermissionDenied"
    ROLE_NOT_FOUND = "RoleNotFound"
    ROLE_SETS_NOT_AFTER = "RoleSetsNotAfter"


class VaultRevocationReason(RevocationReason):
    """Vault does not revoke a certificate, and would not later."""

    REVOCATION_NOT_PERMITTED = "RevocationNotPermitted"
    REVOCATION_REFUSED = "RevocationRefused"


VAULT_REASONS = Reasons.of(VaultFailure, VaultRetry, VaultOutage, VaultIssuerReason)
"""The reasons of the Vault backend, beside the shared ones."""
