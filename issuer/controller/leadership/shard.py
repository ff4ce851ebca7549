"""One shard, from taking its Lease to giving it back."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Final

import structlog

from issuer.controller.leadership.lease_labels import WRITTEN, as_written, written
from issuer.controller.leadership.work import ShardWork
from issuer.kube.errors import KubeError
from issuer.kube.leases.lease import Lease
from issuer.requests.kinds import kind_of
from issuer.requests.request import Request, RequestKey
from issuer.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

RENEW: Final = 4.0
"""Seconds between two renewals of one shard's Lease, spread by a quarter."""

AGAIN: Final = 1.0
"""Seconds after which a renewal that failed is tried again."""

CALLED_OFF: Final = 60.0
"""Seconds after a hand-over that did not come to its end, until the next one is begun."""

_LOOK: Final = 0.02
_FLUSH_EVERY: Final = 0.5


class Phase(Enum):
    """The steps of a shard's life."""

    TAKING = "taking"
    WORKING = "working"
    DRAINING = "draining"
    DONE = "done"


class Shard:
    """Holds the Lease of one shard and says what may be done under it.

    `call` is the time-out of a signing call, and `grace` how long a hand-over waits for what is in flight; in
    seconds.
    """

    def __init__(
        self,
        number: int,
        lease: Lease,
        work: ShardWork,
        belongs: Callable[[RequestKey], bool],
        metrics: Metrics,
        *,
        call: float,
        grace: float,
    ) -> None:
        self.number = number
        self.lease = lease
        self.phase = Phase.TAKING
        self._work = work
        self._belongs = belongs
        self._metrics = metrics
        self._call = call
        self._grace = grace
        self._busy = 0
        self._newest: dict[str, int] = {}  # by kind: what was written, here or by owners before
        self._comparable = True
        self._doubts: dict[str, int | None] = {}  # by kind: how far the watch has to come
        self._leave = asyncio.Event()
        self._leave_for_good = False
        self._stay_until = 0.0
        self._stop_renewing = asyncio.Event()
        # A word of an owner before says nothing any more once something is written here.
        lease.annotate = lambda old: {name: value for name, value in old.items() if name != WRITTEN}

    # What may be done ---------------------------------------------------------

    def takes(self, key: RequestKey) -> bool:
        """Return True if an attempt may begin. While a shard is given up, only what is signed is written."""
        return self.phase is Phase.WORKING or (self.phase is Phase.DRAINING and self._work.is_held(key))

    @property
    def is_leader(self) -> bool:
        """True if the Lease is ours for certain."""
        return self.lease.is_leader

    def may_sign(self) -> bool:
        """Return True if it stays ours for as long as a signing call may take."""
        return self.lease.time_left() >= self._call

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While inside, an attempt at one of its requests is under way."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    def in_doubt(self, key: RequestKey) -> bool:
        """Return True if our watch may not yet show what an earlier owner answered: then read it anew."""
        kind = kind_of(key).kind
        if kind not in self._doubts:
            return False
        version = self._doubts[kind]
        if version is not None and self._work.caught_up(kind, version):
            del self._doubts[kind]
            return False
        return True

    def note(self, request: Request) -> None:
        """We have written this copy."""
        version = str(request.object["metadata"].get("resourceVersion", ""))
        if version.isdecimal():
            self._newest[request.kind] = max(int(version), self._newest.get(request.kind, 0))
        else:
            self._comparable = False

    # Its life -----------------------------------------------------------------

    def wanted(self, here: bool) -> None:
        """Keep the shard or, once nothing is in flight, give it up, as this process should have it or not."""
        if here:
            self._leave.clear()
        elif time.monotonic() >= self._stay_until:
            self._leave.set()

    def end(self) -> None:
        """Give it up, whatever it takes: the process ends."""
        self._leave_for_good = True
        self._leave.set()

    async def run(self) -> bool:
        """Take it, hold it and give it back; False when it was lost on the way, or could not be had."""
        began, before = time.monotonic(), self.lease.seen.holder
        if not await self.lease.attempt():
            return True  # somebody was quicker: nothing was lost
        renewing = asyncio.create_task(self._renew(), name=f"shard-{self.number}-renew")
        working = asyncio.create_task(self._live(began, before), name=f"shard-{self.number}")
        try:
            await asyncio.wait({renewing, working}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return self._lost()
            await working
            return await self._hand_over(renewing)
        finally:
            self.phase = Phase.DONE
            for task in (working, renewing):
                task.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)

    async def release_unfinished(self) -> None:
        """Release it at the end of the process; its successor reads each request before signing."""
        self.phase = Phase.DONE
        if self.lease.is_leader:
            await self.lease.release()

    def _lost(self) -> bool:
        log.error("shard lost, no renewal in time", shard=self.number, holder=self.lease.holder)
        self._metrics.shard_handovers.labels("lost").inc()
        return False

    async def _renew(self) -> None:
        """Renew until asked to stop, or lost: it may have run out while this process was frozen."""
        pause = RENEW
        while not await self._asked_to_stop(pause) and self.lease.is_leader:
            pause = RENEW if await self.lease.attempt() else AGAIN

    async def _asked_to_stop(self, within: float) -> bool:
        """Wait so long, spread a little; whether renewing came to its end meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within * (0.75 + random.random() / 2)):  # noqa: S311 - spreads load
                await self._stop_renewing.wait()
        return self._stop_renewing.is_set()

    async def _live(self, began: float, before: str) -> None:
        """Begin, and work until it has to be given up and nothing is in flight."""
        await self._learn()
        self.phase = Phase.WORKING
        self._work.claim(self._belongs)
        over = before not in ("", self.lease.identity)
        self._metrics.shard_handovers.labels("taken_over" if over else "taken").inc()
        seconds = round(time.monotonic() - began, 3)
        log.info("shard taken", shard=self.number, seconds=seconds, **({"died": before} if over else {}))
        while True:
            await self._leave.wait()
            leaving = time.monotonic()
            self.phase = Phase.DRAINING
            if await self._drained(leaving + self._grace):
                self._metrics.shard_handover_seconds.observe(time.monotonic() - leaving)
                return
            self._stay()

    async def _learn(self) -> None:
        """Load the previous owner's last resourceVersions; if unknown, re-read requests before signing."""
        left = written(self.lease.found)
        if left is not None:
            self._newest = dict(left)
            self._doubts = dict(left)
            return
        while True:
            try:
                self._doubts = await self._work.newest()
            except KubeError as error:
                log.warning("shard not begun yet", shard=self.number, error=str(error))
                await asyncio.sleep(AGAIN)
            else:
                break
        self._newest = {kind: version for kind, version in self._doubts.items() if version is not None}
        self._comparable = all(version is not None for version in self._doubts.values())

    async def _drained(self, deadline: float) -> bool:
        """Wait for what is in flight and held; False when it is wanted again, or takes too long."""
        flushed = 0.0
        while self._leave.is_set():
            if time.monotonic() - flushed >= _FLUSH_EVERY:
                flushed = time.monotonic()
                self._work.flush(self._belongs)
            if not self._busy and not self._work.holds_any(self._belongs):
                self.phase = Phase.DONE
                self._work.release(self._belongs)
                return True
            if time.monotonic() >= deadline and not self._leave_for_good:
                self._stay_until = time.monotonic() + CALLED_OFF
                self._leave.clear()
                log.warning("shard not handed over: work in flight does not end", shard=self.number)
                return False
            await asyncio.sleep(_LOOK)
        return False

    def _stay(self) -> None:
        """Work on it as before."""
        self.phase = Phase.WORKING
        self._work.claim(self._belongs)

    async def _hand_over(self, renewing: asyncio.Task[None]) -> bool:
        """Leave word of what was written, and release."""
        self._stop_renewing.set()
        await renewing
        if not self.lease.is_leader:
            return self._lost()
        left = {WRITTEN: as_written(self._newest)} if self._comparable else {}
        if await self.lease.release(left):
            self._metrics.shard_handovers.labels("given").inc()
            log.info("shard given", shard=self.number)
        return True
