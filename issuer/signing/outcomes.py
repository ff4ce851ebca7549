"""Outcomes of signing other than a certificate, each a type: what fails, what is retried, and for whom.

`reason` is a member of an enum of the backend, or of `issuer.signing.reasons`: a Kubernetes condition reason,
stable. `message` says what is wrong, where, and what to do next. Neither holds secrets. Whoever handles an
outcome looks at its type, never at the reason.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Literal

from issuer.duration import format_duration
from issuer.reasons import FailureReason, IssuerReason, Reason, RetryReason, RevocationReason
from issuer.requests.reason_message import with_reason
from issuer.signing.reasons import SigningFailure, SigningIssuerReason


class SigningError(Exception):
    """Base of all outcomes; raise one of them, never this.

    `result` is the outcome's value of the label of that name in metrics.
    """

    result: ClassVar[str] = "error"

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return with_reason(self.reason, self.message)


class Retry(SigningError):
    """A call that may work later without anybody changing anything; it says nothing of other requests.

    Raised by `check`, `sign` and `revoke`. A request stays Pending with this reason and is tried again with
    backoff, not before `after` seconds where the backend said so. From `check`, the issuer is not Ready with
    this reason. `may_have_signed` is set by `sign` where somebody else answered in the server's place, as a
    proxy does with 502: that is put on record, since a certificate may have been signed. `remedy` says what
    to change if this same answer comes each time, empty where time alone helps.

    `shared` is True where the issuer's other requests are likely to meet it, too: as soon as one of them is
    served, those that were put off are tried again.
    """

    reason: RetryReason
    result = "retry"
    shared: ClassVar[bool] = False

    def __init__(
        self,
        reason: RetryReason,
        message: str,
        after: float | None = None,
        *,
        may_have_signed: bool = False,
        remedy: str = "",
    ) -> None:
        super().__init__(reason, message)
        self.after = after
        self.may_have_signed = may_have_signed
        self.remedy = remedy


class RateLimited(Retry):
    """The backend takes no more calls of this issuer for now: its next one waits for `after` seconds."""

    shared = True


class ServerFault(Retry):
    """The backend, or a proxy before it, answers with a fault of its own, such as HTTP 502."""

    shared = True


def answered_before(reason: RetryReason, error: Exception, server: str) -> Retry:
    """Return the outcome of a signing call that a page of somebody else's answered, where others of the same
    path get through: of this request alone. `error` says what came, `server` who was called."""
    return Retry(
        reason,
        f"What stands before {server} answers this request itself, and lets others through. {error}.",
        may_have_signed=True,
        remedy="See which rule of it this request meets, such as a web application firewall's, or ask for "
        "something else.",
    )


class IssuerUnavailable(SigningError):
    """The issuer can't sign anything now, as its backend is down or sealed: all its requests would meet that.

    Raised by `check`, `sign` and `revoke` for what passes without anybody changing the issuer. It goes not
    Ready with this reason and is checked again with backoff; its requests wait for it.
    """

    reason: IssuerReason
    result = "retry"

    def __init__(self, reason: IssuerReason, message: str) -> None:
        super().__init__(reason, message)


class Failed(SigningError):
    """The backend refuses this very request, and would again. Never used for what another request could meet.

    Raised by `sign` only. The request is failed for good.
    """

    reason: FailureReason
    result = "failed"

    def __init__(self, reason: FailureReason, message: str) -> None:
        super().__init__(reason, message)


class CAEndsTooSoon(Failed):
    """The CA ends before the asked certificate would; `ca_ends` is when, where the backend said so."""

    def __init__(self, message: str, ca_ends: datetime | None = None) -> None:
        super().__init__(SigningFailure.CA_EXPIRES_TOO_SOON, message)
        self.ca_ends = ca_ends


class LifeNotAllowed(Failed):
    """The CA signs for a shorter life at most; nothing was signed. `longest` is None where it didn't say."""

    def __init__(self, message: str, longest: timedelta | None = None) -> None:
        super().__init__(SigningFailure.DURATION_NOT_ALLOWED, message)
        self.longest = longest

    def shortened(self, asked: timedelta | None, too_long: Literal["Refuse", "Shorten"]) -> timedelta:
        """Return the longest life, where a request for this one may have it; otherwise raise.

        Who asked for none may: nobody asked for more.
        """
        if self.longest is None:
            raise self
        if asked is None or (too_long == "Shorten" and asked > self.longest):
            return self.longest
        raise LifeNotAllowed(
            f"{self.message}. Ask for at most {format_duration(self.longest)} (spec.duration of the "
            "Certificate), have the CA allow more, or set the issuer's spec.duration to Shorten",
            self.longest,
        )


class NotRevoked(SigningError):
    """The backend does not revoke this certificate, and would not later. Raised by `revoke` only."""

    reason: RevocationReason

    def __init__(self, reason: RevocationReason, message: str) -> None:
        super().__init__(reason, message)


class IssuerBroken(SigningError):
    """The issuer as configured can't sign anything until somebody mends it here or at the backend.

    Raised by constructors, `check`, `sign` and `revoke`. The issuer goes not Ready with this reason; its
    requests wait for it and wake when it is Ready again.
    """

    reason: IssuerReason
    result = "issuer_broken"

    def __init__(self, reason: IssuerReason, message: str) -> None:
        super().__init__(reason, message)


class AnswerFault(StrEnum):
    """Kinds of answers to a signing call that can't be delivered and say nothing of the request.

    Values are for logs and the label of a metric.
    """

    LOST = "lost"
    UNREADABLE = "unreadable"
    ANOTHER_KEY = "another_key"
    ANOTHER_CA = "another_ca"
    BAD_CHAIN = "bad_chain"
    BAD_TIME = "bad_time"


class BadAnswer(SigningError):
    """A signing call was made, and its answer is no certificate that could be delivered to anybody.

    Raised by `sign` where the connection broke after the request was written (`AnswerFault.LOST`), or where
    what came is no answer to it (`AnswerFault.UNREADABLE`): something may have been signed. The caller raises
    it, too, for a certificate of another key or another CA. The request is not to blame: the issuer goes not
    Ready with the reason `BadAnswer`, and signs again within narrow bounds.
    """

    reason: IssuerReason
    result = "bad_answer"

    def __init__(self, fault: AnswerFault, message: str) -> None:
        super().__init__(SigningIssuerReason.BAD_ANSWER, message)
        self.fault = fault
