"""Workers that take keys from a queue until it closes; none is ever lost to an exception."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

from issuer.controller.state.defects import Defects
from issuer.kube.queues.workqueue import QueueClosed, WorkQueue

K = TypeVar("K", bound=Hashable)


async def work(
    name: str, queue: WorkQueue[K], reconcile: Callable[[K], Awaitable[None]], defects: Defects
) -> None:
    """Reconcile keys one after the other until the queue is closed."""
    while True:
        try:
            key = await queue.get()
        except QueueClosed:
            return
        try:
            await reconcile(key)
        except Exception as error:  # noqa: BLE001 - a defect met by one key must not stop the others
            defects.note(name, key, error)
            queue.retry(key)
        finally:
            queue.done(key)


def start(
    name: str,
    count: int,
    queue: WorkQueue[K],
    reconcile: Callable[[K], Awaitable[None]],
    defects: Defects,
) -> list[asyncio.Task[None]]:
    """Start `count` workers as tasks."""
    return [
        asyncio.create_task(work(name, queue, reconcile, defects), name=f"{name}-{number}")
        for number in range(count)
    ]
