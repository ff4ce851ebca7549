"""Reasons of the controller's own, by what ends or waits for them."""

from __future__ import annotations

from typing import Final

from issuer.reasons import DenialReason, FailureReason, IssuerReason, Reason, RetryReason
from issuer.signing.reasons import Reasons


class ControllerDenial(DenialReason):
    """A request is denied: by the policies that apply, or since no policy could allow what it asks."""

    DENIED = "Denied"
    INVALID_NAME = "InvalidName"


class ControllerFailure(FailureReason):
    """A request fails though no backend refused it."""

    DENIED_REFERENCE = "DeniedReference"
    NOT_AS_ASKED = "NotAsAsked"
    POLICY_DENIED = "PolicyDenied"
    REQUEST_TOO_LARGE = "RequestTooLarge"
    STATUS_WRITE_REFUSED = "StatusWriteRefused"
    TOO_SHORT_TO_RENEW = "TooShortToRenew"


class ControllerRetry(RetryReason):
    """An attempt at a request ends before its issuer was asked, or before the answer was written."""

    CA_EXPIRED = "CAExpired"
    CERTIFICATES_HELD = "CertificatesHeld"
    INTERNAL_ERROR = "InternalError"
    ISSUER_NOT_READY = "IssuerNotReady"
    LEASE_NOT_HELD = "LeaseNotHeld"
    REVOCATION_FORBIDDEN = "RevocationForbidden"
    STATUS_WRITE_REFUSED = "StatusWriteRefused"


class ControllerWait(Reason):
    """A request waits until somebody changes RBAC; that is no attempt, and isn't counted as one."""

    SIGNING_FORBIDDEN = "SigningForbidden"


class ControllerIssuerReason(IssuerReason):
    """An issuer's state as the controller sees it, beside what its backend says."""

    APPROVAL_FORBIDDEN = "ApprovalForbidden"
    CA_EXPIRED = "CAExpired"
    CA_SIGNS_NO_CAS = "CASignsNoCAs"
    CHANGED = "Changed"
    INTERNAL_ERROR = "InternalError"
    INVALID_CA_CHAIN = "InvalidCAChain"
    NO_POLICY = "NoPolicy"
    PENDING = "Pending"
    READY = "Ready"
    REVOCATION_FORBIDDEN = "RevocationForbidden"
    STATUS_WRITE_REFUSED = "StatusWriteRefused"
    TWO_CONTROLLERS = "TwoControllers"


class EventReason(Reason):
    """Reasons of events, where they are no state of the object."""

    CA_EXPIRES_SOON = "CAExpiresSoon"
    CERTIFICATE_DIFFERS = "CertificateDiffers"
    NOT_REVOKED = "NotRevoked"
    REVOCATION_ABANDONED = "RevocationAbandoned"
    STATUS_TOO_LARGE = "StatusTooLarge"
    STATUS_WRITE_REFUSED = "StatusWriteRefused"


class PolicyReason(Reason):
    """State of a CertificateRequestPolicy, the reason of its condition Ready.

    One that selects no issuer that exists is evaluated, and True: the issuer may come later.
    """

    INTERNAL_ERROR = "InternalError"
    INVALID = "Invalid"
    ISSUER_NOT_FOUND = "IssuerNotFound"
    READY = "Ready"


CONTROLLER_REASONS: Final = Reasons.of(ControllerFailure, ControllerRetry, ControllerIssuerReason)
"""Those of this module, denials aside."""
