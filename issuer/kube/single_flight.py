"""Answers of the API server that are believed for seconds, and asked for once however many want to know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Answers(Generic[K]):
    """Yes or no by question; each is believed for `seconds` after it was asked, and at most `most` are kept.

    An error isn't remembered. One who gives up waiting spoils nothing for the others.
    """

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic, most: int = 10_000
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._most = most
        self._known: dict[K, tuple[float, asyncio.Future[bool]]] = {}

    def clear(self) -> None:
        """Believe nothing any more: ask again."""
        self._known.clear()

    async def get(self, question: K, ask: Callable[[], Awaitable[bool]]) -> bool:
        """The answer, asked for unless it is known or on its way; raises what `ask` raises."""
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
