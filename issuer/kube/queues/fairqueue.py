"""Fair queuing: the order in which a WorkQueue hands out the keys that are ready.

The words are those of API Priority and Fairness: a key belongs to a flow; flows are queued apart and served
round-robin, so that a busy one doesn't starve the others. Here flows are grouped by tenant, and within a
tenant by the limiter that throttles them. `Fifo` is first come, first served. Both are for one event loop,
and a key costs O(1) however many wait.
Source: https://kubernetes.io/docs/concepts/cluster-administration/flow-control/
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)
_ASK_AGAIN: Final = 1.0  # seconds
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)


class ReadyQueue(Protocol[K]):
    """The order of a WorkQueue's ready keys. Each `take` of a key is followed by `done` of it."""

    def __len__(self) -> int:
        """Return the number of queued keys, throttled ones included."""

    @property
    def has_ready(self) -> bool:
        """Return False only if `take` would return None."""

    def on_ready(self, call: Callable[[], None]) -> None:
        """Register a callback for when the passing of time, and nothing else, makes a key ready."""

    def add(self, key: K) -> None:
        """Append a key, which is neither queued nor in progress, to its flow."""

    def take(self) -> K | None:
        """Return the next key and count it as in progress; None if every queued key is throttled."""

    def done(self, key: K) -> None:
        """Note that the key is no longer in progress."""

    def clear(self) -> None:
        """Drop all queued keys; keys in progress are kept."""


class Fifo(Generic[K]):
    """First come, first served, without limits."""

    def __init__(self) -> None:
        self._keys: deque[K] = deque()

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def has_ready(self) -> bool:
        """Return True if any key is queued."""
        return bool(self._keys)

    def on_ready(self, call: Callable[[], None]) -> None:
        """Do nothing: keys here never wait for time to pass."""

    def add(self, key: K) -> None:
        """Append a key."""
        self._keys.append(key)

    def take(self) -> K | None:
        """Return the oldest key, or None."""
        return self._keys.popleft() if self._keys else None

    def done(self, key: K) -> None:
        """Do nothing: keys in progress limit nothing here."""

    def clear(self) -> None:
        """Drop all queued keys."""
        self._keys.clear()


class Limiter(Protocol[K_contra]):
    """Admission control of a tenant's keys that share it: asked before each of them is handed out."""

    def throttled(self) -> Throttled | None:
        """Return the reason not to hand out a key now, or None to admit one."""

    def admit(self, key: K_contra) -> None:
        """Count a key that is handed out."""

    def done(self, key: K_contra) -> None:
        """Uncount a key whose work ended."""

    def waited(self, reason: str, seconds: float) -> None:
        """Note that keys were throttled for that long, for that reason."""


class Throttled(NamedTuple):
    """A limiter's refusal: a one-word `reason`, and the seconds until it may be asked again.

    `seconds` is None if it has to be asked again after the next `done` of one of its keys.
    """

    reason: str
    seconds: float | None = None


class Unlimited:
    """A limiter that admits every key."""

    def throttled(self) -> Throttled | None:
        """Return None: no key is ever throttled."""
        return None

    def admit(self, key: object) -> None:
        """Count nothing."""

    def done(self, key: object) -> None:
        """Count nothing."""

    def waited(self, reason: str, seconds: float) -> None:
        """Do nothing: no key ever waits."""


UNLIMITED: Final = Unlimited()


@dataclass(frozen=True, slots=True)
class QueueKey(Generic[K_contra]):
    """A key's tenant, limiter and flow, which decide when it is handed out.

    Tenants take turns, then the limiters of a tenant (told apart by identity), then the flows of a limiter;
    keys of one flow stay in order. A tenant with many limiters has no more turns than one with a single one.
    """

    tenant: Hashable
    limiter: Limiter[K_contra]
    flow: Hashable


@dataclass(slots=True, eq=False)
class _LimiterGroup(Generic[K]):
    """The queued keys of one tenant and limiter, by flow; `turns` has the flows in order."""

    tenant: _Tenant[K]
    limiter: Limiter[K]
    flows: dict[Hashable, deque[K]] = field(default_factory=dict)
    turns: deque[Hashable] = field(default_factory=deque)
    in_hand: int = 0
    throttle: Throttled | None = None
    since: float = 0.0
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True, eq=False)
class _Tenant(Generic[K]):
    """A tenant's limiter groups; `turns` has those with keys and not known to be throttled, in order."""

    name: Hashable
    groups: dict[Limiter[K], _LimiterGroup[K]] = field(default_factory=dict)
    turns: deque[_LimiterGroup[K]] = field(default_factory=deque)
    in_hand: int = 0


class FairQueue(Generic[K]):
    """Round-robin over tenants, the limiters of a tenant and the flows of a limiter, past throttled limiters.

    So between two keys of a flow that are handed out, each other flow of the limiter has at most one turn. A
    tenant has at most `share` times as many keys in progress as are left for others of `capacity` (Choudhury
    and Hahne's dynamic threshold, IEEE/ACM ToN 6(2), 1998): with n tenants whose keys never end,
    1/(1 + n * share) of `capacity` stays free for the rest.
    """

    def __init__(
        self,
        queue_key: Callable[[K], QueueKey[K]],
        capacity: int,
        share: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue_key = queue_key
        self._capacity = capacity
        self._share = share
        self._clock = clock
        self._tenants: dict[Hashable, _Tenant[K]] = {}
        self._turns: deque[_Tenant[K]] = deque()  # those with groups in `turns`
        self._in_hand: dict[K, _LimiterGroup[K]] = {}
        self._size = 0
        self._call: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return self._size

    @property
    def has_ready(self) -> bool:
        """Return True if any limiter group with keys isn't known to be throttled."""
        return bool(self._turns)

    @property
    def held_back(self) -> int:
        """Return the number of keys whose limiter throttles them; counts all groups on each call."""
        return sum(
            len(keys)
            for tenant in self._tenants.values()
            for group in tenant.groups.values()
            if group.throttle
            for keys in group.flows.values()
        )

    def on_ready(self, call: Callable[[], None]) -> None:
        """Register a callback for when a throttled group is due to be asked again."""
        self._call = call

    def add(self, key: K) -> None:
        """Append a key to its flow."""
        queue_key = self._queue_key(key)
        group = self._group(queue_key)
        keys = group.flows.get(queue_key.flow)
        if keys is None:
            keys = group.flows[queue_key.flow] = deque()
            group.turns.append(queue_key.flow)
        keys.append(key)
        self._size += 1
        if len(group.turns) == 1 and len(keys) == 1 and group.throttle is None:
            self._enqueue(group)

    def take(self) -> K | None:
        """Return the next key that is admitted, or None."""
        for _ in range(len(self._turns)):
            tenant = self._turns.popleft()
            if tenant.in_hand >= self._share * (self._capacity - len(self._in_hand)):
                self._turns.append(tenant)
                continue
            group = self._next_group(tenant)
            if group is not None:
                key = self._pop(group)
                if tenant.turns:
                    self._turns.append(tenant)
                return key
        return None

    def done(self, key: K) -> None:
        """Uncount the key, and ask its limiter again if it was throttled."""
        group = self._in_hand.pop(key)
        group.in_hand -= 1
        group.tenant.in_hand -= 1
        group.limiter.done(key)
        if group.throttle is not None:
            self._reopen(group)
        self._tidy(group)

    def clear(self) -> None:
        """Drop all queued keys; keys in progress are kept."""
        for tenant in list(self._tenants.values()):
            tenant.turns.clear()
            for group in list(tenant.groups.values()):
                group.flows.clear()
                group.turns.clear()
                if group.timer is not None:
                    group.timer.cancel()
                self._tidy(group)
        self._turns.clear()
        self._size = 0

    def _group(self, queue_key: QueueKey[K]) -> _LimiterGroup[K]:
        tenant = self._tenants.get(queue_key.tenant)
        if tenant is None:
            tenant = self._tenants[queue_key.tenant] = _Tenant(queue_key.tenant)
        group = tenant.groups.get(queue_key.limiter)
        if group is None:
            group = tenant.groups[queue_key.limiter] = _LimiterGroup(tenant, queue_key.limiter)
        return group

    def _enqueue(self, group: _LimiterGroup[K]) -> None:
        """Give the group a turn after all others of its tenant, and the tenant one after all others."""
        if not group.tenant.turns:
            self._turns.append(group.tenant)
        group.tenant.turns.append(group)

    def _next_group(self, tenant: _Tenant[K]) -> _LimiterGroup[K] | None:
        """Return the tenant's next group that isn't throttled; others lose their turn until reopened."""
        while tenant.turns:
            group = tenant.turns.popleft()
            throttle = group.limiter.throttled()
            if throttle is None:
                return group
            self._throttle(group, throttle)
        return None

    def _throttle(self, group: _LimiterGroup[K], throttle: Throttled) -> None:
        group.throttle, group.since = throttle, self._clock()
        seconds = throttle.seconds
        if seconds is None and not group.in_hand:
            seconds = _ASK_AGAIN  # its limiter waits for keys in progress of another group
        if seconds is not None:
            group.timer = asyncio.get_running_loop().call_later(seconds, self._reopen, group)

    def _pop(self, group: _LimiterGroup[K]) -> K:
        flow = group.turns.popleft()
        keys = group.flows[flow]
        key = keys.popleft()
        if keys:
            group.turns.append(flow)
        else:
            del group.flows[flow]
        self._size -= 1
        self._in_hand[key] = group
        group.in_hand += 1
        group.tenant.in_hand += 1
        group.limiter.admit(key)
        if group.turns:
            group.tenant.turns.append(group)
        return key

    def _reopen(self, group: _LimiterGroup[K]) -> None:
        """Put a throttled group back in the round, where its limiter is asked again."""
        if group.timer is not None:
            group.timer.cancel()
            group.timer = None
        if group.throttle is None:
            return
        if group.turns:
            group.limiter.waited(group.throttle.reason, self._clock() - group.since)
        group.throttle = None
        if group.turns:
            self._enqueue(group)
            self._call()
        self._tidy(group)

    def _tidy(self, group: _LimiterGroup[K]) -> None:
        """Forget a group without keys queued or in progress, and a tenant without groups."""
        if group.turns or group.in_hand or group.tenant.groups.get(group.limiter) is not group:
            return
        del group.tenant.groups[group.limiter]
        if not group.tenant.groups:
            del self._tenants[group.tenant.name]
