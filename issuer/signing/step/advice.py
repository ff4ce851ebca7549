"""Advice on a provisioner whose certificates differ from the requests. Pure.

Source: step-ca's default template (go.step.sm/crypto `x509util/templates.go`), which keeps the common name of
the subject alone, and gives server and client authentication whatever was asked for.
"""

from __future__ import annotations

from typing import Final

from issuer.signing.outcomes import AnswerFault
from issuer.x509.verification.findings import FindingCode

_TEMPLATE: Final = (
    "step-ca's default template keeps only the common name of a subject, and sets the usages itself: give "
    "the provisioner a template that copies them from the CSR (options.x509.template), or ask for less"
)
_ADVICE: Final[dict[str, str]] = {
    FindingCode.SUBJECT_DROPPED: _TEMPLATE,
    FindingCode.SUBJECT_ADDED: _TEMPLATE,
    FindingCode.USAGE_DROPPED: _TEMPLATE,
    FindingCode.USAGE_ADDED: _TEMPLATE,
    FindingCode.USAGE_BEYOND_POLICY: (
        "Name server auth and client auth in the policy's spec.allowed.usages, or give the provisioner a "
        "template without them"
    ),
    FindingCode.USAGE_NOT_ASKED: _TEMPLATE,
    FindingCode.TOO_SHORT_TO_RENEW: (
        "Raise the provisioner's maxTLSCertDuration, or rotate the CA if it expires soon"
    ),
    AnswerFault.ANOTHER_CA: "Look at who answers at spec.url: its /roots and /intermediates name other CAs",
}
_OTHERWISE: Final = "Check the provisioner's template and claims in step-ca"


def advice(codes: frozenset[str]) -> str:
    """Return sentences for differences with these codes, without the last full stop."""
    found = dict.fromkeys(text for code, text in _ADVICE.items() if code in codes)
    return ". ".join(found) or _OTHERWISE
