"""Requests that would outlive their CA, and the warning before there are any. Pure.

cert-manager renews after two thirds of the life a certificate really has (its `RenewalTime`), whatever was
asked for. So each shortened life is a third of the one before, and the last ones would be renewed every few
minutes, then seconds: below an hour nothing is shortened any more, but refused. cert-manager then tries again
after an hour, and ever less often.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from issuer.controller.state.reasons import ControllerIssuerReason
from issuer.duration import format_duration
from issuer.signing.outcomes import CAEndsTooSoon, IssuerBroken
from issuer.text import rfc3339
from issuer.x509.encoding.raw import EARLIEST
from issuer.x509.verification.lifetimes import BEFORE_CA, DEFAULT_LIFE, SHORTEST_LIFE

Mode = Literal["Refuse", "Shorten"]

LATELY: Final = timedelta(days=30)
_LEAD: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class CAValidity:
    """Validity of the CA behind a path: from its own beginning to the first end in its chain.

    `signer` is the SHA-256 of its own certificate, and `first_to_end` the subject of the certificate in its
    chain that ends first; both are empty if that isn't known.
    """

    path: str
    begins: datetime
    ends: datetime
    signer: str = ""
    first_to_end: str = ""

    def has_expired(self, now: datetime) -> bool:
        """Return True if no certificate that it signs can be valid any more."""
        return self.ends <= now


class CAExpired(IssuerBroken):
    """The CA, or one above it, has expired: no request can be served until it is rotated."""

    def __init__(self, ca: CAValidity, advice: str = "") -> None:
        which = f"{ca.first_to_end} in the chain of the CA" if ca.first_to_end else "the CA"
        super().__init__(
            ControllerIssuerReason.CA_EXPIRED,
            f"{which} behind {ca.path} expired at {rfc3339(ca.ends)}. Rotate it; requests wait until then"
            + (f". {advice}" if advice else ""),
        )
        self.ca = ca


def check_not_expired(known: CAValidity | None, seen: CAValidity | None, now: datetime) -> None:
    """Raise CAExpired where the CA that a check found has expired, unless certificates come from another one.

    `seen` is that other one, None where there is none.
    """
    if known is not None and known.has_expired(now) and (seen is None or seen.has_expired(now)):
        raise CAExpired(known)


@dataclass(slots=True)
class LongestIssued:
    """The longest life that was asked for and issued lately, so that its trouble can be reported ahead.

    A request that was refused doesn't count, nor one for more than the CA's own life: anyone can ask for a
    hundred years, and must not hide what others ask for.
    """

    duration: timedelta = timedelta()
    at: datetime | None = None

    def note(self, duration: timedelta | None, ca_life: timedelta, now: datetime) -> None:
        """Note that a CA of that life issued to a request for this; an old record makes room for it."""
        if duration is None or duration > ca_life:
            return
        if duration >= self.duration or self.at is None or now - self.at > LATELY:
            self.duration, self.at = duration, now


def requested_lifetime(
    duration: timedelta | None,
    ca: CAValidity | None,
    mode: Mode,
    now: datetime,
    unasked: timedelta = DEFAULT_LIFE,
) -> timedelta:
    """The life to ask the CA for: as asked, or shortened to end a little before the CA does.

    Who names no duration gets `unasked`, by default what cert-manager's own Vault issuer asks for then, or
    what is left of the CA if that is less: nobody asked for more. The role may give less, or cap it. Raises
    CAEndsTooSoon.
    """
    wanted = unasked if duration is None else duration
    if ca is None or now + wanted <= ca.ends:
        return wanted
    return shortened(ca, "Shorten" if duration is None else mode, now, asked=duration)


def shortened(ca: CAValidity, mode: Mode, now: datetime, asked: timedelta | None = None) -> timedelta:
    """Return what is left of the CA, if `mode` allows it and it is worth a certificate.

    Raises CAEndsTooSoon.
    """
    left = ca.ends - now - BEFORE_CA
    would = "" if asked is None else f", and the certificate would expire at {rfc3339(now + asked)}"
    ends = f"the CA behind {ca.path} expires at {rfc3339(ca.ends)}{would}"
    if left < SHORTEST_LIFE:
        raise CAEndsTooSoon(
            f"{ends}. What is left is less than {_text(SHORTEST_LIFE)}, which cert-manager would renew again "
            "and again: rotate the CA"
        )
    if mode == "Refuse":
        raise CAEndsTooSoon(
            f"{ends}. Ask for a duration of at most {_text(left)}, rotate the CA, or set the issuer's "
            "spec.caExpiry to Shorten"
        )
    return left


@dataclass(frozen=True, slots=True)
class ExpiryWarning:
    """Warning of a CA that soon ends before its certificates would.

    `ending` names the CA and its end, `advice` says for whom that matters and what to do. The advice changes
    with what is asked for and with the issuer's spec; it is the same warning then.
    """

    ending: str
    advice: str

    def __str__(self) -> str:
        return f"{self.ending}: {self.advice}"

    def stands_in(self, warnings: Iterable[str]) -> bool:
        """Return True if one of these warnings of an issuer's status is about the same end of the same CA."""
        return any(known.startswith(self.ending) for known in warnings)


def warning(ca: CAValidity, mode: Mode, longest: LongestIssued, now: datetime) -> ExpiryWarning | None:
    """Return the warning of a CA that soon ends before its certificates would, or None.

    Measured by the longest life asked for lately by a certificate that was issued, or cert-manager's default
    if that is longer (half of the CA's own life if that is short), and a month (at most a sixth of the CA's
    life) ahead. A life longer than the CA's own doesn't count: no CA of that kind ever serves it in full.
    Restarts and quiet weeks don't change it, and neither does the passing of time.
    """
    life = ca.ends - ca.begins
    usual = min(DEFAULT_LIFE, life / 2)
    measure = max(usual, longest.duration) if longest.duration <= life else usual
    begins = _before(ca.ends, measure)
    if now < _before(begins, min(_LEAD, life / 6)):
        return None
    happens = "refused" if mode == "Refuse" else "shortened"
    return ExpiryWarning(
        f"the CA behind {ca.path} expires at {rfc3339(ca.ends)}",
        f"from {rfc3339(begins)} on, certificates of {_text(measure)} are {happens} "
        f"(spec.caExpiry {mode}). Rotate it",
    )


def _before(moment: datetime, span: timedelta) -> datetime:
    """The moment less the span, or the earliest that Python can say: a CA may have ended in the year 1."""
    return moment - min(span, moment - EARLIEST)


def _text(duration: timedelta) -> str:
    """Return a duration in whole minutes, rounded down, as `spec.duration` is written."""
    return format_duration(duration // timedelta(minutes=1) * timedelta(minutes=1))
