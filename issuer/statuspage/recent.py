"""The last finished requests of each outcome, and certificates per second of the last minute."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Final

from issuer.statuspage.model import FinishedRequest, Outcome
from issuer.text import clip

KEPT: Final = 200
"""Answers of each outcome that are remembered, so that a flood of one doesn't push the others out."""

SECONDS: Final = 60
_LONGEST: Final = 512  # characters of a message


class Recent:
    """Collects finished requests; bounded, however many come."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[Outcome, OrderedDict[str, FinishedRequest]] = {
            "issued": OrderedDict(),
            "denied": OrderedDict(),
            "failed": OrderedDict(),
        }
        self._numbers = count()
        self._seconds = [0] * (SECONDS + 1)  # the last is the second that still runs
        self._now = int(clock())
        self.totals: Counter[str] = Counter()
        """Answers by outcome since the start."""

    def add(self, answer: FinishedRequest) -> None:
        """Take a finished request."""
        self._keep(answer)
        self.totals[answer.outcome] += 1
        if answer.outcome == "issued":
            self._turn()
            self._seconds[-1] += 1

    def _keep(self, answer: FinishedRequest) -> None:
        """Keep an answer, with what was denied or failed before for the same Certificate as one.

        What was issued is no retry: each certificate stands alone.
        """
        kept = self._last[answer.outcome]
        retried = answer.certificate if answer.outcome != "issued" else ""
        before = kept.pop(retried, None) if retried else None
        if before is not None:
            answer = replace(answer, tries=before.tries + 1, first=before.first or before.at)
        kept[retried or str(next(self._numbers))] = answer
        if len(kept) > KEPT:
            kept.popitem(last=False)

    def last(self, outcome: Outcome) -> tuple[FinishedRequest, ...]:
        """Return the last requests of that outcome, the newest first."""
        return tuple(reversed(self._last[outcome].values()))

    def per_second(self) -> tuple[int, ...]:
        """Return the certificates of each of the last 60 whole seconds, the newest last."""
        self._turn()
        return tuple(self._seconds[:-1])

    def _turn(self) -> None:
        now = int(self._clock())
        passed = min(now - self._now, SECONDS + 1)
        if passed > 0:
            self._seconds = [*self._seconds[passed:], *([0] * passed)]
            self._now = now


def shortened(message: str) -> str:
    """Cut a message to the length that is kept."""
    return clip(message, _LONGEST)
