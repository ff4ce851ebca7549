"""What can be wrong with an endpoint. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class EndpointCode(StrEnum):
    """Kinds of findings. They are part of the JSON."""

    UNRESOLVED = "Unresolved"
    UNREACHABLE = "Unreachable"
    TIMEOUT = "Timeout"
    STARTTLS = "StartTLS"
    NOT_TLS = "NotTLS"
    UNREADABLE = "Unreadable"
    NAME_MISSING = "NameMissing"
    """The certificate isn't for the name that was asked for."""
    SELF_SIGNED = "SelfSigned"
    UNKNOWN_CA = "UnknownCA"
    """The chain ends at a CA that isn't trusted."""
    NOT_PINNED = "NotPinned"
    """No certificate with a fingerprint that was given is sent."""
    MISSING_CA = "MissingCA"
    """A CA between the certificate and the root isn't sent."""
    NOT_VERIFIED = "NotVerified"
    """It doesn't verify for another reason, in OpenSSL's words."""
    EXPIRED = "Expired"
    NOT_YET_VALID = "NotYetValid"
    EXPIRING = "Expiring"
    OTHER_CERTIFICATE = "OtherCertificate"
    """Another certificate is served than the one of the Secret or file."""
    REVOKED = "Revoked"
    REVOCATION_UNKNOWN = "RevocationUnknown"
    WRONG_ORDER = "WrongOrder"
    ROOT_SENT = "RootSent"
    WEAK_KEY = "WeakKey"


@dataclass(frozen=True, slots=True)
class EndpointFinding:
    """One thing that was found, and what to do about it.

    Clients fail, or soon will, for a problem; what isn't one costs some of them time, or deserves a look.
    """

    code: EndpointCode
    text: str
    cure: str = ""
    is_problem: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {"code": self.code.value, "message": self.text, "do": self.cure}
