"""Work queue: each key is queued at most once, and never in progress twice at the same time.

The semantics are those of client-go's rate-limiting workqueue (k8s.io/client-go/util/workqueue): a key that
is added while it is in progress is handed out again after `done`; retries back off exponentially, here with
jitter, so that requests that failed together do not come back together. The order of the ready keys is
`issuer.kube.queues.fairqueue`'s. For one event loop; not for threads.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Final, Generic, Literal, TypeVar

from issuer.kube.queues.fairqueue import Fifo, ReadyQueue

K = TypeVar("K", bound=Hashable)

FIRST_RETRY: Final = 0.2
"""Seconds before the first retry, without jitter."""

LONGEST_RETRY: Final = 300.0
"""Seconds the back-off of one key never passes, without jitter."""

_MAX_DOUBLINGS: Final = 32  # 2**32 is beyond any cap; keeps the power small for keys that fail for days


class QueueClosed(Exception):
    """Raised by `get` when the queue hands out no more keys: the worker ends."""


class WorkQueue(Generic[K]):
    """Keys to be worked on, in the order of `ready` (default: first come, first served).

    `first` and `longest` bound the back-off of a key, in seconds; `clock` and `jitter` are for tests.
    """

    def __init__(
        self,
        ready: ReadyQueue[K] | None = None,
        *,
        first: float = FIRST_RETRY,
        longest: float = LONGEST_RETRY,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._longest = longest
        self._clock = clock
        self._jitter = jitter
        self._ready: ReadyQueue[K] = Fifo() if ready is None else ready
        self._ready.on_ready(self._wake)
        self._waiting_since: dict[K, float] = {}  # keys to be worked on: queued, or in progress and again
        self._in_hand: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._getters: deque[asyncio.Future[None]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    @property
    def depth(self) -> int:
        """The number of keys that wait to be handed out."""
        return len(self._ready)

    @property
    def in_hand(self) -> int:
        """The number of keys in progress."""
        return len(self._in_hand)

    @property
    def delayed(self) -> int:
        """The number of keys that are added later, when their time has come."""
        return len(self._timers)

    @property
    def oldest_age(self) -> float:
        """The longest time a queued key has waited, in seconds; 0 if none is queued."""
        first = next((since for key, since in self._waiting_since.items() if key not in self._in_hand), None)
        return 0.0 if first is None else self._clock() - first

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self._closed

    def failures(self, key: K) -> int:
        """Return the number of retries of `key` since it was last forgotten."""
        return self._failures.get(key, 0)

    def where(self, key: K) -> Literal["line", "work"] | None:
        """Return "work" if `key` is in progress, "line" if it is queued, else None."""
        if key in self._in_hand:
            return "work"
        return "line" if key in self._waiting_since else None

    def add(self, key: K) -> None:
        """Hand out `key` as soon as a worker is free; do nothing if it is queued already."""
        if self._closed or key in self._waiting_since:
            return
        self._waiting_since[key] = self._clock()
        self._idle.clear()
        if key not in self._in_hand:
            self._ready.add(key)
            if self._ready.has_ready:
                self._wake()

    def add_after(self, key: K, seconds: float) -> None:
        """Add `key` after that many seconds; an earlier time that was set before stays."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def hasten(self, key: K, seconds: float) -> None:
        """Add `key`, if it waits for its time, after that many seconds at the latest; its back-off stays."""
        timer = self._timers.get(key)
        if timer is None or timer.when() <= asyncio.get_running_loop().time() + seconds:
            return
        timer.cancel()
        del self._timers[key]
        self.add_after(key, seconds)

    def retry(self, key: K, at_least: float | None = None) -> float:
        """Add `key` after its back-off, which doubles each time until `forget`; return the delay in seconds.

        The back-off is spread over its upper half. `at_least` lengthens it, as when a server said when to
        come back.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(self._longest, self._first * 2.0 ** min(failures, _MAX_DOUBLINGS))
        delay *= 0.5 + self._jitter() / 2
        if at_least is not None and at_least > delay:
            delay = at_least * (1 + self._jitter() / 10)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """Reset the back-off of `key`, which succeeded or is gone."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Wait for the next key; the caller must call `done` with it. Raises QueueClosed after `close`."""
        while not self._closed:
            key = self._ready.take()
            if key is not None:
                del self._waiting_since[key]
                self._in_hand.add(key)
                if self._ready.has_ready:
                    self._wake()  # one event can let several go
                return key
            await self._woken()
        raise QueueClosed

    def done(self, key: K) -> None:
        """End the work on `key`, successful or not; hand it out again if it was added meanwhile."""
        self._in_hand.discard(key)
        self._ready.done(key)
        if key in self._waiting_since and not self._closed:
            # It waited behind its own work: its place is at the end, and so is its age for `oldest_age`.
            self._waiting_since[key] = self._waiting_since.pop(key)
            self._ready.add(key)
        if self._ready.has_ready:
            self._wake()  # for this key, or for another that could not go before
        self._settle()

    def close(self) -> None:
        """Hand out and accept no more keys; work in progress goes on and ends with `done`."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._ready.clear()
        self._waiting_since.clear()
        while self._getters:
            self._wake()
        self._settle()

    async def drained(self) -> None:
        """Wait until no key is queued or in progress; delayed keys don't count."""
        await self._idle.wait()

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)

    def _settle(self) -> None:
        if not self._in_hand and not self._waiting_since:
            self._idle.set()

    def _wake(self) -> None:
        """Let one waiting worker try to take a key."""
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    async def _woken(self) -> None:
        getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._getters.append(getter)
        try:
            await getter
        except asyncio.CancelledError:
            if getter.done() and not getter.cancelled():
                self._wake()  # it was woken for a key it will not take: another worker must
            else:
                self._getters.remove(getter)
            raise
