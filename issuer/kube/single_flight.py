"""A cache of the API server's yes or no, with one request in flight a key however many callers wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from issuer.bounded import TtlCache

K = TypeVar("K", bound=Hashable)


class Epochs:
    """A number for each namespace, another one after each change there: a part of the keys of what is
    remembered of namespaces, so that a change forgets what is of its namespace, at no cost for all others."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._changes = 0
        self._of: dict[str, int] = {}

    def of(self, namespace: str) -> int:
        """Return the number of a namespace."""
        return self._of.get(namespace, 0)

    def changed(self, namespace: str) -> bool:
        """Give a namespace another number; return True if all is to be forgotten, as they begin anew."""
        full = namespace not in self._of and len(self._of) >= self._most
        if full:
            self._of.clear()
        self._changes += 1
        self._of[namespace] = self._changes
        return full


class SingleFlightCache(Generic[K]):
    """Booleans by key, each kept for `seconds` after it was requested; at most `most` of them.

    Errors aren't kept. A caller that is cancelled while it waits doesn't cancel the request for the others.
    """

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic, most: int = 10_000
    ) -> None:
        self._seconds = seconds
        self._answers: TtlCache[K, asyncio.Future[bool]] = TtlCache(most, clock)

    def clear(self) -> None:
        """Forget all answers."""
        self._answers.clear()

    def forget(self, question: K) -> None:
        """Forget the answer to one question: the next caller asks."""
        self._answers.pop(question)

    def learn(self, question: K, answer: bool, age: float) -> None:
        """Keep an answer that the caller found by itself, `age` seconds ago at the most."""
        learnt: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        learnt.set_result(answer)
        self._answers.put(question, learnt, self._seconds - age)

    def still_yes(self, question: K) -> bool:
        """Return True if the last answer was yes and is still kept. Asks nobody."""
        answer = self._answers.get(question)
        if answer is None or not answer.done() or answer.cancelled() or answer.exception() is not None:
            return False
        return answer.result()

    async def get(self, question: K, ask: Callable[[], Awaitable[bool]]) -> bool:
        """Return the answer to `question`, from `ask` unless it is kept or in flight; raises its errors."""
        answer = self._answers.stale(question)
        if answer is None or (answer.done() and not self._answers.fresh(question)):
            answer = asyncio.ensure_future(ask())
            self._answers.put(question, answer, self._seconds)
            answer.add_done_callback(lambda done: self._forget_failure(question, done))
        return await asyncio.shield(answer)

    def _forget_failure(self, question: K, done: asyncio.Future[bool]) -> None:
        if (done.cancelled() or done.exception() is not None) and self._answers.stale(question) is done:
            self._answers.pop(question)
