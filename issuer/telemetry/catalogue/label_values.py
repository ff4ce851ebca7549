"""Values of metric labels, where the code has many of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OTHER: Final = "Other"
"""Stands for any reason that isn't listed, so that no text from elsewhere becomes a series."""


@dataclass(frozen=True, slots=True)
class ReasonLabels:
    """Reasons and codes that other packages define, and hand to the metrics as values of labels.

    Attributes:
        denials: of requests that are denied.
        failures: of requests that fail.
        retries: of attempts that end without an answer.
        differences: codes of what a certificate has otherwise than its request.
    """

    denials: frozenset[str] = frozenset()
    failures: frozenset[str] = frozenset()
    retries: frozenset[str] = frozenset()
    differences: frozenset[str] = frozenset()

    def failure(self, reason: str) -> str:
        """Return the label of a failure for this reason."""
        return reason if reason in self.failures else OTHER

    def retry(self, reason: str) -> str:
        """Return the label of an attempt that ended without an answer for this reason."""
        return reason if reason in self.retries else OTHER


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
    "StepClusterIssuer",
    "StepIssuer",
    "VaultClusterIssuer",
    "VaultIssuer",
)
YES_NO: Final = ("false", "true")
# Why a namespace lacks roots (controller/trust/reasons).
LEFT_OUT_CAUSES: Final = ("changed", "not_ours", "quota", "refused")
# Where a canary's run can break.
STAGES: Final = ("api", "controller", "policy", "issuer", "chain", "endpoint")
