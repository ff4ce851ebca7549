"""Counts repeated events, and picks those worth another log line."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

REMEMBERED: Final = 256
"""Keys counted apart; the one that was quiet longest is forgotten."""


class Repeats:
    """Counts events by key; the 1st, 2nd, 4th, 8th ... is worth a line. More would hide all others."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._times: OrderedDict[Hashable, int] = OrderedDict()
        self._remembered = remembered

    def count(self, key: Hashable) -> int | None:
        """Count an event; return its number if it is worth a line, else None."""
        times = self._times[key] = self._times.get(key, 0) + 1
        self._times.move_to_end(key)
        if len(self._times) > self._remembered:
            self._times.popitem(last=False)
        return times if times & (times - 1) == 0 else None
