"""Fair queues side by side that share no worker: keys of one never wait for slow keys of another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from issuer.kube.queues.fairqueue import FairQueue, QueueKey

K = TypeVar("K", bound=Hashable)


class PartitionedQueue(Generic[K]):
    """One `FairQueue` for each partition of the keys, taking turns.

    `capacity` maps each partition to the most keys it may have in progress. It leaves `reserved` of these to
    the other partitions; one tenant alone still has half of the capacity.
    `partition_of` names the partition of a key at this moment: if it changed while the key was queued, the
    key goes to the end of its new partition instead of being handed out.
    """

    def __init__(
        self,
        queue_key: Callable[[K], QueueKey[K]],
        partition_of: Callable[[K], Hashable],
        capacity: Mapping[Hashable, int],
        reserved: int = 0,
    ) -> None:
        self._partition_of = partition_of
        self._queues = {
            partition: _queue(queue_key, count, reserved) for partition, count in capacity.items()
        }
        self._turns = deque(self._queues)
        self._in_hand: dict[K, Hashable] = {}

    def __len__(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    @property
    def has_ready(self) -> bool:
        """Return True if any partition may have a key that isn't throttled."""
        return any(queue.has_ready for queue in self._queues.values())

    @property
    def held_back(self) -> int:
        """Return the number of keys whose limiter throttles them; counts all groups on each call."""
        return sum(queue.held_back for queue in self._queues.values())

    def on_ready(self, call: Callable[[], None]) -> None:
        """Register a callback for when a throttled group is due to be asked again."""
        for queue in self._queues.values():
            queue.on_ready(call)

    def partition(self, key: K) -> Hashable:
        """Return the partition that a key in progress was taken from; None if it isn't in progress."""
        return self._in_hand.get(key)

    def add(self, key: K) -> None:
        """Append a key to its flow in its partition."""
        self._queues[self._partition_of(key)].add(key)

    def take(self) -> K | None:
        """Return the next key that is admitted, or None; partitions take turns."""
        for _ in range(len(self._turns)):
            partition = self._turns[0]
            self._turns.rotate(-1)
            key = self._take_from(partition)
            if key is not None:
                self._in_hand[key] = partition
                return key
        return None

    def _take_from(self, partition: Hashable) -> K | None:
        queue = self._queues[partition]
        while (key := queue.take()) is not None:
            now = self._partition_of(key)
            if now == partition:
                return key
            queue.done(key)
            self._queues[now].add(key)
        return None

    def done(self, key: K) -> None:
        """Uncount a key whose work ended."""
        self._queues[self._in_hand.pop(key)].done(key)

    def clear(self) -> None:
        """Drop all queued keys; keys in progress are kept."""
        for queue in self._queues.values():
            queue.clear()


def _queue(queue_key: Callable[[K], QueueKey[K]], count: int, reserved: int) -> FairQueue[K]:
    """Return a queue that leaves `reserved` of `count` to others, and half of `count` to one tenant."""
    room = max(1, count - reserved)
    return FairQueue(queue_key, room, count / (2 * room - count) if 2 * room > count else 1.0)
