"""Work that a cancellation may not break in two."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def to_its_end(work: Coroutine[Any, Any, T], noted: Callable[[], None]) -> T:
    """Await work to its end however often the task is cancelled, and raise the cancellation after it.

    An error of the work goes before the cancellation. `noted` is called at each cancellation.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
            noted()
    result = task.result()
    if cancelled is not None:
        raise cancelled
    return result
