"""Shares of long tests that CI tries: fewer requests, some of many alike. `make test-full-size` runs all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import pytest

T = TypeVar("T")
FULL: Final = os.environ.get("FULL_SIZE") == "1"
LONGER: Final = pytest.mark.longer
"""Marks a test, or one of its parameters, that CI leaves out because a sibling shows the same there."""


def sized(full: int, sample: int) -> int:
    """Return how many requests a test makes."""
    return full if FULL else sample


def sampled(cases: Iterable[T], *sample: T) -> list[Any]:
    """Return the parameters of a test; those that are not of the sample are marked `LONGER`."""
    every = list(cases)
    if unknown := [one for one in sample if one not in every]:
        raise ValueError(f"not among the cases: {unknown}")
    return [pytest.param(one, marks=() if one in sample else LONGER) for one in every]
