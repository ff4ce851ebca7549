"""The life to ask the CA for: one that it has left, and that isn't renewed as soon as it is there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from issuer.api.issuers import IssuerSpec
from issuer.controller.state.health.ca_expiry import check_not_expired, requested_lifetime
from issuer.controller.state.health.issuer_entry import IssuerEntry
from issuer.controller.state.reasons import ControllerFailure
from issuer.duration import format_seconds
from issuer.signing.lives import LifeBounds
from issuer.signing.outcomes import CAEndsTooSoon, Failed
from issuer.x509.verification.lifetimes import DEFAULT_LIFE
from issuer.x509.verification.requested import RequestedCertificate


class TooShortToRenew(Failed):
    """The life that is left would be renewed again and again."""

    def __init__(self, message: str) -> None:
        super().__init__(ControllerFailure.TOO_SHORT_TO_RENEW, message)


def renewable(life: timedelta | None, asked: RequestedCertificate, now: datetime) -> timedelta | None:
    """Return `life`, the one to ask the CA for, if its end leaves time before the renewal.

    The CA may give less, or backdate it: that is seen in what comes back, as is a life that is left to it
    (None). Raises TooShortToRenew.
    """
    if life is None:
        return None
    wanted = DEFAULT_LIFE if asked.duration is None else asked.duration
    if asked.renewal.is_due_at_once(now, now + life, now, wanted):
        raise TooShortToRenew(
            f"at most {format_seconds(life)} can be given: "
            f"{asked.renewal.problem(now, now + life, now, wanted)}. Nothing was signed"
        )
    return life


def bounded(duration: timedelta | None, bounds: Sequence[timedelta], lives: LifeBounds) -> timedelta | None:
    """Return the life asked for, or the least of `bounds` if that is less.

    A request that names none gets at most the CA's usual life; where nothing bounds it, None leaves it to
    the CA.
    """
    if not bounds:
        return duration
    return min(lives.unasked if duration is None else duration, *bounds)


def fitting(
    asked: RequestedCertificate, entry: IssuerEntry, spec: IssuerSpec, now: datetime
) -> timedelta | None:
    """Return the life to ask for. What was seen in answers may be out of date: it shortens, never refuses.

    None leaves it to a CA that gives its usual life then, and doesn't tell that before; one that may end
    within such a life is asked for one that is likely the same. Raises CAEndsTooSoon and CAExpired.
    """
    known, seen = entry.ca_validity.get(asked.is_ca), entry.seen.get(asked.is_ca)
    check_not_expired(known, seen, now)
    unasked = entry.lives.most
    if asked.duration is None and entry.lives.likely is not None:
        ca = seen or known
        if ca is None or now + unasked <= ca.ends:
            return None
        unasked = min(entry.lives.likely, unasked)
    if seen is None:
        return requested_lifetime(asked.duration, known, spec.ca_expiry, now, unasked)
    try:
        return requested_lifetime(asked.duration, seen, spec.ca_expiry, now, unasked)
    except CAEndsTooSoon:
        return requested_lifetime(asked.duration, None, spec.ca_expiry, now, unasked)
