"""Certificates counted by when they end, for the status page; in slices, as there may be many."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final

from issuer.controller.state.watched.certificates import Certificate
from issuer.statuspage.model import EndingCertificate, Expiring

DAYS: Final = 14
STEP: Final = timedelta(hours=6)
SOONEST: Final = 20
"""How many are named."""

GRACE: Final = 300.0
"""Seconds after the planned time until a renewal counts as overdue: it takes a moment."""

_SLICE = 500
_STEPS = round(timedelta(days=DAYS) / STEP)


async def count_ends(certificates: Iterable[Certificate], now: datetime) -> Expiring:
    """Count the ends of certificates by time, from the beginning of this day (UTC) on."""
    found = tuple(certificates)
    count = _Count(now)
    for first in range(0, len(found), _SLICE):
        count.add(found[first : first + _SLICE])
        await asyncio.sleep(0)
    return count.result(len(found))


class _Count:
    def __init__(self, now: datetime) -> None:
        now = now.astimezone(UTC)
        self._now = now.timestamp()
        self._begins = datetime(now.year, now.month, now.day, tzinfo=UTC)
        self._on_time, self._late = [0] * _STEPS, [0] * _STEPS
        self._ended = self._overdue = 0
        self._soonest: list[Certificate] = []

    def add(self, some: Sequence[Certificate]) -> None:
        begins, step = self._begins.timestamp(), STEP.total_seconds()
        for one in some:
            late = self._is_late(one)
            self._overdue += late
            if one.not_after is None:
                continue
            if one.not_after <= self._now:
                self._ended += 1
                continue
            index = int((one.not_after - begins) // step)
            if index < _STEPS:
                (self._late if late else self._on_time)[index] += 1
        self._soonest = heapq.nsmallest(SOONEST, chain(self._soonest, some), key=_end)

    def _is_late(self, one: Certificate) -> bool:
        return one.past_renewal(self._now - GRACE)

    def result(self, total: int) -> Expiring:
        return Expiring(
            begins=self._begins,
            step=STEP,
            on_time=tuple(self._on_time),
            late=tuple(self._late),
            ended=self._ended,
            total=total,
            overdue=self._overdue,
            soonest=tuple(self._named(one) for one in self._soonest if one.not_after is not None),
        )

    def _named(self, one: Certificate) -> EndingCertificate:
        renews = None if one.renewal_time is None else datetime.fromtimestamp(one.renewal_time, UTC)
        ends = datetime.fromtimestamp(_end(one), UTC)
        return EndingCertificate(
            ends, f"{one.namespace}/{one.name}", str(one.issuer), renews, self._is_late(one)
        )


def _end(one: Certificate) -> float:
    return float("inf") if one.not_after is None else one.not_after
