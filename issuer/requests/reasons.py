"""Reasons that the controller writes and commands read: faults of a request itself, and of canaries."""

from __future__ import annotations

from issuer.reasons import FailureReason, Reason, RetryReason


class RequestFailure(FailureReason):
    """Reasons of a request that nobody could serve as it stands."""

    CA_FLAGS_CONTRADICT = "CAFlagsContradict"
    ERROR_PARSE_DURATION = "ErrorParseDuration"
    INVALID_ANNOTATION = "InvalidAnnotation"
    INVALID_DURATION = "InvalidDuration"
    INVALID_NAME = "InvalidName"
    INVALID_REQUEST = "InvalidRequest"
    INVALID_SIGNER_NAME = "InvalidSignerName"


class RequestRetry(RetryReason):
    """Reasons of a request that waits for nobody but its own Certificate."""

    RENEWAL_LOOP = "RenewalLoop"


class CanaryReason(Reason):
    """Reasons of events on an issuer about the canary that asks it for certificates."""

    CANARY_FAILED = "CanaryFailed"
    CANARY_PASSED = "CanaryPassed"
