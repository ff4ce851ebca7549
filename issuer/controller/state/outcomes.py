"""Outcomes of one attempt at a request, before anything is written.

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
    """Waits for another approver: nothing is written; the approval's event wakes it, and its issuer, where
    that lets the policies decide or is gone."""


@dataclass(frozen=True, slots=True)
class NeedsFinalizer:
    """Needs the revocation finalizer first; after that write the attempt starts again."""


@dataclass(frozen=True, slots=True)
class NeedsRoom:
    """Is so large that room for a failure is kept in its status first; after that write the attempt starts
    again. `stored` is the bytes that it has at the API server."""

    stored: int


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """Final answer: the request can never be served as it is."""

    message: str
    reason: FailureReason


@dataclass(frozen=True, slots=True)
class Unprocessed:
    """Has no policy that applies: says why, and wakes when policies, namespaces or RBAC change."""

    message: str


@dataclass(frozen=True, slots=True)
class RefusedSoon:
    """Is refused by policies, which is final if none allows it within `seconds`: says so, and wakes as
    `Unprocessed` does."""

    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """Waits for its issuer, which can't sign now: says so and wakes when the issuer is Ready.

    `report` is False for a state that passes in a moment and is not worth a write.
    """

    issuer: IssuerKey
    message: str
    report: bool = True


@dataclass(frozen=True, slots=True)
class Outdated:
    """Was to be signed by what has changed before it was sent: nothing was, and it is judged anew at once.

    `changed` names that, in words.
    """

    changed: str


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Met a passing fault: tried again after `after` seconds, or with backoff.

    `report` is False where the request's own status is not the place to say so.
    """

    reason: RetryReason
    message: str
    after: float | None = None
    report: bool = True


def retry_later(error: Retry) -> RetryLater:
    """Return the outcome of an attempt that met this error."""
    return RetryLater(error.reason, error.message, error.after)


Outcome = (
    Issued
    | Denied
    | AwaitingApproval
    | Unprocessed
    | RefusedSoon
    | NeedsFinalizer
    | NeedsRoom
    | RequestFailed
    | Waiting
    | Outdated
    | RetryLater
)
