"""The moment before a call's bytes are written: it is its turn, connected, and TLS is agreed on.

Until then seconds can pass: a free connection is waited for, a name looked up, a server dialled. aiohttp has
no hook of its own there that can give the connection back unused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import aiohttp

from issuer.transport.answers import BoundedConnector

Ask = Callable[[], None]
"""Raises where a call is not to be sent after all."""

_ASK: ContextVar[Ask | None] = ContextVar("ask before sending", default=None)


@contextmanager
def asking(ask: Ask | None) -> Iterator[None]:
    """Have an `AskingConnector` call `ask` before each request of this task."""
    token = _ASK.set(ask)
    try:
        yield
    finally:
        _ASK.reset(token)


class AskingConnector(BoundedConnector):
    """A connector that hands a connection out only if the call that waits for it may still be sent."""

    async def connect(self, *arguments: Any, **options: Any) -> aiohttp.connector.Connection:
        """Return a connection, on which nothing was written; raises what `asking` raises, and keeps it."""
        connection = await super().connect(*arguments, **options)
        ask = _ASK.get()
        if ask is not None:
            try:
                ask()
            except BaseException:
                connection.release()  # the next call need not connect again
                raise
        return connection
