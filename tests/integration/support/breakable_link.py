"""A network link that can be cut: a TCP proxy on loopback, between the controller and a server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from testbed.processes import LOOPBACK


class Link:
    """Leads to ``port`` on loopback; what speaks TLS through it sees the server's own certificate.

    While it is cut, connections are refused and those there were are reset.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    def __enter__(self) -> Link:
        self._thread.start()
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def mend(self) -> None:
        """Let connections through, at the same port as before."""
        self._do(self._listen())

    def cut(self) -> None:
        """Refuse and reset them."""
        self._do(self._close())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            there, far = await asyncio.open_connection(LOOPBACK, self._upstream)
            self._open.add(far)
            done, late = await asyncio.wait(
                [asyncio.ensure_future(_pump(reader, far)), asyncio.ensure_future(_pump(there, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in late:
                task.cancel()
            await asyncio.gather(*done, *late, return_exceptions=True)
        except OSError:
            pass  # the server is down: so is the connection
        finally:
            for one in (writer, far):
                if one is not None:
                    one.transport.abort()
                    self._open.discard(one)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
