"""Things with a bound: a token bucket, and caches that forget. The floor: it imports nothing of the issuer's.

For one event loop, not for threads. Clocks are passed in, in seconds, and only grow.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, ItemsView
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TokenBucket:
    """A token bucket: `rate` tokens a second, at most `burst` of them, which it has at first.

    Both may be set anew at any time; they hold for the time since the last look, too.
    """

    __slots__ = ("_clock", "_filled", "_level", "burst", "rate")

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._level = float(burst)
        self._filled = clock()

    def wait(self, tokens: float = 1.0) -> float:
        """Return the seconds until there are so many tokens, 0 if there are now; takes none."""
        return max(0.0, (tokens - self._fill()) / self.rate)

    def take(self) -> bool:
        """Take a token; return False if there is none."""
        if self._fill() < 1:
            return False
        self._level -= 1
        return True

    def spend(self) -> None:
        """Take a token that there may not be: less than none is a debt, paid by the time that passes."""
        self._level = self._fill() - 1

    def give_back(self) -> None:
        """Put a token back that was spent for nothing."""
        self._level = min(self.burst, self._fill() + 1)

    def _fill(self) -> float:
        now = self._clock()
        self._level = min(self.burst, self._level + (now - self._filled) * self.rate)
        self._filled = now
        return self._level


class LruCache(Generic[K, V]):
    """Values by key, at most `most` of them; the one that was put longest ago goes first."""

    __slots__ = ("_kept", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: object) -> bool:
        return key in self._kept

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None."""
        return self._kept.get(key)

    def items(self) -> ItemsView[K, V]:
        """Return all keys with their values, the one that was put longest ago first."""
        return self._kept.items()

    def put(self, key: K, value: V) -> None:
        """Keep a value as the newest."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def pop(self, key: K) -> V | None:
        """Forget a key; return its value, or None."""
        return self._kept.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()


class TtlCache(Generic[K, V]):
    """Values by key, each for its own time, at most `most` of them; the one put longest ago goes first.

    A value that is out of time stays until then, for `stale`.
    """

    __slots__ = ("_clock", "_kept")

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: LruCache[K, tuple[float, V]] = LruCache(most)

    def __len__(self) -> int:
        return len(self._kept)

    def fresh(self, key: K) -> bool:
        """Return True if there is a value, and its time isn't over."""
        found = self._kept.get(key)
        return found is not None and found[0] > self._clock()

    def get(self, key: K) -> V | None:
        """Return the value of a key if it is fresh, else None."""
        found = self._kept.get(key)
        return found[1] if found is not None and found[0] > self._clock() else None

    def stale(self, key: K) -> V | None:
        """Return the last value of a key that is still kept, fresh or not; else None."""
        found = self._kept.get(key)
        return None if found is None else found[1]

    def put(self, key: K, value: V, seconds: float) -> None:
        """Keep a value for that many seconds from now."""
        self._kept.put(key, (self._clock() + seconds, value))

    def pop(self, key: K) -> V | None:
        """Forget a key; return its value, fresh or not, or None."""
        found = self._kept.pop(key)
        return None if found is None else found[1]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
