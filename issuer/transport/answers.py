"""Bounds of what a server sends around an answer's body: interim answers, framing and extensions of chunks.

They are no part of the body, whose size the transport bounds, and still cost this process time.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from issuer.late_roots import aiohttp

MAX_FRAMING_BYTES: Final = 256 * 1024
"""The most bytes around a body: status lines, headers, and the framing of chunks; Go's are
of 2 KiB and more."""
MAX_INTERIM: Final = 16
"""The most answers of status 1xx before the answer itself; a CA's server sends none, a proxy one or two."""
_PIECE: Final = 16 * 1024  # bytes parsed before their counts are checked


class TooMuch(aiohttp.ClientPayloadError):
    """More than one answer can have came for one call; the connection was closed."""


class BoundedHandler(aiohttp.client_proto.ResponseHandler):
    """aiohttp's reader of one connection; it closes a connection that exceeds the bounds."""

    _sent = 0
    _interim = 0

    def begin(self) -> None:
        """Reset the counts for the next answer."""
        self._sent = self._interim = 0

    def data_received(self, data: bytes) -> None:
        """Parse new data, a piece at a time. Empty data is aiohttp's own: it resumes the parser."""
        for start in range(0, max(1, len(data)), _PIECE):
            piece = data[start : start + _PIECE]
            body = getattr(self._payload, "total_bytes", 0)
            if self._sent - body > MAX_FRAMING_BYTES or self._interim > MAX_INTERIM:
                self._end()
                return
            self._sent += len(piece)
            super().data_received(piece)

    def feed_data(self, item: Any, *more: Any) -> None:
        """Count one message that was read."""
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
    """A connector whose connections a `BoundedHandler` reads."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        handler: type[aiohttp.client_proto.ResponseHandler] = BoundedHandler
        self._factory = partial(handler, loop=self._loop)


def begin(connection: Any) -> None:
    """Reset the counts of a connection of a `BoundedConnector` for its next answer."""
    protocol = connection.protocol
    if isinstance(protocol, BoundedHandler):
        protocol.begin()
