"""Errors of calls to Vault, sorted by what a caller can do about them.

Messages are Vault's own, shortened and with anything that looks like a token removed; bodies are never kept.
Source: https://developer.hashicorp.com/vault/api-docs#http-status-codes, and the answers of a real OpenBao
2.7.
"""

from __future__ import annotations

import contextlib
import re
from datetime import datetime

from issuer.text import parse_rfc3339
from issuer.transport.errors import (
    CallError,
    ClientCertificateRefused,
    InvalidConnection,
    ServerNotAllowed,
    UnexpectedAnswer,
    Unreachable,
    UntrustedTLS,
)

_CA_ENDS = re.compile(r"expiration of the CA certificate at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z")


__all__ = [
    "BranchedChain",
    "CAExpiresTooSoon",
    "CANotReady",
    "ClientCertificateRefused",
    "DefaultNotReady",
    "GatewayError",
    "InvalidConnection",
    "IssuerNotFound",
    "LoginRefused",
    "RoleNotFound",
    "RoleSetsNotAfter",
    "STSUnavailable",
    "Sealed",
    "ServerError",
    "ServerNotAllowed",
    "UnexpectedAnswer",
    "Unreachable",
    "UntrustedTLS",
    "VaultBadRequest",
    "VaultError",
    "VaultForbidden",
    "VaultNotFound",
    "VaultRateLimited",
]

VaultError = CallError
"""Any failure of a call to Vault; those that end before an answer are shared with other CAs' clients."""


class STSUnavailable(VaultError):
    """AWS's token service, which a login needs first, can't answer now."""


class Sealed(VaultError):
    """Vault answers that it is sealed."""


class VaultRateLimited(VaultError):
    """429: a quota is used up. `retry_after` is in seconds where Vault said so."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        messages: tuple[str, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, messages=messages)
        self.retry_after = retry_after


class ServerError(VaultError):
    """Any other 5xx."""


class BranchedChain(ServerError):
    """500: Vault signs no CA below one whose chain it can't follow certificate by certificate, as behind
    cross-signing. The signing of other certificates is not affected."""


class GatewayError(ServerError):
    """A 5xx that is not in Vault's form: a proxy or load balancer answers in Vault's place."""


class VaultForbidden(VaultError):
    """403. `by_policy` is True where Vault knows the token and its policies don't allow the call."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        messages: tuple[str, ...] = (),
        by_policy: bool = False,
    ) -> None:
        super().__init__(message, status=status, messages=messages)
        self.by_policy = by_policy


class VaultNotFound(VaultError):
    """404 or 405: no such mount, path or namespace."""


class RoleNotFound(VaultNotFound):
    """The PKI engine answers, but has no role of that name."""


class IssuerNotFound(VaultNotFound):
    """The PKI engine answers, but has no issuer of that reference."""


class VaultBadRequest(VaultError):
    """400 (or 413): Vault refuses what was sent, and said why."""


class CAExpiresTooSoon(VaultBadRequest):
    """400: the requested lifetime ends after the CA's own certificate."""

    @property
    def ca_ends(self) -> datetime | None:
        """The end of the CA, from Vault's message (builtin/logical/pki/ca_util.go); None if it has none."""
        for message in self.messages:
            found = _CA_ENDS.search(message)
            if found is not None:
                with contextlib.suppress(ValueError):
                    return parse_rfc3339(f"{found[1]}Z")
        return None


class CANotReady(VaultError):
    """The mount has no CA that can sign: none set, its key is missing, or it may not issue certificates."""


class DefaultNotReady(CANotReady):
    """The mount's default issuer can't sign; the role may name another one, but may not be read."""


class RoleSetsNotAfter(VaultError):
    """400: the role has a `not_after` of its own, and Vault takes no `ttl` beside that."""


class LoginRefused(VaultError):
    """A login was answered with a refusal. `method` names the auth method and mount.

    `advice` is a sentence on what to look at, behind the server's words.
    """

    def __init__(
        self,
        message: str,
        *,
        method: str,
        status: int | None = None,
        messages: tuple[str, ...] = (),
        advice: str = "",
    ) -> None:
        super().__init__(message, status=status, messages=messages)
        self.method = method
        self.advice = advice

    def __str__(self) -> str:
        return f"{super().__str__()}. {self.advice}" if self.advice else super().__str__()
