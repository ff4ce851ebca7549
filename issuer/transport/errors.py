"""Errors of a call to a CA's server that say nothing of what was asked: they end before, or instead of, an
answer.

Messages are bounded and redacted; bodies are never kept. A client of one CA derives its own from `CallError`.
"""

from __future__ import annotations


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
    """The TLS handshake failed: unknown CA, other host name, expired certificate, or no TLS at all."""


class ClientCertificateRefused(CallError):
    """The server ended the TLS handshake over our client certificate: it wants one, or another."""


class UnexpectedAnswer(CallError):
    """An answer such a server doesn't give: not JSON, fields missing, too large, or a redirect elsewhere."""
