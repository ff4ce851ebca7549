"""Requests that met a passing fault of their issuer, and come back once another request is served.

Each waits for its own back-off, which has grown to a minute in an outage of minutes. The first that is served
shows that the outage is over, so that the others needn't wait for theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from issuer.reasons import RetryReason
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey

FIRST_PAUSE: Final = 1.0
"""Seconds until a request may be tried that failed again after others were served; doubled each time."""

LONGEST_PAUSE: Final = 60.0
"""The most seconds of that pause."""

_MAX_DOUBLINGS: Final = 10


@dataclass(slots=True)
class _Group:
    """Requests of one issuer that were put off for one reason.

    `shared` is True for a reason that the issuer's other requests are likely to meet, too.
    """

    shared: bool
    requests: dict[RequestKey, None] = field(default_factory=dict)


class PutOffRequests:
    """Requests that were put off, by issuer and reason.

    `hasten` brings a request's next attempt forward, to so many seconds from now at the latest. It only puts
    requests into their queue: how many are sent at once is up to the issuer's limits.
    """

    def __init__(self, hasten: Callable[[RequestKey, float], None]) -> None:
        self._hasten = hasten
        self._groups: dict[IssuerKey, dict[RetryReason, _Group]] = {}
        self._reasons: dict[RequestKey, tuple[IssuerKey, RetryReason]] = {}
        self._hastened: dict[RequestKey, int] = {}

    def __len__(self) -> int:
        return len(self._reasons)

    def known(self) -> tuple[RequestKey, ...]:
        """Return the requests of which something is remembered."""
        return tuple({**self._reasons, **self._hastened})

    def add(self, request: RequestKey, issuer: IssuerKey, reason: RetryReason, *, shared: bool) -> None:
        """Note that a request was put off; a reason of before counts no longer."""
        self._leave(request)
        groups = self._groups.setdefault(issuer, {})
        groups.setdefault(reason, _Group(shared)).requests[request] = None
        self._reasons[request] = issuer, reason

    def served(self, request: RequestKey, issuer: IssuerKey) -> None:
        """Bring others forward, as the issuer's CA took this request: those that were put off for the reason
        that this one had, and for those that are shared."""
        _, own = self._reasons.get(request, (issuer, None))
        self.forget(request)
        self._bring_forward(issuer, own)

    def recovered(self, issuer: IssuerKey) -> None:
        """Bring forward what was put off for shared reasons, as the issuer is Ready again."""
        self._bring_forward(issuer, None)

    def forget(self, request: RequestKey) -> None:
        """Forget a request that was answered, is gone, or is another replica's."""
        self._leave(request)
        self._hastened.pop(request, None)

    def _bring_forward(self, issuer: IssuerKey, own: RetryReason | None) -> None:
        for request in list(self._ended(issuer, own)):
            self._leave(request)
            # One that fails while others are served has a fault of its own: it must not be sent at each of
            # their certificates.
            times = self._hastened.get(request, 0)
            self._hastened[request] = times + 1
            self._hasten(request, _pause(times))

    def _ended(self, issuer: IssuerKey, own: RetryReason | None) -> Iterator[RequestKey]:
        for reason, group in self._groups.get(issuer, {}).items():
            if group.shared or reason == own:
                yield from group.requests

    def _leave(self, request: RequestKey) -> None:
        known = self._reasons.pop(request, None)
        if known is None:
            return
        issuer, reason = known
        groups = self._groups[issuer]
        del groups[reason].requests[request]
        if not groups[reason].requests:
            del groups[reason]
            if not groups:
                del self._groups[issuer]


def _pause(times: int) -> float:
    """Return the seconds to wait for a request that was brought forward so often: none at first."""
    if not times:
        return 0.0
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(times - 1, _MAX_DOUBLINGS))
