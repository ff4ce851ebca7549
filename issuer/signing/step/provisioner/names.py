"""The subject and names that a token grants for one request: exactly the CSR's. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from issuer.signing.contents import asked_names, common_name, texts
from issuer.signing.outcomes import Failed
from issuer.signing.step.reasons import StepFailure
from issuer.x509.contents import RequestPart, alternative_name

_LOCAL: Final = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class GrantedNames:
    """Names that one token grants. `subject` is the certificate's common name, by the default template."""

    subject: str
    sans: tuple[str, ...]


def granted_names(csr_pem: str) -> GrantedNames:
    """Return what a token has to grant for a CSR.

    step-ca wants a subject: of a CSR without a common name it is its first name, as with step-issuer. Raises
    Failed for a CSR that names nothing, or names that readers read differently.
    """
    contents = asked_names(csr_pem)
    parts = (RequestPart.DNS, RequestPart.EMAIL, RequestPart.IP, RequestPart.URI)
    sans = tuple(text for part in parts for text in texts(contents, part))
    first = next((san for san in sans if san not in _LOCAL), "".join(sans[:1]))
    subject = common_name(contents) or first
    if not subject:
        raise Failed(
            StepFailure.NO_NAMES,
            "The request names nothing, and step-ca signs for a name: give it dnsNames, or another kind of "
            "name.",
        )
    if not sans and alternative_name(subject) is None:
        raise Failed(
            StepFailure.NO_NAMES,
            "step-ca makes an alternative name of a common name that comes alone, and that of this request "
            "is no host name, address or URI: give it dnsNames, or another kind of name.",
        )
    return GrantedNames(subject, sans)
