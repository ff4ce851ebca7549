"""A Lease among replicas, held by one that knows when it can no longer be sure of it.

The protocol is client-go's leader election (k8s.io/client-go/tools/leaderelection): a record is believed for
its duration after it was *seen to change here*, so clocks of different machines are never compared. Beyond
that, holding it is a question to the clock, not a flag, so a process that was frozen and thawed finds the
Lease lost before any timer has run.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Self

import structlog

from issuer.answer_timeout import answer_timeout
from issuer.kube.client import KubeClient
from issuer.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from issuer.kube.resources import LEASES
from issuer.kube.wire import Object
from issuer.text import rfc3339_micro

_LONGEST_DURATION: Final = 3600  # seconds of someone else's lease that are believed
_LONGEST_CALL: Final = 5.0
_MOST_TRANSITIONS: Final = 2**31 - 1  # the API's int32: with one more the API server refuses the Lease
_log = structlog.get_logger(__name__)


def steady_clock() -> float:
    """Return seconds that only grow and, if the system has CLOCK_BOOTTIME, go on while it is suspended."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.clock_gettime(boottime) if boottime is not None else time.monotonic()


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds: a Lease lasts `duration` after its last renewal, which is tried every `retry`.

    A holder without a success for `renew` has stopped being one, `duration - renew` before another can start.
    """

    duration: float = 15
    renew: float = 10
    retry: float = 2

    MARGIN: ClassVar[float] = 10.0
    """Seconds the renew deadline is longer than a call: a renewal or two may fail before work pauses."""
    GAP: ClassVar[float] = 5.0
    """Seconds from the holder's own end to the moment when others may take it."""

    def __post_init__(self) -> None:
        if not self.duration > self.renew > self.retry > 0:
            raise ValueError("a lease needs duration > renew > retry > 0")

    @classmethod
    def outlasting(cls, seconds: float) -> Self:
        """Return times under which a call of that many seconds, begun right after a renewal, still ends."""
        renew = seconds + cls.MARGIN
        return cls(renew + cls.GAP, renew)

    @classmethod
    def lasting(cls, duration: float) -> Self:
        """Return the times of a Lease of that duration, in seconds."""
        return cls(duration, duration - cls.GAP)

    @property
    def call(self) -> float:
        """The seconds one attempt may take: two fit before the deadline, so a lost answer costs nothing."""
        return min(self.renew / 2, _LONGEST_CALL)


@dataclass(slots=True)
class Observation:
    """The holder of a Lease, and since when it is known (on the steady clock, by changes seen here)."""

    holder: str = ""
    renewed: object = None
    lasts: float = 0.0
    at: float = 0.0

    def note(self, lease: Object, now: float) -> None:
        """Take in the Lease as it was read or written at `now`."""
        spec = lease.get("spec") or {}
        seen = (str(spec.get("holderIdentity") or ""), spec.get("renewTime"))
        seconds = spec.get("leaseDurationSeconds")
        self.lasts = min(seconds, _LONGEST_DURATION) if isinstance(seconds, int) else 15.0
        if seen != (self.holder, self.renewed):
            (self.holder, self.renewed), self.at = seen, now

    def ended(self, now: float) -> bool:
        """Return True if nobody holds it: released, or seen for its duration without a renewal."""
        return not self.holder or now - self.at > self.lasts


class Lease:
    """The Lease `namespace`/`name`, to be held by `identity`, which must be unique for each process.

    `labels` are put on it with every write, and `annotate` makes its annotations from those it has. With
    `create` False only a Lease that exists is taken. `observation` may be one that others feed, too.
    """

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        name: str,
        identity: str,
        times: LeaseTimes,
        *,
        create: bool = True,
        observation: Observation | None = None,
        clock: Callable[[], float] = steady_clock,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self.name = name
        self.identity = identity
        self.times = times
        self._create = create
        self._clock = clock
        self._until = 0.0  # on `clock`; 0 when not held
        self._record: Object | None = None  # as last read or written
        self.seen = observation if observation is not None else Observation()
        self.labels: dict[str, str] = {}
        self.annotate: Callable[[Mapping[str, str]], Mapping[str, str]] = dict
        self.found: Mapping[str, str] = {}
        """The annotations it had when this process last took it."""
        self._log = _log.bind(lease=f"{namespace}/{name}", identity=identity)

    @property
    def is_leader(self) -> bool:
        """True if this process certainly holds it at this moment."""
        return self._clock() < self._until

    @property
    def holder(self) -> str:
        """The holder's identity as last seen; "" if it has none."""
        return self.seen.holder

    def time_left(self) -> float:
        """Seconds for which `is_leader` stays true without another renewal; 0 when not held."""
        return max(0.0, self._until - self._clock())

    def let_go(self) -> None:
        """Stop holding it, whatever the record says; it runs out unless it is released."""
        self._until = 0.0

    async def attempt(self) -> bool:
        """Try once to acquire or renew it; return True if that was written. Errors are logged, not raised."""
        try:
            async with answer_timeout(self.times.call):
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

    async def release(self, annotations: Mapping[str, str] | None = None) -> bool:
        """Release it so that another replica takes it at once; return True if that was written.

        `annotations` are left on it. Call it when the work under it has ended. What fails is tried once more,
        from a fresh copy: a renewal that was given up may have arrived after it was read.
        """
        self.let_go()
        try:
            released = await self._give_up(annotations or {})
        except (KubeError, TimeoutError):
            self._record = None
            try:
                released = await self._give_up(annotations or {})
            except (KubeError, TimeoutError) as error:
                reason = str(error) or "no answer in time"
                self._log.warning("lease not released, it will run out", error=reason)
                return False
        if released:
            self._log.info("lease released")
        return released

    async def _give_up(self, annotations: Mapping[str, str]) -> bool:
        """One attempt to release; False when nobody or another holds it."""
        async with answer_timeout(self.times.call):
            record = self._record or await self._read()
            if record is None or self.holder != self.identity:
                return False
            body = self._body(record)
            body["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
            body["metadata"]["annotations"] |= annotations
            self._record = await self._client.replace(LEASES, body)
            self.seen.note(self._record, self._clock())
        return True

    async def _reread(self) -> bool:
        """Find out after a conflict whether another holds it, or the writer was this process itself."""
        with suppress(KubeError, TimeoutError):
            async with answer_timeout(self.times.call):
                return await self._acquire_or_renew()
        return False

    async def _acquire_or_renew(self) -> bool:
        is_leader = self.is_leader
        if self._record is None or not is_leader:
            self._record = await self._read()
        began = self._clock()
        if self._record is None:
            if not self._create:
                return False
            metadata: Object = {"name": self.name, "namespace": self._namespace}
            written = await self._client.create(LEASES, self._body({"metadata": metadata}))
            found: Mapping[str, str] = {}
        else:
            if self.holder != self.identity and not self.seen.ended(self._clock()):
                self._until = 0.0
                return False
            found = self._record["metadata"].get("annotations") or {}
            written = await self._client.replace(LEASES, self._body(self._record))
        self.seen.note(written, self._clock())
        self._record = written
        if not is_leader:
            self.found = found
        # Counted from before the write: nobody can have seen it earlier.
        self._until = began + self.times.renew
        return True

    async def _read(self) -> Object | None:
        try:
            found = await self._client.get(LEASES, self.name, self._namespace)
        except NotFound:
            return None
        self.seen.note(found, self._clock())
        return found

    def _body(self, base: Object) -> Object:
        spec = dict(base.get("spec") or {})
        now = rfc3339_micro(datetime.now(UTC))
        if spec.get("holderIdentity") != self.identity:
            taken_before = bool(spec)
            spec["acquireTime"] = now
            transitions = int(spec.get("leaseTransitions") or 0) + taken_before
            spec["leaseTransitions"] = min(transitions, _MOST_TRANSITIONS)
        spec |= {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": math.ceil(self.times.duration),
            "renewTime": now,
        }
        return {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": self._metadata(base["metadata"]),
            "spec": spec,
        }

    def _metadata(self, base: Mapping[str, Any]) -> Object:
        return {
            **base,
            "labels": {**(base.get("labels") or {}), **self.labels},
            "annotations": dict(self.annotate(base.get("annotations") or {})),
        }
