"""Writes that approve or deny, paced so that cert-manager's webhook needn't ask about each of them.

The webhook asks the API server whether we may approve (a SubjectAccessReview), and remembers the answer for
one second. Its client may ask five times a second, ten at once at most. So many writes that arrive together
when the answer has just aged would each ask, and wait for seconds. Here few are under way around that moment;
as soon as one that must have asked is done, all may go on. Source: cert-manager 1.21 `internal/webhook`,
`buildAdmissionChain`; client-go's default QPS and burst.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

REMEMBERED: Final = 1.0
"""Seconds for which the webhook believes an answer."""
FEW: Final = 4
"""Writes under way while the answer may be old: fewer than the questions the webhook can ask in a second."""
FEW_EACH: Final = 1
"""The same where several replicas share the work: the webhook remembers an answer for each of them."""
# Seconds from sending a write until the webhook has looked at it, at most, where the server is busy.
_ON_ITS_WAY: Final = 0.2
_APART: Final = 0.02


class ApprovalPace:
    """One pace for all issuers of a kind, as the right to approve is granted for a kind."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, few: int = FEW) -> None:
        self._clock = clock
        self._few = few
        self._open_until = 0.0
        self._asks_after = 0.0  # a write that begins later can't meet an answer from before `_open_until`
        self._asked_since: float | None = None  # when the first of these few was sent
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until a write may be sent; leave when it is answered."""
        if self._clock() < self._open_until:
            yield
            return
        await self._take_place()
        began, answered = self._clock(), False
        if self._asked_since is None:
            self._asked_since = began
        try:
            yield
            answered = True
        finally:
            self._leave(began, answered)

    async def _take_place(self) -> None:
        while self._under_way >= self._few and self._clock() >= self._open_until:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._wake(1)  # the place it was woken for is another's
                raise
        self._under_way += 1

    def _leave(self, began: float, answered: bool) -> None:
        self._under_way -= 1
        if answered and self._asked_since is not None and began >= self._asks_after:
            # The oldest answer that the webhook can hold now is that of the first of the few.
            self._open_until = self._asked_since + REMEMBERED - _ON_ITS_WAY
            self._asks_after = self._clock() + REMEMBERED + _APART
            self._asked_since = None
        self._wake(len(self._waiting) if self._clock() < self._open_until else 1)

    def _wake(self, count: int) -> None:
        while count > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                count -= 1


class ApprovalPaces:
    """Paces by kind of issuer; `few` as in `ApprovalPace`."""

    def __init__(self, few: int = FEW) -> None:
        self._few = few
        self._paces: dict[str, ApprovalPace] = {}

    @asynccontextmanager
    async def turn(self, kind: str | None) -> AsyncIterator[None]:
        """Wait for that kind of issuer's pace; `kind` is None for writes that neither approve nor deny."""
        if kind is None:
            yield
            return
        async with self._pace(kind).turn():
            yield

    def _pace(self, kind: str) -> ApprovalPace:
        found = self._paces.get(kind)
        if found is None:
            found = self._paces[kind] = ApprovalPace(few=self._few)
        return found
