"""Ways for a dial to fail."""

from __future__ import annotations

from enum import StrEnum

from issuer.endpoint.served import Served


class DialCode(StrEnum):
    """Causes of a failed dial."""

    UNRESOLVED = "Unresolved"
    """The name has no address."""
    UNREACHABLE = "Unreachable"
    """Nobody listens, or the network is in the way."""
    TIMEOUT = "Timeout"
    STARTTLS = "StartTLS"
    """The server doesn't offer TLS in the protocol that was named."""
    NOT_TLS = "NotTLS"
    """The handshake wasn't finished, for another reason than the certificate."""
    UNTRUSTED = "Untrusted"
    """The certificate doesn't verify: CA, name or time."""
    UNREADABLE = "Unreadable"
    """The certificate can't be decoded."""


class DialFailed(Exception):
    """An endpoint couldn't be dialled, or its certificate isn't good.

    Attributes:
        code: the cause.
        detail: the cause in words of the system, OpenSSL or the server; a part of a sentence, on one line.
        served: what is served there, if it was seen.
        verify_code: OpenSSL's number for why it doesn't verify (X509_V_ERR_... in x509_vfy.h), 0 for others.
    """

    def __init__(
        self, code: DialCode, detail: str, served: Served | None = None, verify_code: int = 0
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.served = served
        self.verify_code = verify_code
