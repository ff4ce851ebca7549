"""Medians with their spread, percentiles, and ratios of what was measured in the same round."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and the least and the most that was seen."""

    median: float
    low: float
    high: float

    def text(self, digits: int = 1) -> str:
        """`12.3 (11.0-14.2)`; the median alone when there is no spread."""
        middle, low, high = (f"{one:.{digits}f}" for one in (self.median, self.low, self.high))
        return middle if low == high else f"{middle} ({low}-{high})"


def spread(values: Sequence[float]) -> Spread:
    """The spread of some values; ValueError when there are none."""
    if not values:
        raise ValueError("there is no value to take a median of")
    return Spread(median(values), min(values), max(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: the least value that `percent` of all don't exceed."""
    if not values:
        raise ValueError("there is no value to take a percentile of")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Spread:
    """The spread of ours divided by theirs, round by round (round to value).

    What is measured in one round was measured minutes apart on the same machine, so a slow spell of the
    machine takes less part in these than in the ratio of two medians.
    """
    both = sorted(ours.keys() & theirs.keys())
    return spread([ours[one] / theirs[one] for one in both])
