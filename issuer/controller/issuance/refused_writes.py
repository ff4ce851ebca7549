"""Certificates whose status write the API server's rules refuse: whom that holds up, and until when.

Rules (RBAC, admission, validation) refuse the write of one object, of those of one namespace, or of all.
Elsewhere things go on: a certificate that is refused counts in its place, and no longer against its issuer's
limit of certificates that are signed and not yet written. Pure but for the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from issuer.controller.state.pending import PendingDelivery
from issuer.kube.errors import AdmissionFailed, KubeError, is_refusal
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
would hold a place as long as it lives."""

ADMISSION_PATIENCE: Final = 60.0
"""Seconds for which a webhook that fails counts as an outage: it may be restarting."""


@dataclass(slots=True)
class _Refused:
    place: str
    first: float
    counts: bool = False


@dataclass(slots=True, eq=False)
class RefusedWrites:
    """Refused certificates by place: their request's namespace, or the issuer of requests that have none."""

    clock: Callable[[], float] = time.monotonic
    _of: dict[RequestKey, _Refused] = field(default_factory=dict)
    _last_written: float = float("-inf")

    def note(self, pending: PendingDelivery, error: KubeError) -> bool:
        """Note that a write failed so; return True if it counts as refused, not as met by an outage."""
        fault = isinstance(error, AdmissionFailed)
        if not fault and not is_refusal(error):
            return pending.key in self
        refused = self._of.setdefault(
            pending.key, _Refused(place_of(pending.key, pending.issuer), self.clock())
        )
        if not fault or self.clock() - refused.first >= ADMISSION_PATIENCE:
            refused.counts = True
        return refused.counts

    def written(self, key: RequestKey) -> None:
        """Note that a certificate was written."""
        self.settled(key)
        self._last_written = self.clock()

    def settled(self, key: RequestKey) -> None:
        """Note that a certificate is written or discarded."""
        self._of.pop(key, None)

    def __contains__(self, key: RequestKey) -> bool:
        known = self._of.get(key)
        return known is not None and known.counts

    def stops(self, key: RequestKey, issuer: IssuerKey) -> bool:
        """Return True if nothing more may be signed in the place of this request."""
        return len(self.beside(key, issuer)) >= MOST_REFUSED

    def beside(self, key: RequestKey, issuer: IssuerKey) -> list[RequestKey]:
        """Return the requests in the place of this one whose certificates are refused."""
        place = place_of(key, issuer)
        return [one for one, refused in self._of.items() if refused.counts and refused.place == place]

    @property
    def is_everywhere(self) -> bool:
        """True if it looks like a rule for all requests."""
        places = {one.place for one in self._of.values() if one.counts and one.first > self._last_written}
        return len(places) >= MOST_PLACES

    def is_given_up(self, key: RequestKey) -> bool:
        """Return True if this one was refused for long, while others were written."""
        known = self._of.get(key)
        if known is None or not known.counts or self.clock() - known.first < GIVEN_UP_AFTER:
            return False
        return self._last_written > known.first


def place_of(key: RequestKey, issuer: IssuerKey) -> str:
    """Return the place in which a request's refusal counts."""
    return key.namespace or str(issuer)
