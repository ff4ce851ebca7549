"""How often others get a turn while something long goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Turns:
    """Counted so far; `longest` is the most seconds between two of them."""

    count: int = 0
    longest: float = 0.0


@asynccontextmanager
async def counted_turns() -> AsyncIterator[Turns]:
    """Another task that takes each turn it is given, while the block runs."""
    turns, last = Turns(), time.perf_counter()

    async def other() -> None:
        nonlocal last
        while True:
            now = time.perf_counter()
            turns.longest, last = max(turns.longest, now - last), now
            turns.count += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    try:
        yield turns
    finally:
        task.cancel()
