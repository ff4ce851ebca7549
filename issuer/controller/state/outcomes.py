"""How one attempt at a request can end, before anything is written.

Each is a type of its own, so that deciding and reporting stay apart and a
reader finds every case in one place.
"""

from __future__ import annotations

from dataclasses import dataclass

from issuer.controller.issuance.delivery import PendingDelivery
from issuer.requests.issuers import IssuerKey


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate is signed, verified and held; it only has to be written."""

    pending: PendingDelivery


@dataclass(frozen=True, slots=True)
class Denied:
    """It is denied: final. ``message`` is our reason; None when another approver denied it.

    ``reason`` is one CamelCase word for logs and metrics, where it is another than the policies'.
    """

    message: str | None = None
    reason: str = "Denied"


@dataclass(frozen=True, slots=True)
class AwaitingApproval:
    """It waits for another approver: nothing is written, the approval's event wakes it."""


@dataclass(frozen=True, slots=True)
class NeedsFinalizer:
    """Its certificate may have to be revoked one day: the finalizer goes on, then it is decided anew."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The request can never be served as it is: final. ``reason`` says why in one CamelCase word."""

    message: str
    reason: str = "Failed"


@dataclass(frozen=True, slots=True)
class Unprocessed:
    """No policy applies: it says why, and wakes when policies, namespaces or RBAC change."""

    message: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Its issuer can't sign now: it says so and wakes when the issuer is Ready.

    ``tell`` is False for a state that passes in a moment and is not worth a write.
    """

    issuer: IssuerKey
    message: str
    tell: bool = True


@dataclass(frozen=True, slots=True)
class RetryLater:
    """A passing fault met this request: tried again after ``after`` seconds, or with backoff.

    ``tell`` is False where the request's own status is not the place to say so.
    """

    reason: str
    message: str
    after: float | None = None
    tell: bool = True


Outcome = Issued | Denied | AwaitingApproval | Unprocessed | NeedsFinalizer | Failed | Waiting | RetryLater
