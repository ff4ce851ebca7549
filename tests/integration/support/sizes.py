"""Sizes of the tests that need many requests: a sample in CI, the whole under `make test-full-size`."""

from __future__ import annotations

import os
from typing import Final

FULL: Final = os.environ.get("FULL_SIZE") == "1"


def sized(full: int, sample: int) -> int:
    """Return how many requests a test makes."""
    return full if FULL else sample
