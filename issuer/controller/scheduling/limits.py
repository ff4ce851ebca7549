"""Limits of one issuer: concurrent requests, and signing calls per second.

An issuer's limiter is asked before each of its requests is handed out (`kube/queues/fairqueue`), so a
request that has to wait costs no worker and no write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from issuer.api.issuers import RateLimit
from issuer.bounded import TokenBucket
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.kube.queues.fairqueue import Throttled
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey
from issuer.telemetry.metrics import Metrics

Clock = Callable[[], float]

SILENT_AFTER: Final = 2.0
"""Seconds without any answer after which an issuer with signing calls under way gets no further requests."""

LONGEST_PAUSE: Final = 60.0
"""Seconds a Retry-After holds back a whole issuer at most."""

_PAUSE: Final = 1.0  # where a 429 does not say for how long
_HELD_AGAIN: Final = 0.25
"""Seconds after which an issuer is asked again that has signed as much as may wait to be written."""

_NONE: Final[Set[RequestKey]] = frozenset()


@dataclass(slots=True)
class Bucket:
    """Tokens of a rate limit, some of them set aside.

    A token is set aside for each request that is handed out and spent when its signing call begins, so in
    any t seconds at most the burst and t times the rate are signed. Those set aside still fill the bucket.
    """

    clock: Clock
    tokens: TokenBucket | None = None
    aside: set[RequestKey] = field(default_factory=set)

    def wait(self, limit: RateLimit) -> Throttled | None:
        """Return None if there is a token that isn't set aside, else how long to wait for one."""
        wanted, tokens = len(self.aside) + 1, self._tokens(limit)
        seconds = tokens.wait(wanted)
        if not seconds:
            return None
        # If all that fit are set aside, time brings no more.
        return Throttled("rate", seconds if wanted <= tokens.burst else None)

    def spend(self, key: RequestKey, limit: RateLimit) -> None:
        """Spend a token for a signing call; one that none was set aside for leaves a debt."""
        self._tokens(limit).spend()
        self.aside.discard(key)

    def give_back(self, key: RequestKey, limit: RateLimit, *, in_hand: bool) -> None:
        """Put back what was spent for a call that was not sent; the request, if in hand, may send another."""
        self._tokens(limit).give_back()
        if in_hand:
            self.aside.add(key)

    def _tokens(self, limit: RateLimit) -> TokenBucket:
        rate, burst = _rate(limit)
        if self.tokens is None:
            self.tokens = TokenBucket(rate, burst, self.clock)
        self.tokens.rate, self.tokens.burst = rate, burst
        return self.tokens


def _rate(limit: RateLimit) -> tuple[int, int]:
    rate = limit.per_second or 1
    return rate, limit.burst or rate


class IssuerLimiter:
    """Lets requests of one issuer go, or says why none may.

    `limit` is its `spec.rateLimit` as it is now; `concurrent` holds where that says nothing. `on_wait`
    hears how long requests stood before it, and why. `held` are the requests whose certificates are signed
    and not yet written: together with those in hand they are never more than may be in hand.
    """

    def __init__(
        self,
        limit: Callable[[], RateLimit | None],
        concurrent: int,
        on_wait: Callable[[str, float], None],
        clock: Clock = time.monotonic,
        held: Callable[[], Set[RequestKey]] = lambda: _NONE,
    ) -> None:
        self._limit = limit
        self._concurrent = concurrent
        self._on_wait = on_wait
        self._clock = clock
        self._held = held
        self._bucket = Bucket(clock)
        self._in_hand: set[RequestKey] = set()
        self._signing: set[RequestKey] = set()
        self._calls = 0
        self._heard = 0.0  # when the last signing call ended, or the first of those under way began
        self._paused_until = 0.0

    @property
    def idle(self) -> bool:
        """True if nothing of it is in hand."""
        return not self._in_hand

    def throttled(self) -> Throttled | None:
        """Return why no further request may go now, or None."""
        now, limit = self._clock(), self._limit()
        if len(self._in_hand) >= self.most:
            return Throttled("concurrent")
        if len(self._in_hand | self._held()) >= self.most:
            return Throttled("held", _HELD_AGAIN)
        if self._calls and now - self._heard > SILENT_AFTER:
            return Throttled("silent")
        if now < self._paused_until:
            return Throttled("vault", self._paused_until - now)
        if limit is None or limit.per_second is None:
            return None
        return self._bucket.wait(limit)

    def admit(self, key: RequestKey) -> None:
        """Note that a request is handed out."""
        self._in_hand.add(key)
        limit = self._limit()
        if limit is not None and limit.per_second is not None:
            self._bucket.aside.add(key)

    def done(self, key: RequestKey) -> None:
        """Note that a request is no longer worked on; a token it did not need is free again."""
        self._in_hand.discard(key)
        self._bucket.aside.discard(key)

    def waited(self, reason: str, seconds: float) -> None:
        """Requests were held back."""
        self._on_wait(reason, seconds)

    @property
    def most(self) -> int:
        """The most requests in hand, and certificates that are signed and not yet written."""
        limit = self._limit()
        return (limit and limit.concurrent) or self._concurrent

    @contextmanager
    def signing(self, key: RequestKey) -> Iterator[None]:
        """Around all that a request has signed, until its certificate is held or given up."""
        self._signing.add(key)
        try:
            yield
        finally:
            self._signing.discard(key)

    def has_room(self, key: RequestKey) -> bool:
        """Return True if this request may have a certificate signed beside those that aren't written yet.

        Asked just before it is: a request can be handed out past this limiter, where its issuer appears
        meanwhile, and the limit can be lowered.
        """
        return len((self._held() | self._signing) - {key}) < self.most

    @contextmanager
    def call(self, key: RequestKey, sent: Callable[[], bool] = lambda: True) -> Iterator[None]:
        """Around each signing call; `sent` tells at its end if any of it was sent, which costs the token."""
        now, limit = self._clock(), self._limit()
        if limit is not None and limit.per_second is not None:
            self._bucket.spend(key, limit)
        if not self._calls:
            self._heard = now
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            self._heard = self._clock()
            if limit is not None and limit.per_second is not None and not sent():
                self._bucket.give_back(key, limit, in_hand=key in self._in_hand)

    def pause(self, seconds: float | None) -> None:
        """Hold back: the backend said that there are too many calls, and perhaps when to come back."""
        wanted = _PAUSE if seconds is None else min(seconds, LONGEST_PAUSE)
        self._paused_until = max(self._paused_until, self._clock() + wanted)


class Limits:
    """The limiter of each issuer; `concurrent` is for those whose spec says nothing of it.

    `held` returns the requests of an issuer whose certificates are signed and not yet written.
    """

    def __init__(
        self,
        registry: IssuerRegistry,
        metrics: Metrics,
        concurrent: int,
        held: Callable[[IssuerKey], Set[RequestKey]] = lambda _issuer: _NONE,
    ) -> None:
        self._held = held
        self._registry = registry
        self._metrics = metrics
        self._concurrent = concurrent
        self._limiters: dict[IssuerKey, IssuerLimiter] = {}

    def limiter(self, issuer: IssuerKey) -> IssuerLimiter:
        """The issuer's limiter, made when it is asked for first."""
        found = self._limiters.get(issuer)
        if found is None:
            found = self._limiters[issuer] = IssuerLimiter(
                lambda: self._spec(issuer),
                self._concurrent,
                partial(self._waited, issuer),
                held=partial(self._held, issuer),
            )
        return found

    def most(self, issuer: IssuerKey) -> int:
        """Return how many certificates of that issuer may be signed and not yet written."""
        return self.limiter(issuer).most

    def _waited(self, issuer: IssuerKey, reason: str, seconds: float) -> None:
        entry = self._registry.find(issuer)
        if entry is not None and entry.uid:  # the series of one that is gone are gone, too
            self._metrics.throttled.labels(*self._metrics.issuers.labels(issuer), reason).inc(seconds)

    def forget(self, issuer: IssuerKey) -> None:
        """Forget the limiter of an issuer that is gone."""
        limiter = self._limiters.get(issuer)
        if limiter is not None and limiter.idle:
            del self._limiters[issuer]

    def _spec(self, issuer: IssuerKey) -> RateLimit | None:
        entry = self._registry.find(issuer)
        return None if entry is None or entry.spec is None else entry.spec.rate_limit
