"""The moment before a call's bytes are written: it is its turn, connected, and TLS is agreed on.

Until then seconds can pass: a free connection is waited for, a name looked up, a server dialled. aiohttp has
no hook of its own there that can give the connection back unused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from issuer.late_roots import aiohttp
from issuer.transport.answers import BoundedConnector

Ask = Callable[[], None]
"""Raises where a call is not to be sent after all."""


@dataclass(slots=True, eq=False)
class Sending:
    """One call on its way; `begun` is True once its bytes may have been written."""

    ask: Ask | None
    begun: bool = False


_SENDING: ContextVar[Sending | None] = ContextVar("call that is being sent", default=None)


@contextmanager
def asking(ask: Ask | None) -> Iterator[Sending]:
    """Have an `AskingConnector` call `ask` before the one request that this task sends meanwhile."""
    sending = Sending(ask)
    token = _SENDING.set(sending)
    try:
        yield sending
    finally:
        _SENDING.reset(token)


class AskingConnector(BoundedConnector):
    """A connector that hands a connection out only if the call that waits for it may still be sent."""

    async def connect(self, *arguments: Any, **options: Any) -> aiohttp.connector.Connection:
        """Return a connection, on which nothing was written; raises what `asking` raises, and keeps it."""
        connection = await super().connect(*arguments, **options)
        sending = _SENDING.get()
        if sending is None:
            return connection
        if sending.ask is not None:
            try:
                sending.ask()
            except BaseException:
                connection.release()  # the next call need not connect again
                raise
        sending.begun = True
        return connection
