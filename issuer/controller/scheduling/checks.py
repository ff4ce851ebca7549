"""The order of issuers' checks, so that none waits for another tenant's dead server.

Checks of cluster issuers and of namespaced ones have workers of their own, and so have those that take long.
A namespace has at most a quarter of the workers for all its issuers. A check that has not ended quickly is
broken off and begun again among those that may take long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from issuer.bounded import LruCache
from issuer.controller.scheduling.lookups import NAMESPACE
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.kube.queues.fairqueue import UNLIMITED, Limiter, QueueKey, Throttled
from issuer.kube.queues.partitions import PartitionedQueue
from issuer.requests.issuers import IssuerKey
from issuer.signing.backend import Backends
from issuer.signing.outcomes import IssuerUnavailable

T = TypeVar("T")

QUICK: Final = 3.0
"""Seconds within which a check of a sound issuer ends: login, chain and probe together are some 50 ms."""

EACH: Final = 4
"""A namespace has one worker of so many at most, and one at least: four that hold all of theirs, for `QUICK`
seconds each time a server is not known to be slow, hold up other namespaces and no cluster issuer."""

CALLS: Final = 4
"""Calls' timeouts after which a check is given up whose server answers every call, but each just in time."""

_MOST_SLOW: Final = 10_000  # servers that are remembered; one forgotten is found slow again


class CheckPool(Enum):
    """The workers that check an issuer."""

    CLUSTER = "cluster issuers"
    NAMESPACED = "issuers of namespaces"
    SLOW_CLUSTER = "cluster issuers whose server answers slowly"
    SLOW_NAMESPACED = "issuers of namespaces whose server answers slowly"


class TookLong(Exception):
    """A check did not end quickly: its next turn is among those that may take long."""


class CheckLimiter:
    """At most so many checks of one namespace at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._in_hand = 0

    def throttled(self) -> Throttled | None:
        """Return why no further check may begin now, or None."""
        return Throttled("concurrent") if self._in_hand >= self._most else None

    def admit(self, key: IssuerKey) -> None:
        """Note that a check begins."""
        self._in_hand += 1

    def done(self, key: IssuerKey) -> None:
        """Note that a check ended."""
        self._in_hand -= 1

    def waited(self, reason: str, seconds: float) -> None:
        """Ignore it: it is not measured."""


@dataclass(slots=True, eq=False)
class _Limiters:
    """The limiter of each namespace, for as long as anything stands before it or was admitted by it."""

    most: int
    found: WeakValueDictionary[tuple[CheckPool, str], CheckLimiter]

    def of(self, pool: CheckPool, namespace: str) -> CheckLimiter:
        limiter = self.found.get((pool, namespace))
        if limiter is None:
            limiter = self.found[pool, namespace] = CheckLimiter(self.most)
        return limiter


class CheckFlows:
    """The order of checks.

    Each pool has `workers`. `longest` is how long the slowest check may take, in seconds; `backends` give the
    server that an issuer names, and the reason of one whose check took longer.
    """

    def __init__(
        self,
        issuers: Mapping[str, IssuerStore],
        workers: int,
        longest: float,
        backends: Backends,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuers = issuers
        self._longest = longest
        self._backends = backends
        self._clock = clock
        self._limiters = _Limiters(max(1, workers // EACH), WeakValueDictionary())
        self._slow: LruCache[tuple[str, str], None] = LruCache(_MOST_SLOW)
        self.fair_queue: PartitionedQueue[IssuerKey] = PartitionedQueue(
            self.queue_key, self.pool, dict.fromkeys(CheckPool, workers)
        )

    def queue_key(self, key: IssuerKey) -> QueueKey[IssuerKey]:
        """Return tenant, limiter and flow of a check.

        Cluster issuers at one server are one tenant. A namespace is one with all of its issuers, and each of
        its servers is a flow.
        """
        server = self._server(key)
        if not key.namespace:
            return QueueKey(server, UNLIMITED, key)
        limiter: Limiter[IssuerKey] = self._limiters.of(self.pool(key), key.namespace)
        return QueueKey(key.namespace, limiter, server)

    def pool(self, key: IssuerKey) -> CheckPool:
        """Return the workers that check it, by what is known of its server now."""
        slow = self._standing(key) in self._slow
        if not key.namespace:
            return CheckPool.SLOW_CLUSTER if slow else CheckPool.CLUSTER
        return CheckPool.SLOW_NAMESPACED if slow else CheckPool.NAMESPACED

    async def bounded(self, key: IssuerKey, check: Awaitable[T]) -> T:
        """Return what `check` comes to.

        Raises TookLong where it has to be begun again among the slow ones, and IssuerUnavailable where it
        took too long even there.
        """
        patient = self.fair_queue.partition(key) in (CheckPool.SLOW_CLUSTER, CheckPool.SLOW_NAMESPACED)
        standing, began = self._standing(key), self._clock()
        seconds = self._longest if patient else QUICK
        namespace = NAMESPACE.set(key.namespace)
        try:
            async with asyncio.timeout(seconds) as limit:
                return await check
        except TimeoutError as error:
            if not limit.expired():
                raise
            if patient:
                raise IssuerUnavailable(
                    self._backends.of(key.kind).unreachable,
                    f"The check did not end in {seconds:g} seconds: {self._server(key)} answers too slowly",
                ) from error
            self._slow.put(standing, None)
            raise TookLong from error
        finally:
            NAMESPACE.reset(namespace)
            if patient and self._clock() - began < QUICK:
                self._slow.pop(standing)

    def _standing(self, key: IssuerKey) -> tuple[str, str]:
        return key.namespace, self._server(key)

    def _server(self, key: IssuerKey) -> str:
        obj = self._issuers[key.kind].get(key)
        # What is gone or can't be read costs no call to a server.
        return "" if obj is None else self._backends.server(key.kind, obj.get("spec") or {})
