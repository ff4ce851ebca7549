"""How much a server may send around the body of an answer: interim answers, framing and extensions of chunks.

They never become a body, whose size the transport bounds, and cost this process time all the same.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

MAX_ANSWER_BYTES: Final = 1024 * 1024
"""A signed certificate with its chain is about 5 KiB; a mount's whole ca_chain may hold dozens of CAs."""
MAX_FRAMING_BYTES: Final = 256 * 1024
"""Status lines, headers, and what frames chunks: Go's are of 2 KiB and more."""
MAX_INTERIM: Final = 16
"""Answers of status 1xx before the answer itself; Vault sends none, a proxy one or two."""
_PIECE: Final = 16 * 1024  # what is parsed before anybody looks at what it was


class TooMuch(aiohttp.ClientPayloadError):
    """A server sent more for one call than an answer can have; the connection was ended."""


class BoundedHandler(ResponseHandler):
    """aiohttp's reader of one connection, which ends a connection that brings too much."""

    _sent = 0
    _interim = 0

    def begin(self) -> None:
        """Another answer is awaited."""
        self._sent = self._interim = 0

    def data_received(self, data: bytes) -> None:
        """Parse what came, a piece at a time. Empty data is aiohttp's own: it goes on with what it has."""
        for start in range(0, max(1, len(data)), _PIECE):
            piece = data[start : start + _PIECE]
            body = getattr(self._payload, "total_bytes", 0)
            if self._sent - body > MAX_FRAMING_BYTES or self._interim > MAX_INTERIM:
                self._end()
                return
            self._sent += len(piece)
            super().data_received(piece)

    def feed_data(self, item: Any, *more: Any) -> None:
        """One message was read."""
        if 100 <= item[0].code < 200:
            self._interim += 1
        super().feed_data(item, *more)

    def _end(self) -> None:
        error, payload = TooMuch("more than an answer has"), self._payload
        self.abort()
        self.set_exception(error)
        if payload is not None:
            payload.set_exception(error)


class BoundedConnector(aiohttp.TCPConnector):
    """Connections that `BoundedHandler` reads."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        handler: type[ResponseHandler] = BoundedHandler
        self._factory = partial(handler, loop=self._loop)


def begin(connection: Any) -> None:
    """Another answer is awaited on a connection of a `BoundedConnector`."""
    protocol = connection.protocol
    if isinstance(protocol, BoundedHandler):
        protocol.begin()
