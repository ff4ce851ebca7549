"""Reasons of requests whose certificates are not revoked, or not yet: of log lines and events."""

from __future__ import annotations

from issuer.reasons import RevocationReason


class NotRevokedReason(RevocationReason):
    """The controller's own reasons, beside those of the backends."""

    CERTIFICATE_FORBIDDEN = "CertificateForbidden"
    CERTIFICATE_UNREADABLE = "CertificateUnreadable"
    IN_USE = "InUse"
    INTERNAL_ERROR = "InternalError"
    ISSUER_GONE = "IssuerGone"
    ISSUER_UNREADABLE = "IssuerUnreadable"
    NAMESPACE_TERMINATING = "NamespaceTerminating"
    NAME_WANTED = "NameWanted"
    NO_CERTIFICATE = "NoCertificate"
    NOT_IN_TIME = "NotInTime"
    NOT_ITS_CERTIFICATE = "NotItsCertificate"
    NOT_REPLACED = "NotReplaced"
    NOT_SUPPORTED = "NotSupported"
    POLICY_NEVER = "PolicyNever"
    SECRET_FORBIDDEN = "SecretForbidden"
    SECRET_UNREADABLE = "SecretUnreadable"
