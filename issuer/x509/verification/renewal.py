"""The time at which cert-manager renews a certificate, by its own rules. Pure.

Source: cert-manager 1.21 `pkg/util/pki/renewaltime.go`, `desiredRenewalTime`. Windows of `spec.renewal` are
left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from issuer.duration import format_seconds

_AHEAD: Final = timedelta(minutes=15)
"""The time that a certificate should be in use before it is renewed, unless its owner wants it sooner."""
_AGAIN: Final = "cert-manager would renew it again and again"


@dataclass(frozen=True, slots=True)
class Renewal:
    """A Certificate's settings of its renewal: `spec.renewBefore` and `spec.renewBeforePercentage`.

    `never` is True where `spec.renewal.policy` is Disabled. Without any of them, cert-manager renews after
    two thirds of a certificate's life.
    """

    before: timedelta | None = None
    percentage: int | None = None
    never: bool = False

    @property
    def is_set(self) -> bool:
        """Return True if the owner says when to renew."""
        return self.before is not None or self.percentage is not None

    def ahead(self, life: timedelta) -> timedelta:
        """Return how long before its end a certificate is renewed that lives so long from its notBefore."""
        return self._rule(life)[0]

    def is_due_at_once(self, begin: datetime, end: datetime, now: datetime, wanted: timedelta) -> bool:
        """Return True if a certificate would be renewed as soon as it is there, and so would the next one.

        An owner who asks for a life of `wanted`, and for a renewal soon after, gets that: it is too soon
        where less than half of that time is left of it.
        """
        if self.never or now >= end:
            return False
        least = min(_AHEAD, (end - now) / 10)
        if self.is_set:
            least = min(least, (wanted - self.ahead(wanted)) / 2)
        return end - self.ahead(end - begin) - now < least

    def problem(self, begin: datetime, end: datetime, now: datetime, wanted: timedelta) -> str:
        """Return the clause that says why it would be renewed again and again, and what ends that."""
        life, left = end - begin, end - now
        setting = self._rule(life)[1]
        if setting is None:
            return _AGAIN
        ways = f"Set {setting[0]} to {_rounded(life / 3) if self.before else 33} or less"
        if left < wanted - _AHEAD:
            ways += f", or have the CA give the {format_seconds(wanted)} that were asked for"
        return f"with {setting[0]} {setting[1]} {_AGAIN}, as it lives {format_seconds(life)}. {ways}"

    def _rule(self, life: timedelta) -> tuple[timedelta, tuple[str, str] | None]:
        """Return how long before the end, and the field with its value that says so (None: the default)."""
        if self.before is not None and timedelta() < self.before < life:
            return self.before, ("spec.renewBefore", format_seconds(self.before))
        if self.percentage is not None and 0 < self.percentage < 100:
            return life * self.percentage / 100, ("spec.renewBeforePercentage", str(self.percentage))
        return life / 3, None


def _rounded(life: timedelta) -> str:
    """Return a duration in whole hours, or in whole minutes where it is short, rounded down."""
    unit = timedelta(hours=1) if life >= timedelta(hours=3) else timedelta(minutes=1)
    return format_seconds(life // unit * unit)


DEFAULT_RENEWAL: Final = Renewal()
"""The renewal of a certificate whose owner says nothing, or isn't known."""
