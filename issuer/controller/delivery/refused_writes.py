"""Certificates whose status can't be written for their request's sake: whom that holds up, and until when.

Rules (RBAC, admission, validation) refuse the write of one object, of those of one namespace, or of all; and
whoever changes a request again and again has each write meet a newer copy. Elsewhere things go on: few
certificates are kept for one place. All of them count against their issuer's limit of certificates that are
signed and not yet written; where they leave no room for other places, the one that was refused longest is
given up. Pure but for the clock.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from issuer.controller.state.pending import PendingDelivery
from issuer.kube.errors import AdmissionFailed, Conflict, KubeError, is_refusal
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey

MOST_REFUSED: Final = 3
"""Refused certificates of one place at which nothing more is signed for it. One or two may be refused for
what stands in their own requests."""

MOST_PLACES: Final = 3
"""Places with a refused certificate, and no write gone through meanwhile, at which it counts as a rule for
all."""

GIVEN_UP_AFTER: Final = 3600.0
"""Seconds of refusals after which a certificate is revoked, if others were written meanwhile: its request
would hold a place as long as it lives. For as long one that was given up counts in its place."""

ADMISSION_PATIENCE: Final = 60.0
"""Seconds for which a webhook that fails counts as an outage: it may be restarting."""

CHANGES_PATIENCE: Final = 5.0
"""Seconds for which changes without end count as chance: several controllers may work on a new request."""


class KeepsChanging(Conflict):
    """409 at each of several writes in a row, each made from the newest copy: somebody changes the object
    again and again."""


@dataclass(slots=True)
class _Refused:
    """`by_rule` is False where somebody changes the request: that is never a rule for all."""

    place: str
    issuer: IssuerKey
    first: float
    counts: bool = False
    by_rule: bool = True


@dataclass(slots=True, eq=False)
class RefusedWrites:
    """Refused certificates by place: their request's namespace, or the issuer of requests that have none.

    `most` returns how many certificates of an issuer may be signed and not yet written.
    """

    clock: Callable[[], float] = time.monotonic
    most: Callable[[IssuerKey], int] = lambda _issuer: sys.maxsize
    _of: dict[RequestKey, _Refused] = field(default_factory=dict)
    _given_up: dict[str, dict[RequestKey, float]] = field(default_factory=dict)
    _last_written: float = float("-inf")

    def note(self, pending: PendingDelivery, error: KubeError) -> bool:
        """Note that a write failed so; return True if it counts as refused, not as met by an outage."""
        patience = _patience(error)
        if patience is None:
            return pending.key in self
        refused = self._of.setdefault(
            pending.key, _Refused(place_of(pending.key, pending.issuer), pending.issuer, self.clock())
        )
        refused.by_rule = not isinstance(error, KeepsChanging)
        if self.clock() - refused.first >= patience:
            refused.counts = True
        return refused.counts

    def written(self, key: RequestKey, issuer: IssuerKey) -> None:
        """Note that a certificate was written: its place's rule is mended."""
        self.settled(key)
        self._given_up.pop(place_of(key, issuer), None)
        self._last_written = self.clock()

    def gave_up(self, key: RequestKey, issuer: IssuerKey) -> None:
        """Note that a certificate is given up. It counts on: else the next would be signed in its place."""
        self.settled(key)
        now = self.clock()
        for place, given_up in list(self._given_up.items()):
            self._given_up[place] = {
                one: when for one, when in given_up.items() if now - when < GIVEN_UP_AFTER
            }
            if not self._given_up[place]:
                del self._given_up[place]
        self._given_up.setdefault(place_of(key, issuer), {})[key] = now

    def settled(self, key: RequestKey) -> None:
        """Note that a certificate is written or discarded."""
        self._of.pop(key, None)

    def __contains__(self, key: RequestKey) -> bool:
        known = self._of.get(key)
        return known is not None and known.counts

    def stops(self, key: RequestKey, issuer: IssuerKey) -> bool:
        """Return True if nothing more may be signed in the place of this request."""
        return len(self.refused_in_place(key, issuer)) >= MOST_REFUSED

    def refused_in_place(self, key: RequestKey, issuer: IssuerKey) -> list[RequestKey]:
        """Return the requests in the place of this one whose certificates are refused, or were given up."""
        given_up, now = self._given_up.get(place_of(key, issuer), {}), self.clock()
        lately = [one for one, when in given_up.items() if now - when < GIVEN_UP_AFTER]
        return [*self.beside(key, issuer), *lately]

    def beside(self, key: RequestKey, issuer: IssuerKey) -> list[RequestKey]:
        """Return the requests in the place of this one whose certificates are refused."""
        place = place_of(key, issuer)
        return [one for one, refused in self._of.items() if refused.counts and refused.place == place]

    @property
    def is_everywhere(self) -> bool:
        """True if it looks like a rule for all requests."""
        places = {
            one.place
            for one in self._of.values()
            if one.counts and one.by_rule and one.first > self._last_written
        }
        return len(places) >= MOST_PLACES

    def is_given_up(self, key: RequestKey) -> bool:
        """Return True if this one was refused for long, while others were written, or is in the way now."""
        known = self._of.get(key)
        if known is None or not known.counts:
            return False
        if self.clock() - known.first >= GIVEN_UP_AFTER and self._last_written > known.first:
            return True
        return self.in_the_way(known.issuer) == key

    def in_the_way(self, issuer: IssuerKey) -> RequestKey | None:
        """Return the request whose certificate leaves other places no room; None where they have some.

        All that the issuer may have unwritten is too much. More than half of it is, too, once others were
        written: until then it may be a rule for all. An issuer of one namespace has no others.
        """
        refused = {key: one for key, one in self._of.items() if one.counts and one.issuer == issuer}
        if not refused or issuer.namespace or self.is_everywhere:
            return None
        most, first = self.most(issuer), min(one.first for one in refused.values())
        if len(refused) < most and not (len(refused) > most // 2 and self._last_written > first):
            return None
        of_place = Counter(one.place for one in refused.values())
        return min(refused, key=lambda key: (-of_place[refused[key].place], refused[key].first))


def _patience(error: KubeError) -> float | None:
    """Return the seconds after which such a failure counts as a refusal; None where it never does."""
    if isinstance(error, AdmissionFailed):
        return ADMISSION_PATIENCE
    if isinstance(error, KeepsChanging):
        return CHANGES_PATIENCE
    return 0.0 if is_refusal(error) else None


def place_of(key: RequestKey, issuer: IssuerKey) -> str:
    """Return the place in which a request's refusal counts."""
    return key.namespace or str(issuer)
