"""Leadership among replicas by a Lease: one leads, and knows when it can no longer be sure that it does.

The protocol is client-go's leader election (k8s.io/client-go/tools/leaderelection): a record is believed for
its duration after it was *seen to change here*, so clocks of different machines are never compared. Beyond
it: `is_leader` is a question to the clock, not a flag, so a process that was frozen and thawed finds it false
before any timer has run.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from issuer.kube.client import KubeClient
from issuer.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from issuer.kube.resources import LEASES
from issuer.kube.wire import Object

_LONGEST_DURATION: Final = 3600  # seconds of someone else's lease that are believed
_log = structlog.get_logger(__name__)

Callback = Callable[[], Awaitable[None]]


def steady_clock() -> float:
    """Seconds that only grow and, where the system can tell, go on while it is suspended (CLOCK_BOOTTIME)."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(boottime) if boottime is not None else time.monotonic()


class LeaderElector:
    """Competes for the Lease `namespace`/`name` as `identity`, which must be unique for each process.

    A lease lasts `duration` seconds after its last renewal. It is renewed every `retry` seconds; a leader
    that had no success for `renew` seconds has stopped being one, `duration - renew` seconds before anybody
    else can start.
    """

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        name: str,
        identity: str,
        *,
        duration: float = 15,
        renew: float = 10,
        retry: float = 2,
        clock: Callable[[], float] = steady_clock,
    ) -> None:
        if not duration > renew > retry > 0:
            raise ValueError("a lease needs duration > renew > retry > 0")
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._duration = duration
        self._renew = renew
        self._retry = retry
        self._clock = clock
        self._leader_until = 0.0  # on `clock`; 0 when not leading
        self._record: Object | None = None  # the Lease as last read or written
        self._seen: tuple[str, object] = ("", None)  # holder and renewTime as last seen
        self._seen_at = 0.0
        self._releasing = asyncio.Event()
        self._ended = asyncio.Event()
        self._running = False
        self._log = _log.bind(lease=f"{namespace}/{name}", identity=identity)

    @property
    def is_leader(self) -> bool:
        """Whether this process leads for certain at this moment. Ask just before each write."""
        return self._clock() < self._leader_until

    @property
    def holder(self) -> str:
        """The identity last seen in the Lease; empty when none."""
        return self._seen[0]

    def time_left(self) -> float:
        """Seconds for which `is_leader` stays true without another renewal; 0 when not leading."""
        return max(0.0, self._leader_until - self._clock())

    async def run(self, on_started: Callback, on_stopped: Callback) -> None:
        """Compete until `release`d (returns) or cancelled (the lease is left to run out).

        `on_started` runs as a task beside the renewals, as long as leadership lasts, and may return early.
        When leadership ends it is cancelled and `on_stopped` awaited; then the process competes again. An
        exception of `on_started` gives the lease up and is raised here.
        """
        self._running = True
        try:
            while not self._releasing.is_set():
                if not await self._try_once():
                    await self._sleep(self._retry * (1 + random.random()))  # noqa: S311 - spreads load
                    continue
                self._log.info("leading")
                await self._lead(on_started, on_stopped)
        finally:
            self._leader_until = 0.0
            self._running = False
            self._ended.set()

    async def release(self) -> None:
        """Give leadership up so that another replica takes it at once, and make `run` return.

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
            self._leader_until = 0.0
            work.cancel()
            await asyncio.wait([work])
            await on_stopped()
            if mine and (self._releasing.is_set() or _failure(work) is not None):
                await self._give_up()
        if (error := _failure(work)) is not None:
            raise error

    async def _keep(self, work: asyncio.Future[None]) -> None:
        """Renew until released, lost, or the work failed."""
        while self.is_leader:
            await self._sleep(self._retry, work)
            if self._releasing.is_set() or _failure(work) is not None:
                return
            if self.is_leader and not await self._try_once() and self.holder != self._identity:
                self._log.warning("leadership lost", holder=self.holder)
                return
        self._log.warning("leadership lost: no renewal in time", renew_deadline=self._renew)

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

    async def _try_once(self) -> bool:
        """One attempt to get or renew the Lease; whether it was written. Errors are logged, not raised."""
        try:
            # Two attempts fit before the deadline, so one lost answer does not cost the leadership.
            async with asyncio.timeout(self._renew / 2):
                return await self._acquire_or_renew()
        except (Conflict, AlreadyExists):
            self._record = None  # someone else wrote: read it next time
            if self.is_leader:
                return await self._reread()
        except NotFound as error:
            self._record = None
            self._log.warning("lease is gone, or its namespace is", error=error.message)
        except KubeError as error:
            self._log.warning("lease not renewed", error=error.message, status=error.status)
        except TimeoutError:
            self._record = None  # the write may have arrived
            self._log.warning("lease not renewed", error="no answer in time")
        return False

    async def _reread(self) -> bool:
        """After a conflict: find out at once whether another holds it, or it was our own lost answer."""
        with suppress(KubeError, TimeoutError):
            async with asyncio.timeout(self._renew / 2):
                return await self._acquire_or_renew()
        return False

    async def _acquire_or_renew(self) -> bool:
        if self._record is None or not self.is_leader:
            self._record = await self._read()
        began = self._clock()
        if self._record is None:
            body = self._lease({"metadata": {"name": self._name, "namespace": self._namespace}})
            written = await self._client.create(LEASES, body)
        else:
            if not self._free(self._record):
                self._leader_until = 0.0
                return False
            written = await self._client.replace(LEASES, self._lease(self._record))
        self._observe(written)
        self._record = written
        # Counted from before the write: nobody can have seen it earlier.
        self._leader_until = began + self._renew
        return True

    async def _read(self) -> Object | None:
        try:
            found = await self._client.get(LEASES, self._name, self._namespace)
        except NotFound:
            return None
        self._observe(found)
        return found

    def _observe(self, lease: Object) -> None:
        spec = lease.get("spec") or {}
        seen = (str(spec.get("holderIdentity") or ""), spec.get("renewTime"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock()

    def _free(self, lease: Object) -> bool:
        """Whether it may be taken: nobody's, our own, or not renewed for its duration while we looked."""
        if self.holder in ("", self._identity):
            return True
        seconds = (lease.get("spec") or {}).get("leaseDurationSeconds")
        lasts = min(seconds, _LONGEST_DURATION) if isinstance(seconds, int) else self._duration
        return self._clock() - self._seen_at > lasts

    def _lease(self, base: Object) -> Object:
        spec = dict(base.get("spec") or {})
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if spec.get("holderIdentity") != self._identity:
            taken_before = bool(spec)
            spec["acquireTime"] = now
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + taken_before
        spec |= {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": math.ceil(self._duration),
            "renewTime": now,
        }
        return {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": base["metadata"],
            "spec": spec,
        }

    async def _give_up(self) -> None:
        record = self._record
        if record is None:
            return
        body = self._lease(record)
        body["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            async with asyncio.timeout(self._renew / 2):
                await self._client.replace(LEASES, body)
        except (KubeError, TimeoutError) as error:
            self._log.warning("lease not released, it will run out", error=str(error) or "no answer in time")
        else:
            self._log.info("lease released")


def _failure(work: asyncio.Future[None]) -> BaseException | None:
    return work.exception() if work.done() and not work.cancelled() else None
