"""Time of a test's own: a clock that it sets, and an event loop whose clock jumps to the next timer, so that
hours of waiting take no time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")


class SetClock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


_TURN: Final = 1e-6
"""Seconds that each turn of the loop takes: a timer of a rounding error would be set again and again else."""


class _Skipping(selectors.SelectSelector):
    """Skips each wait, and counts how long it would have been."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if timeout is None and not found:
            raise RuntimeError("every task waits, and no timer is set: this would hang")
        self.skipped += _TURN if found or not timeout else timeout + _TURN
        return found


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`time()` begins at 0, in seconds, and advances by waiting alone."""

    def __init__(self) -> None:
        self._skipping = _Skipping()
        super().__init__(self._skipping)

    def time(self) -> float:
        """Return the seconds that were waited so far."""
        return self._skipping.skipped


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
