"""How one attempt at a request can end, before anything is written.

Each is a type of its own, so that deciding and reporting stay apart and a
reader finds every case in one place.
"""

from __future__ import annotations

from dataclasses import dataclass

from issuer.controller.state.pending import PendingDelivery
from issuer.controller.state.reasons import ControllerDenial
from issuer.reasons import DenialReason, FailureReason, RetryReason
from issuer.requests.issuers import IssuerKey
from issuer.signing.outcomes import Retry


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate is signed, verified and held; it only has to be written."""

    pending: PendingDelivery


@dataclass(frozen=True, slots=True)
class Denied:
    """Final answer: denied. `message` says why; None when another approver denied it."""

    message: str | None = None
    reason: DenialReason = ControllerDenial.DENIED


@dataclass(frozen=True, slots=True)
class AwaitingApproval:
    """It waits for another approver: nothing is written, the approval's event wakes it."""


@dataclass(frozen=True, slots=True)
class NeedsFinalizer:
    """Its certificate may have to be revoked one day: the finalizer goes on, then it is decided anew."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Final answer: the request can never be served as it is."""

    message: str
    reason: FailureReason


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

    reason: RetryReason
    message: str
    after: float | None = None
    tell: bool = True


def retry_later(error: Retry) -> RetryLater:
    """Return the outcome of an attempt that met this error."""
    return RetryLater(error.reason, error.message, error.after)


Outcome = Issued | Denied | AwaitingApproval | Unprocessed | NeedsFinalizer | Failed | Waiting | RetryLater
