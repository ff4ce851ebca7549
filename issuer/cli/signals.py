"""Signals that end a command which has something to put right before it ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any


async def cancelled_by_signals(work: Coroutine[Any, Any, int]) -> int:
    """Run, and let SIGTERM and SIGHUP cancel as SIGINT does. The first process of a container would ignore
    SIGTERM."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
