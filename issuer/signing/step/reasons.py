"""step-ca's own reasons, by what ends or waits for them."""

from __future__ import annotations

from issuer.reasons import FailureReason, IssuerReason, RetryReason, RevocationReason
from issuer.signing.reasons import Reasons


class StepFailure(FailureReason):
    """step-ca refuses this very request, and would again; or it could not be asked for it."""

    NO_NAMES = "NoNames"
    REFUSED_BY_STEP_CA = "RefusedByStepCA"


class StepRetry(RetryReason):
    """step-ca may take this request later; other requests of the issuer may fare better now."""

    STEP_CA_RATE_LIMITED = "StepCARateLimited"
    STEP_CA_UNAVAILABLE = "StepCAUnavailable"


class StepOutage(IssuerReason):
    """step-ca can't sign anything now, and comes back without a change to the issuer."""

    STEP_CA_UNREACHABLE = "StepCAUnreachable"


class StepIssuerReason(IssuerReason):
    """Somebody has to mend the issuer, or the provisioner that it names."""

    CLOCKS_DIFFER = "ClocksDiffer"
    PASSWORD_NOT_ALLOWED = "PasswordNotAllowed"
    PASSWORD_NOT_FOUND = "PasswordNotFound"
    PASSWORD_REFUSED = "PasswordRefused"
    PROVISIONER_KEY_DIFFERS = "ProvisionerKeyDiffers"
    PROVISIONER_KEY_UNUSABLE = "ProvisionerKeyUnusable"
    PROVISIONER_NOT_FOUND = "ProvisionerNotFound"
    PROVISIONER_NOT_SUPPORTED = "ProvisionerNotSupported"
    TOKEN_REFUSED = "TokenRefused"


class StepRevocationReason(RevocationReason):
    """step-ca does not revoke a certificate, and would not later."""

    REVOCATION_REFUSED_BY_STEP_CA = "RevocationRefusedByStepCA"


STEP_REASONS = Reasons.of(StepFailure, StepRetry, StepOutage, StepIssuerReason)
"""The reasons of the step-ca backend, beside the shared ones."""
