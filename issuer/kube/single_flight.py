"""A cache of the API server's yes or no, with one request in flight a key however many callers wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class SingleFlightCache(Generic[K]):
    """Booleans by key, each kept for `seconds` after it was requested; at most `most` of them.

    Errors aren't kept. A caller that is cancelled while it waits doesn't cancel the request for the others.
    """

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic, most: int = 10_000
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._most = most
        self._known: dict[K, tuple[float, asyncio.Future[bool]]] = {}

    def clear(self) -> None:
        """Forget all answers."""
        self._known.clear()

    async def get(self, question: K, ask: Callable[[], Awaitable[bool]]) -> bool:
        """Return the answer to `question`, from `ask` unless it is kept or in flight; raises its errors."""
        now = self._clock()
        known = self._known.get(question)
        if known is not None and (not known[1].done() or known[0] > now):
            return await asyncio.shield(known[1])
        self._make_room(now)
        asked = asyncio.ensure_future(ask())
        self._known[question] = (now + self._seconds, asked)
        asked.add_done_callback(lambda done: self._forget_failure(question, done))
        return await asyncio.shield(asked)

    def _forget_failure(self, question: K, done: asyncio.Future[bool]) -> None:
        if done.cancelled() or done.exception() is not None:
            known = self._known.get(question)
            if known is not None and known[1] is done:
                del self._known[question]

    def _make_room(self, now: float) -> None:
        if len(self._known) < self._most:
            return
        self._known = {question: known for question, known in self._known.items() if known[0] > now}
        if len(self._known) >= self._most:
            self._known.clear()
