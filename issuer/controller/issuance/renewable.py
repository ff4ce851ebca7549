"""The check before signing: a life that would be renewed as soon as it is there isn't asked for. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from issuer.controller.state.reasons import ControllerFailure
from issuer.duration import format_seconds
from issuer.signing.outcomes import Failed
from issuer.x509.verify import DEFAULT_LIFE, RequestedCertificate


class TooShortToRenew(Failed):
    """The life that is left would be renewed again and again."""

    def __init__(self, message: str) -> None:
        super().__init__(ControllerFailure.TOO_SHORT_TO_RENEW, message)


def renewable(life: timedelta, asked: RequestedCertificate, now: datetime) -> timedelta:
    """Return `life`, the one to ask the CA for, if its end leaves time before the renewal.

    The CA may give less, or backdate it: that is seen in what comes back. Raises TooShortToRenew.
    """
    wanted = DEFAULT_LIFE if asked.duration is None else asked.duration
    if asked.renewal.is_due_at_once(now, now + life, now, wanted):
        raise TooShortToRenew(
            f"at most {format_seconds(life)} can be given: "
            f"{asked.renewal.problem(now, now + life, now, wanted)}. Nothing was signed"
        )
    return life
