"""Who is next: the order in which a WorkQueue hands out the keys that are ready.

`Fifo` is one line for all. `FairLine` gives equal turns and keeps what is slow or limited from holding up the
rest. Both are for one event loop, and cost the same for every key however many wait.
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


class Line(Protocol[K]):
    """What a WorkQueue asks of its line. `take` of a key is followed by `done` of it, however it went."""

    def __len__(self) -> int:
        """How many keys stand in it, including those that may not go yet."""

    @property
    def open(self) -> bool:
        """Whether `take` may have a key now; never False while it has one."""

    def on_open(self, call: Callable[[], None]) -> None:
        """Call this when time alone lets a key go."""

    def add(self, key: K) -> None:
        """Put a key that is neither in the line nor in hand at the end of its flow."""

    def take(self) -> K | None:
        """The next key, which is in hand from now on; None when none may go."""

    def done(self, key: K) -> None:
        """The key is no longer in hand."""

    def clear(self) -> None:
        """Let all go home, but for what is in hand."""


class Fifo(Generic[K]):
    """First come, first served."""

    def __init__(self) -> None:
        self._keys: deque[K] = deque()

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def open(self) -> bool:
        """Whether there is any key."""
        return bool(self._keys)

    def on_open(self, call: Callable[[], None]) -> None:
        """Time changes nothing here."""

    def add(self, key: K) -> None:
        """Put a key at the end."""
        self._keys.append(key)

    def take(self) -> K | None:
        """The first key."""
        return self._keys.popleft() if self._keys else None

    def done(self, key: K) -> None:
        """It doesn't matter here what is in hand."""

    def clear(self) -> None:
        """Forget all keys."""
        self._keys.clear()


class Gate(Protocol[K_contra]):
    """Says when a lane's next key may go; asked before each one."""

    def closed(self) -> Closed | None:
        """Why none may go now, or None."""

    def passed(self, key: K_contra) -> None:
        """A key is handed out."""

    def done(self, key: K_contra) -> None:
        """That key is no longer in hand."""

    def waited(self, reason: str, seconds: float) -> None:
        """Keys of the lane stood before the closed gate for that long."""


class Closed(NamedTuple):
    """A gate is closed, for one word's reason. It opens in `seconds`, or None: once a key in hand is done."""

    reason: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Place(Generic[K_contra]):
    """Where a key stands. Keys of one owner with the very same gate are a lane.

    Owners take turns, then the lanes of an owner, then the flows in a lane; keys of one flow stay in order.
    Many lanes of one owner have one owner's turns.
    """

    owner: Hashable
    gate: Gate[K_contra]
    flow: Hashable


@dataclass(slots=True, eq=False)
class _Lane(Generic[K]):
    """`turns` names the flows with keys, the next one first."""

    owner: _Owner[K]
    gate: Gate[K]
    flows: dict[Hashable, deque[K]] = field(default_factory=dict)
    turns: deque[Hashable] = field(default_factory=deque)
    in_hand: int = 0
    shut: Closed | None = None
    since: float = 0.0
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True, eq=False)
class _Owner(Generic[K]):
    """`turns` are its lanes with keys whose gate isn't known to be closed."""

    name: Hashable
    lanes: dict[Gate[K], _Lane[K]] = field(default_factory=dict)
    turns: deque[_Lane[K]] = field(default_factory=deque)
    in_hand: int = 0


class FairLine(Generic[K]):
    """Round-robin over owners, their lanes, and each lane's flows, past lanes whose gate is closed.

    So between two keys of a flow that may go, every other flow of the lane has one turn at most. An owner has
    at most `share` times as many keys in hand as are left for others of `most` (Choudhury and Hahne's dynamic
    threshold, IEEE/ACM ToN 6(2), 1998): with n owners that never answer, 1/(1 + n * share) of `most` stays
    free for the rest.
    """

    def __init__(
        self,
        place_of: Callable[[K], Place[K]],
        most: int,
        share: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place_of = place_of
        self._most = most
        self._share = share
        self._clock = clock
        self._owners: dict[Hashable, _Owner[K]] = {}
        self._turns: deque[_Owner[K]] = deque()  # those with lanes in `turns`
        self._in_hand: dict[K, _Lane[K]] = {}
        self._size = 0
        self._call: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return self._size

    @property
    def open(self) -> bool:
        """Whether any lane with keys isn't known to be closed."""
        return bool(self._turns)

    @property
    def held_back(self) -> int:
        """How many keys stand before a closed gate; counted anew each time."""
        return sum(
            len(keys)
            for owner in self._owners.values()
            for lane in owner.lanes.values()
            if lane.shut
            for keys in lane.flows.values()
        )

    def on_open(self, call: Callable[[], None]) -> None:
        """Call this when a gate opens by time."""
        self._call = call

    def add(self, key: K) -> None:
        """Put a key at the end of its flow."""
        place = self._place_of(key)
        lane = self._lane(place)
        keys = lane.flows.get(place.flow)
        if keys is None:
            keys = lane.flows[place.flow] = deque()
            lane.turns.append(place.flow)
        keys.append(key)
        self._size += 1
        if len(lane.turns) == 1 and len(keys) == 1 and lane.shut is None:
            self._enter(lane)

    def take(self) -> K | None:
        """The next key that may go."""
        for _ in range(len(self._turns)):
            owner = self._turns.popleft()
            if owner.in_hand >= self._share * (self._most - len(self._in_hand)):
                self._turns.append(owner)
                continue
            lane = self._open_lane(owner)
            if lane is not None:
                key = self._pop(lane)
                if owner.turns:
                    self._turns.append(owner)
                return key
        return None

    def done(self, key: K) -> None:
        """The key is no longer in hand: its lane may go on."""
        lane = self._in_hand.pop(key)
        lane.in_hand -= 1
        lane.owner.in_hand -= 1
        lane.gate.done(key)
        if lane.shut is not None:
            self._reopen(lane)
        self._tidy(lane)

    def clear(self) -> None:
        """Forget all keys that are not in hand."""
        for owner in list(self._owners.values()):
            owner.turns.clear()
            for lane in list(owner.lanes.values()):
                lane.flows.clear()
                lane.turns.clear()
                if lane.timer is not None:
                    lane.timer.cancel()
                self._tidy(lane)
        self._turns.clear()
        self._size = 0

    def _lane(self, place: Place[K]) -> _Lane[K]:
        owner = self._owners.get(place.owner)
        if owner is None:
            owner = self._owners[place.owner] = _Owner(place.owner)
        lane = owner.lanes.get(place.gate)
        if lane is None:
            lane = owner.lanes[place.gate] = _Lane(owner, place.gate)
        return lane

    def _enter(self, lane: _Lane[K]) -> None:
        """Give the lane a turn after all others of its owner, and the owner one after all others."""
        if not lane.owner.turns:
            self._turns.append(lane.owner)
        lane.owner.turns.append(lane)

    def _open_lane(self, owner: _Owner[K]) -> _Lane[K] | None:
        """The owner's next lane whose gate is open; those found closed lose their turn until it opens."""
        while owner.turns:
            lane = owner.turns.popleft()
            closed = lane.gate.closed()
            if closed is None:
                return lane
            self._shut(lane, closed)
        return None

    def _shut(self, lane: _Lane[K], closed: Closed) -> None:
        lane.shut, lane.since = closed, self._clock()
        seconds = closed.seconds
        if seconds is None and not lane.in_hand:
            seconds = _ASK_AGAIN  # what it waits for is in hand through another lane
        if seconds is not None:
            lane.timer = asyncio.get_running_loop().call_later(seconds, self._reopen, lane)

    def _pop(self, lane: _Lane[K]) -> K:
        flow = lane.turns.popleft()
        keys = lane.flows[flow]
        key = keys.popleft()
        if keys:
            lane.turns.append(flow)
        else:
            del lane.flows[flow]
        self._size -= 1
        self._in_hand[key] = lane
        lane.in_hand += 1
        lane.owner.in_hand += 1
        lane.gate.passed(key)
        if lane.turns:
            lane.owner.turns.append(lane)
        return key

    def _reopen(self, lane: _Lane[K]) -> None:
        """Ask the gate again at the lane's next turn."""
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        if lane.shut is None:
            return
        if lane.turns:
            lane.gate.waited(lane.shut.reason, self._clock() - lane.since)
        lane.shut = None
        if lane.turns:
            self._enter(lane)
            self._call()
        self._tidy(lane)

    def _tidy(self, lane: _Lane[K]) -> None:
        """Keep nothing of a lane without keys and without a key in hand, nor of an owner without lanes."""
        if lane.turns or lane.in_hand or lane.owner.lanes.get(lane.gate) is not lane:
            return
        del lane.owner.lanes[lane.gate]
        if not lane.owner.lanes:
            del self._owners[lane.owner.name]
