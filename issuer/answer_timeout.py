"""A bound on the time of a call that doesn't count time in which this process didn't run.

A process that is frozen, or has no processor for a while, finds an answer and the end of its time-out at the
same moment. Broken off then, a signing call would be made again, although its certificate lies in the socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

LATE: Final = 0.1
"""Seconds after its moment at which a timer tells that the process did not run: an event loop with much to do
is late by some hundredths of a second."""

_PASSES: Final = 100
"""Passes of the event loop in which what has arrived is read at the end: TLS takes 16 KiB in one, and a CA's
answer has 1 MiB at most."""


@asynccontextmanager
async def answer_timeout(seconds: float) -> AsyncIterator[None]:
    """Raise TimeoutError at what is inside after `seconds`, but not for an answer that has arrived by then.

    Time in which the process didn't run is given once more, at most `seconds` in all: what was sent to a
    suspended machine is sent again a while later. Otherwise like `asyncio.timeout`.
    """
    async with asyncio.timeout(None) as bound:
        end = _End(bound, seconds)
        try:
            yield
        finally:
            end.cancel()


class _End:
    """The end of a time-out, which is put off while the process is late."""

    __slots__ = ("_bound", "_due", "_loop", "_timer", "_to_give")

    def __init__(self, bound: asyncio.Timeout, seconds: float) -> None:
        self._bound = bound
        self._loop = asyncio.get_running_loop()
        self._to_give = seconds
        self._set(seconds)

    def cancel(self) -> None:
        """Let the call go on without a bound."""
        self._timer.cancel()

    def _set(self, seconds: float) -> None:
        self._due = self._loop.time() + seconds
        self._timer: asyncio.Handle = self._loop.call_at(self._due, self._is_due)

    def _is_due(self) -> None:
        late = self._loop.time() - self._due
        given = min(late, self._to_give) if late > LATE else 0.0
        if given > 0:
            self._to_give -= given
            self._set(given)
        else:
            self._read_on(_PASSES)

    def _read_on(self, passes: int) -> None:
        if passes:
            self._timer = self._loop.call_soon(self._read_on, passes - 1)
        else:
            self._bound.reschedule(self._loop.time())
