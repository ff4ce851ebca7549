"""Writes of the same, again and again: how long to rest between them. Pure, but for the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from issuer.bounded import LruCache

K = TypeVar("K", bound=Hashable)

REST: Final = 10.0
"""Seconds between two writes of the same there, but for the first time that it is mended: whoever changes it
again and again must not take the turns of others."""
PEACE: Final = 2 * REST
"""Seconds without a change after which an object counts as left alone that was changed again and again."""
_OFTEN: Final = 3
"""Writes of the same, each within `PEACE` of the one before, that are no accident any more."""
_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class _Written:
    """The last write: its content, when, and how often, each time within `PEACE`."""

    content: str
    at: float
    times: int = 1


@dataclass(slots=True, eq=False)
class RepeatedWrites(Generic[K]):
    """The last writes by key of what is written; `content` stands for all of it."""

    clock: Callable[[], float] = time.monotonic
    _written: LruCache[K, _Written] = field(default_factory=lambda: LruCache(_REMEMBERED))

    def rest(self, key: K, content: str) -> float:
        """Return the seconds to wait before the same is written there again; 0 or less for none."""
        last = self._written.get(key)
        if last is None or last.times < 2 or last.content != content:
            return 0.0
        return last.at + REST - self.clock()

    def note(self, key: K, content: str) -> None:
        """Note a write."""
        now, last = self.clock(), self._written.get(key)
        again = last is not None and last.content == content and now - last.at < PEACE
        self._written.put(key, _Written(content, now, last.times + 1 if last and again else 1))

    def forget(self, key: K) -> None:
        """Forget the writes there."""
        self._written.pop(key)

    def unrest(self, key: K) -> float:
        """Return the seconds until what is changed again and again was left alone for `PEACE`; 0 if it is."""
        last = self._written.get(key)
        return 0.0 if last is None or last.times < _OFTEN else max(0.0, last.at + PEACE - self.clock())
