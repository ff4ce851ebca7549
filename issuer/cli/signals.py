"""Signals that end a command which has something to put right before it ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
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


@contextmanager
def each_interrupt_cancels() -> Iterator[None]:
    """Let every SIGINT cancel the running task meanwhile: asyncio's own handler ends the loop at the second.

    No prompt may be in it: a prompt would not end by Ctrl-C.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("no task runs")
    before = signal.getsignal(signal.SIGINT)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
