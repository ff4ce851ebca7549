"""Counts repeated events, and picks those worth another log line."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from issuer.bounded import LruCache

REMEMBERED: Final = 256
"""Keys counted apart; the one that was quiet longest is forgotten."""


class Repeats:
    """Counts events by key; the 1st, 2nd, 4th, 8th ... is worth a line. More would hide all others."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._times: LruCache[Hashable, int] = LruCache(remembered)

    def count(self, key: Hashable) -> int | None:
        """Count an event; return its number if it is worth a line, else None."""
        times = (self._times.get(key) or 0) + 1
        self._times.put(key, times)
        return times if times & (times - 1) == 0 else None
