"""Waits for what announces itself to nobody."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from testbed.processes import PATIENCE

Found = TypeVar("Found")


def wait_until(look: Callable[[], Found], what: str | Callable[[], str], seconds: float = PATIENCE) -> Found:
    """Look until what is found is true, and return it; ``what`` tells, or is asked in the end, what was
    waited for in vain."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited in vain: {what if isinstance(what, str) else what()}"
        time.sleep(0.1)
    return found
