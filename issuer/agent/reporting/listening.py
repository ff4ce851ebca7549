"""Metrics over HTTP: one page, for Prometheus. Small on purpose: no framework, everything bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from issuer.agent.errors import AgentError
from issuer.telemetry.address import ListenError, listening_at

_SECONDS: Final = 10.0
_MOST: Final = 16 << 10
"""Bytes of the longest request that is read; Prometheus' take some hundred."""
_AT_ONCE: Final = 16
PATH: Final = "/metrics"
_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@asynccontextmanager
async def metrics_listener(host: str, port: int, page: Callable[[], str]) -> AsyncIterator[int]:
    """Answer `GET /metrics` with `page()` until the end; gives the port. Raises AgentError where it can't."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not places.locked():
                async with places, asyncio.timeout(_SECONDS):
                    await _answer(reader, writer, page)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        with listening_at(address, "--metrics"):
            server = await asyncio.start_server(handle, host, port, limit=_MOST)
    except ListenError as error:
        raise AgentError(str(error)) from error
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, page: Callable[[], str]
) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, *_ = [*head.split(b"\r\n", 1)[0].split(), b"", b""]
    if target.split(b"?", 1)[0].decode("latin-1") != PATH:
        status, body = "404 Not Found", f"see {PATH}\n"
    elif method not in (b"GET", b"HEAD"):
        status, body = "405 Method Not Allowed", "GET only\n"
    else:
        status, body = "200 OK", page()
    data = body.encode()
    lines = (
        f"HTTP/1.1 {status}",
        f"Content-Type: {_TYPE}",
        f"Content-Length: {len(data)}",
        "Connection: close",
        "X-Content-Type-Options: nosniff",
    )
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == b"HEAD" else data))
    await writer.drain()
