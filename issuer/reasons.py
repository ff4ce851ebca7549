"""Base types of reasons: the CamelCase words that name a state to machines, in conditions, metrics and logs.

Every reason is a member of an enum that stands beside the code that raises it and derives from one of these
bases. The base says what ends or waits for that reason, so that a type checker sees which label of which
metric it can become. Texts of members are public and stay.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Any reason, as Kubernetes' API conventions have it: one CamelCase word for each state."""


class DenialReason(Reason):
    """Reason of a request that policies deny, for good."""


class FailureReason(Reason):
    """Reason of a request that fails, for good."""


class RetryReason(Reason):
    """Reason of an attempt that ends without an answer, and is made again without anybody's help."""


class IssuerReason(Reason):
    """Reason of an issuer's condition Ready, for which all its requests wait."""


class RevocationReason(Reason):
    """Reason of a certificate that is not revoked, or not yet."""
