"""Lines side by side that share no worker: what waits in one never stands behind what hangs in another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from issuer.kube.queues.fairqueue import FairLine, Place

K = TypeVar("K", bound=Hashable)


class PartedLine(Generic[K]):
    """One `FairLine` for each part of the keys; `most` names the parts, and how many keys they share.

    `left` of these are left by each part to the others; one owner alone still has half of `most`, and what
    other owners of its part find free is of the part's own. `part_of` says which part a key belongs to now: a
    key whose part has changed while it stood in the line goes to the end of its new one instead of being
    handed out. Parts take turns.
    """

    def __init__(
        self,
        place_of: Callable[[K], Place[K]],
        part_of: Callable[[K], Hashable],
        most: Mapping[Hashable, int],
        left: int = 0,
    ) -> None:
        self._part_of = part_of
        self._lines = {part: _line(place_of, count, left) for part, count in most.items()}
        self._turns = deque(self._lines)
        self._in_hand: dict[K, Hashable] = {}

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    @property
    def open(self) -> bool:
        """Whether any part may have a key that can go."""
        return any(line.open for line in self._lines.values())

    @property
    def held_back(self) -> int:
        """How many keys stand before a closed gate; counted anew each time."""
        return sum(line.held_back for line in self._lines.values())

    def on_open(self, call: Callable[[], None]) -> None:
        """Call this when a gate opens by time."""
        for line in self._lines.values():
            line.on_open(call)

    def part(self, key: K) -> Hashable:
        """The part that a key in hand was handed out from; None when it is not in hand."""
        return self._in_hand.get(key)

    def add(self, key: K) -> None:
        """Put a key at the end of its flow, in its part."""
        self._lines[self._part_of(key)].add(key)

    def take(self) -> K | None:
        """The next key that may go, of the part whose turn it is."""
        for _ in range(len(self._turns)):
            part = self._turns[0]
            self._turns.rotate(-1)
            key = self._take_from(part)
            if key is not None:
                self._in_hand[key] = part
                return key
        return None

    def _take_from(self, part: Hashable) -> K | None:
        line = self._lines[part]
        while (key := line.take()) is not None:
            now = self._part_of(key)
            if now == part:
                return key
            line.done(key)
            self._lines[now].add(key)
        return None

    def done(self, key: K) -> None:
        """The key is no longer in hand."""
        self._lines[self._in_hand.pop(key)].done(key)

    def clear(self) -> None:
        """Forget all keys that are not in hand."""
        for line in self._lines.values():
            line.clear()


def _line(place_of: Callable[[K], Place[K]], count: int, left: int) -> FairLine[K]:
    """The line of a part that leaves `left` of `count`, and in which one owner has half of `count`."""
    room = max(1, count - left)
    return FairLine(place_of, room, count / (2 * room - count) if 2 * room > count else 1.0)
