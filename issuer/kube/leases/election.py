"""Leader election among replicas: one leads, by a Lease, and the next takes over when it ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from issuer.kube.leases.lease import Lease

_log = structlog.get_logger(__name__)

Callback = Callable[[], Awaitable[None]]


class LeaderElector:
    """Competes for a Lease, renews it while it leads, and releases it at the end."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self._retry = lease.times.retry
        self._releasing = asyncio.Event()
        self._ended = asyncio.Event()
        self._running = False
        self._log = _log.bind(lease=lease.name, identity=lease.identity)

    @property
    def is_leader(self) -> bool:
        """Return True if this process certainly leads at this moment. Ask just before each write."""
        return self.lease.is_leader

    def time_left(self) -> float:
        """Return the seconds for which `is_leader` stays true without another renewal; 0 if not leading."""
        return self.lease.time_left()

    async def run(self, on_started: Callback, on_stopped: Callback) -> None:
        """Compete until `release`d (returns) or cancelled (the lease is left to run out).

        `on_started` runs as a task beside the renewals, as long as leadership lasts, and may return early.
        When leadership ends it is cancelled and `on_stopped` awaited; then the process competes again. An
        exception of `on_started` releases the lease and is raised here.
        """
        self._running = True
        try:
            while not self._releasing.is_set():
                if not await self.lease.attempt():
                    await self._sleep(self._retry * (1 + random.random()))  # noqa: S311 - spreads load
                    continue
                self._log.info("leading")
                await self._lead(on_started, on_stopped)
        finally:
            self.lease.let_go()
            self._running = False
            self._ended.set()

    async def release(self) -> None:
        """Release leadership so that another replica takes it at once, and make `run` return.

        Call it when the work in flight has ended: the lease is renewed until then.
        """
        self._releasing.set()
        if self._running:
            await self._ended.wait()

    async def _lead(self, on_started: Callback, on_stopped: Callback) -> None:
        work = asyncio.ensure_future(on_started())
        try:
            await self._keep(work)
        finally:
            # Released: the work has ended and leadership is still ours to give. Otherwise it is over now.
            mine = self.is_leader
            self.lease.let_go()
            work.cancel()
            await asyncio.wait([work])
            await on_stopped()
            if mine and (self._releasing.is_set() or _failure(work) is not None):
                await self.lease.release()
        if (error := _failure(work)) is not None:
            raise error

    async def _keep(self, work: asyncio.Future[None]) -> None:
        """Renew until released, lost, or the work failed."""
        lease = self.lease
        while lease.is_leader:
            await self._sleep(self._retry, work)
            if self._releasing.is_set() or _failure(work) is not None:
                return
            if lease.is_leader and not await lease.attempt() and lease.holder != lease.identity:
                self._log.warning("leadership lost", holder=lease.holder)
                return
        self._log.warning("leadership lost: no renewal in time", renew_deadline=lease.times.renew)

    async def _sleep(self, seconds: float, work: asyncio.Future[None] | None = None) -> None:
        """Sleep, but wake for a release or for work that failed."""
        release = asyncio.ensure_future(self._releasing.wait())
        watched: set[asyncio.Future[Any]] = {release}
        if work is not None and (not work.done() or _failure(work) is not None):
            watched.add(work)
        try:
            await asyncio.wait(watched, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            release.cancel()


def _failure(work: asyncio.Future[None]) -> BaseException | None:
    return work.exception() if work.done() and not work.cancelled() else None
