"""A TLS listener for unknown clients: a bound on connections, and none for long without a request."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Final

import structlog
from aiohttp import web

from issuer.serving.tls import ServingCertificate

log = structlog.get_logger(__name__)

MOST: Final = 256
"""Connections at once; viewers and their browsers need a few each."""

PATIENCE: Final = 10.0
"""Seconds for the handshake, and again for the first request's headers."""

_FAREWELL = 5.0  # seconds for the other side's end of TLS
_BACKLOG = 128


class Listener:
    """Hands connections to the server of an aiohttp runner that is set up; its certificate is kept fresh.

    One too many is closed before any work is done for it.
    """

    def __init__(self, runner: web.AppRunner, certificate: ServingCertificate) -> None:
        if runner.server is None:
            raise AssertionError("a runner that is set up has a server")
        self._server = runner.server
        self._certificate = certificate
        self._open: dict[object, _Connection] = {}
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((one[0], one[4]) for one in found):
            listening = socket.create_server(address, family=family, backlog=_BACKLOG)
            listening.setblocking(False)
            self._sockets.append(listening)
            self._begin(self._accept(listening))
        self._begin(self._certificate.keep_fresh())

    def asked(self, handler: object) -> None:
        """Note that the connection of that aiohttp handler has brought a request."""
        found = self._open.get(handler)
        if found is not None:
            found.be_patient()

    async def close(self) -> None:
        """Stop listening; connections are the server's to end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in self._sockets:
            one.close()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                accepted, _ = await asyncio.get_running_loop().sock_accept(listening)
            except OSError as error:  # such as too many open files
                log.warning("no connection accepted", error=str(error))
                await asyncio.sleep(1.0)
                continue
            if len(self._open) >= MOST:
                accepted.close()
            else:
                self._begin(self._serve(accepted))

    async def _serve(self, accepted: socket.socket) -> None:
        handler = self._server()
        connection = _Connection(handler, lambda: self._open.pop(handler, None))
        self._open[handler] = connection
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=self._certificate.context,
                ssl_handshake_timeout=PATIENCE,
                ssl_shutdown_timeout=_FAREWELL,
            )
        except BaseException as error:
            self._open.pop(handler, None)
            accepted.close()
            if not isinstance(error, OSError):
                raise


class _Connection(asyncio.Protocol):
    """An aiohttp handler's connection, aborted if it brings no request in time."""

    def __init__(self, handler: asyncio.Protocol, gone: Callable[[], object]) -> None:
        self._handler = handler
        self._gone = gone
        self._waits: asyncio.TimerHandle | None = None

    def be_patient(self) -> None:
        """Wait for it without a limit from now on."""
        if self._waits is not None:
            self._waits.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start its time, and hand it to the handler."""
        if not isinstance(transport, asyncio.Transport):
            raise AssertionError("a stream has a transport that can be aborted")
        self._waits = asyncio.get_running_loop().call_later(PATIENCE, transport.abort)
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass data to the handler."""
        self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass the end of data to the handler."""
        return self._handler.eof_received()

    def pause_writing(self) -> None:
        """Pass the pause to the handler."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Pass the end of the pause to the handler."""
        self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Free its place, and pass the loss to the handler."""
        self.be_patient()
        self._gone()
        self._handler.connection_lost(exc)
