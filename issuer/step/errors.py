"""Errors of calls to step-ca, sorted by what a caller can do about them.

Source: step-ca 0.30.2 (`errs/errors.go`, `api/sign.go`), and its answers. What it answers to a token that it
refuses is one sentence for every cause: the cause stands in its log alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from issuer.transport.errors import CallError

StepError = CallError
"""Any failure of a call to step-ca; those that end before an answer are shared with other CAs' clients."""


class TokenRefused(StepError):
    """401: the token is used, dated wrongly, for another audience, or signed by a key that isn't known."""


@dataclass(frozen=True, slots=True)
class RefusedLife:
    """The life that a refusal is about, read from step-ca's words: both lives hold what it backdates.

    Attributes:
        too_long: True for more than the most that it gives, False for less than the least.
        asked: what it took to be asked for; None where it can't be read.
        limit: the bound; None where it can't be read.
    """

    too_long: bool
    asked: timedelta | None
    limit: timedelta | None


class StepRefusal(StepError):
    """step-ca refuses what was sent. What it said in its words is read even where these may not be shown.

    `life` is set where the life is the cause, `already_revoked` where there is nothing left to revoke.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        messages: tuple[str, ...] = (),
        life: RefusedLife | None = None,
        already_revoked: bool = False,
    ) -> None:
        super().__init__(message, status=status, messages=messages)
        self.life = life
        self.already_revoked = already_revoked


class StepForbidden(StepRefusal):
    """403: the token is accepted, and the certificate that is asked for is refused."""


class StepNamesRefused(StepRefusal):
    """500 before anything is signed: names that the CA's policy or name constraints can't judge."""


class StepBadRequest(StepRefusal):
    """400 or 413: step-ca refuses what was sent, and said why."""


class StepNotFound(StepError):
    """404 in step-ca's own form: there is no such key, or no CRL."""


class StepRateLimited(StepError):
    """429: no more calls are taken now. `retry_after` is in seconds where the answer said so."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message, status=429)
        self.retry_after = retry_after


class NotImplementedThere(StepError):
    """501: this CA does not do that, such as revoke without a database."""


class StepFault(StepError):
    """Any other 5xx in step-ca's own form."""


class StepGateway(StepFault):
    """A 5xx that is not in step-ca's form: a proxy or load balancer answers in its place."""


class KeyUnusable(StepError):
    """A provisioner's key can't be read; the message repeats nothing of it."""


class AnotherKey(KeyUnusable):
    """A key is not the private half of the provisioner's."""


class WrongPassword(KeyUnusable):
    """The password does not open the provisioner's key."""
