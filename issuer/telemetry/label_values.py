"""The words that labels of metrics may hold, where the code has many of them."""

from __future__ import annotations

from typing import Final

OTHER: Final = "Other"
"""Stands for any reason that isn't listed, so that no text from elsewhere becomes a series."""

DENIALS: Final = ("Denied", "InvalidName")
FAILURES: Final = (
    "CAExpiresTooSoon",
    "CAFlagsContradict",
    "CARequestsNotAllowed",
    "DeniedReference",
    "ErrorParseDuration",
    "InvalidAnnotation",
    "InvalidDuration",
    "InvalidName",
    "InvalidRequest",
    "InvalidSignerName",
    "NameConstraintsNotIssued",
    "NoCertificateAuthority",
    "NotAsAsked",
    "PathLengthTooLong",
    "PolicyDenied",
    "RefusedByVault",
    OTHER,
)
PUT_OFFS: Final = (
    "InternalError",
    "IssuerNotReady",
    "KubernetesUnavailable",
    "LeaseNotHeld",
    "PermissionDenied",
    "RevocationForbidden",
    "StatusWriteRefused",
    "VaultRateLimited",
    "VaultUnavailable",
    OTHER,
)
DIFFERENCES: Final = (
    "CADropped",
    "CANotAsked",
    "CAUsageNotAsked",
    "ChainNotValid",
    "EndsWithCA",
    "Expired",
    "LifeShorter",
    "LifeTooLong",
    "NameConstraints",
    "NameConstraintsInLeaf",
    "NameDropped",
    "NameNotAsked",
    "NoRoomForCA",
    "NotYetValid",
    "OutlivesCA",
    "PathLengthShorter",
    "PathLengthTooLong",
    "PublicKeyDiffers",
    "SubjectAdded",
    "SubjectDropped",
    "SubjectReordered",
    "TooShortToRenew",
    "UsageAdded",
    "UsageBeyondPolicy",
    "UsageDropped",
    "UsageNotAsked",
    "ValidityReversed",
)
WATCHED: Final = (
    "Certificate",
    "CertificateRequest",
    "CertificateRequestPolicy",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "Namespace",
    "Role",
    "RoleBinding",
    "VaultClusterIssuer",
    "VaultIssuer",
)
YES_NO: Final = ("false", "true")
# Where a canary's run can break.
STAGES: Final = ("api", "controller", "policy", "vault", "chain", "endpoint")
