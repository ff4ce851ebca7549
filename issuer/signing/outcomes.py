"""How signing can end other than with a certificate.

`reason` is a CamelCase Kubernetes condition reason (this product's own, stable); `message` says what is
wrong, where, and what to do next. Neither holds secrets.
"""

from __future__ import annotations

from datetime import datetime


class SigningError(Exception):
    """Base of the three outcomes; raise one of them, never this."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class Retry(SigningError):
    """It may work later without anybody changing anything: the backend is down, sealed, slow or busy.

    Raised by `check`, `sign` and `revoke`. A request stays Pending with this reason and is tried again with
    backoff, not before `after` seconds where the backend said so. From `check`, the issuer is not Ready with
    this reason.
    """

    def __init__(self, reason: str, message: str, after: float | None = None) -> None:
        super().__init__(reason, message)
        self.after = after


class Failed(SigningError):
    """The backend refuses this very request, and would again. Never used for what another request could meet.

    Raised by `sign` and `revoke` only. The request is failed for good.
    """


class EndsWithCA(Failed):
    """The CA ends before the asked certificate would; `ca_ends` is when, where the backend said so."""

    def __init__(self, reason: str, message: str, ca_ends: datetime | None) -> None:
        super().__init__(reason, message)
        self.ca_ends = ca_ends


class IssuerBroken(SigningError):
    """The issuer as configured can't sign anything until somebody mends it here or at the backend.

    Raised by constructors, `check`, `sign` and `revoke`. The issuer goes not Ready with this reason; its
    requests wait for it and wake when it is Ready again.
    """
