"""Workers that take keys from a queue until it closes; none is ever lost to an exception."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

import structlog

from issuer.kube.workqueue import QueueClosed, WorkQueue
from issuer.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

K = TypeVar("K", bound=Hashable)


async def work(
    name: str, queue: WorkQueue[K], reconcile: Callable[[K], Awaitable[None]], metrics: Metrics
) -> None:
    """Reconcile keys one after the other until the queue is closed."""
    while True:
        try:
            key = await queue.get()
        except QueueClosed:
            return
        try:
            await reconcile(key)
        except Exception as error:  # a defect met by one key must not stop the others
            log.exception("unexpected error", queue=name, key=str(key), error=repr(error))
            metrics.worker_errors.labels(name).inc()
            queue.retry(key)
        finally:
            queue.done(key)


def start(
    name: str,
    count: int,
    queue: WorkQueue[K],
    reconcile: Callable[[K], Awaitable[None]],
    metrics: Metrics,
) -> list[asyncio.Task[None]]:
    """Start ``count`` workers as tasks."""
    return [
        asyncio.create_task(work(name, queue, reconcile, metrics), name=f"{name}-{number}")
        for number in range(count)
    ]
