"""Keys waiting to be reconciled: each at most once in the queue, and never in two hands at the same time.

The semantics are those of client-go's rate-limiting workqueue (k8s.io/client-go/util/workqueue): a key that
is added while it is worked on is handed out again after `done`; retries back off exponentially, here with
jitter, so that requests that failed together do not come back together. Who is next among the ready ones is
the ready queue's to say (`issuer.kube.queues.fairqueue`). For one event loop; not for threads.
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
    """The queue hands out no more keys: the worker ends."""


class WorkQueue(Generic[K]):
    """`first` and `longest` bound the back-off of a key, in seconds; `clock` and `jitter` are for tests.

    `ready` orders the keys that are ready; first come, first served without it.
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
        """How many keys wait to be handed out."""
        return len(self._ready)

    @property
    def in_hand(self) -> int:
        """How many keys are being worked on."""
        return len(self._in_hand)

    @property
    def delayed(self) -> int:
        """How many keys wait for their time."""
        return len(self._timers)

    @property
    def oldest_age(self) -> float:
        """Seconds the key that is queued for longest has waited; 0 when none is waiting."""
        first = next((since for key, since in self._waiting_since.items() if key not in self._in_hand), None)
        return 0.0 if first is None else self._clock() - first

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def failures(self, key: K) -> int:
        """How often `key` was retried since it was last forgotten."""
        return self._failures.get(key, 0)

    def where(self, key: K) -> Literal["line", "work"] | None:
        """Whether `key` is being worked on, or waits to be handed out."""
        if key in self._in_hand:
            return "work"
        return "line" if key in self._waiting_since else None

    def add(self, key: K) -> None:
        """Hand out `key` as soon as a worker is free; no effect when it waits already."""
        if self._closed or key in self._waiting_since:
            return
        self._waiting_since[key] = self._clock()
        self._idle.clear()
        if key not in self._in_hand:
            self._ready.add(key)
            if self._ready.has_ready:
                self._wake()

    def add_after(self, key: K, seconds: float) -> None:
        """`add` after `seconds`; when it waits for an earlier time already, that one stays."""
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

    def retry(self, key: K, at_least: float | None = None) -> float:
        """Add `key` after its back-off, which doubles each time until `forget`; the delay in seconds.

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
        """`key` went well (or is gone): its next retry starts from the first back-off again."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """The next key; the caller must call `done` with it. Raises QueueClosed once the queue is closed."""
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
        """The work on `key` ended, however it went. Hands it out again when it was added meanwhile."""
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
        """Hand out nothing more and take nothing more in; work in hand goes on and ends with `done`."""
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
        """Wait until no key is in hand and none is ready (keys that wait for their time do not count)."""
        await self._idle.wait()

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)

    def _settle(self) -> None:
        if not self._in_hand and not self._waiting_since:
            self._idle.set()

    def _wake(self) -> None:
        """Let one worker look whether there is a key."""
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
