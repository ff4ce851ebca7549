"""Errors of a call to a CA's server that say nothing of what was asked: they end before, or instead of, an
answer.

Messages are bounded and redacted; bodies are never kept. A client of one CA derives its own from `CallError`.
"""

from __future__ import annotations

from enum import Enum, auto


class TLSFault(Enum):
    """Cause of a TLS handshake that failed: it decides what to do."""

    TRUST = auto()
    """The CA is not trusted, the name is another, or something else."""
    ENDED = auto()
    """A certificate of the chain has expired."""
    EARLY = auto()
    """A certificate of the chain is not valid yet."""
    NO_TLS = auto()
    """What answers there speaks no TLS."""


class CallError(Exception):
    """A call to a server failed.

    `status` is the HTTP status, or None where there was no answer. `messages` are the server's, bounded and
    redacted.
    """

    retry_after: float | None = None
    """Seconds after which the server wants to be asked again, where it said so."""

    def __init__(self, message: str, *, status: int | None = None, messages: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.messages = messages

    def __str__(self) -> str:
        return f"{self.message}: {'; '.join(self.messages)}" if self.messages else self.message


class InvalidConnection(CallError):
    """The server address or CA bundle can't be used; nothing was sent."""


class ServerNotAllowed(CallError):
    """The operator does not let this issuer use the server; nothing was sent."""


class Unreachable(CallError):
    """No answer, or none that came whole: refused, unknown host, timed out, or the connection broke.

    `sent` is False only if it is certain that the server never saw the request. A sign request that was sent
    may have signed, so nothing repeats one.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class UntrustedTLS(CallError):
    """The TLS handshake failed: unknown CA, other host name, expired certificate, or no TLS at all.

    `ended` are the certificates of the CA bundle that have expired, in words.
    """

    def __init__(
        self, message: str, *, fault: TLSFault = TLSFault.TRUST, ended: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.ended = ended

    def remedy(self, trust_fields: str) -> str:
        """Return what to do where trusting another CA or name would not help; empty otherwise.

        `trust_fields` is where the CA bundle is.
        """
        match self.fault:
            case TLSFault.ENDED if self.ended:
                return (
                    f"Of {trust_fields} has expired: {'; '.join(self.ended)}. Put the CA's present one "
                    "there, and renew the server's own if that has expired as well"
                )
            case TLSFault.ENDED:
                return (
                    "It is the server's own certificate, or a CA's that it sends along: renew it there. If "
                    "it has not expired, compare the clocks"
                )
            case TLSFault.EARLY:
                return "Compare the clocks: the certificate begins in this machine's future"
            case TLSFault.NO_TLS:
                return "Correct the port, or the scheme, of its address"
        return ""


class ClientCertificateRefused(CallError):
    """The server ended the TLS handshake over our client certificate: it wants one, or another."""


class UnexpectedAnswer(CallError):
    """An answer such a server doesn't give: not JSON, fields missing, too large, or a redirect elsewhere."""
