"""Lines side by side that share no worker: what waits in one never stands behind what hangs in another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from issuer.kube.line import FairLine, Place

K = TypeVar("K", bound=Hashable)


class PartedLine(Generic[K]):
    """One `FairLine` for each part of the keys; `most` names the parts, with the bound that each line has.

    `left` of these are left by each part to the others. `part_of` says which one a key belongs to now: a key
    whose part has changed while it stood in the line goes to the end of its new one instead of being handed
    out. Parts take turns.
    """

    def __init__(
        self,
        place_of: Callable[[K], Place[K]],
        part_of: Callable[[K], Hashable],
        most: Mapping[Hashable, int],
        left: int = 0,
    ) -> None:
        self._part_of = part_of
        self._lines = {part: FairLine(place_of, count) for part, count in most.items()}
        self._turns = deque(self._lines)
        self._room = {part: max(1, count - left) for part, count in most.items()}
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
                self._room[part] -= 1
                return key
        return None

    def _take_from(self, part: Hashable) -> K | None:
        line = self._lines[part]
        if self._room[part] <= 0:
            return None
        while (key := line.take()) is not None:
            now = self._part_of(key)
            if now == part:
                return key
            line.done(key)
            self._lines[now].add(key)
        return None

    def done(self, key: K) -> None:
        """The key is no longer in hand."""
        part = self._in_hand.pop(key)
        self._room[part] += 1
        self._lines[part].done(key)

    def clear(self) -> None:
        """Forget all keys that are not in hand."""
        for line in self._lines.values():
            line.clear()
