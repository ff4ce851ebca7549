"""Reads the API server's answers within bounds, and translates the errors of getting them."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson

from issuer.kube.errors import KubeError, Unavailable, from_status
from issuer.late_roots import aiohttp

Object = dict[str, Any]
"""A Kubernetes object, or a part of one, as its JSON holds it."""

MAX_ERROR: Final = 64 << 10
"""Bytes of an error answer that are read to find its `Status`."""


def read_event(line: bytes, what: str) -> tuple[str, Object]:
    try:
        event = orjson.loads(line)
        kind, value = event["type"], event["object"]
    except (orjson.JSONDecodeError, TypeError, KeyError) as error:
        raise Unavailable(f"{what}: a line is not a watch event") from error
    if not isinstance(kind, str) or not isinstance(value, dict):
        raise Unavailable(f"{what}: a line is not a watch event")
    return kind, value


async def lines(stream: aiohttp.StreamReader, bound: int) -> AsyncIterator[bytes | None]:
    """Yield the stream's lines, however it is cut into pieces; None for a line over `bound` bytes."""
    rest, skipping = bytearray(), False
    async for piece in stream.iter_any():
        first, *others = piece.split(b"\n")
        if not skipping:
            rest += first
        if len(rest) > bound:
            rest, skipping = bytearray(), True
        if not others:
            continue
        if rest or skipping:
            yield None if skipping else bytes(rest)
        rest, skipping = bytearray(others.pop()), False
        for line in others:
            if line:
                yield line if len(line) <= bound else None


async def read_body(response: aiohttp.ClientResponse, bound: int) -> bytes | None:
    """Return the body, or None if it is larger than `bound` bytes; then the connection is closed."""
    length = response.content_length
    if length is not None:
        if length <= bound:
            return await response.read()
        response.close()
        return None
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > bound:
            response.close()
            return None
    return bytes(body)


async def read_error(response: aiohttp.ClientResponse, what: str) -> KubeError:
    body: Any = None
    content = await read_body(response, MAX_ERROR)
    if content:
        try:
            body = orjson.loads(content)
        except orjson.JSONDecodeError:
            body = None  # a proxy's page: its status says enough
    try:
        retry_after = float(response.headers.get("Retry-After", ""))
    except ValueError:
        retry_after = -1.0
    return from_status(response.status, body, what=what, retry_after=retry_after if retry_after > 0 else None)


def unreachable(what: str, error: Exception) -> Unavailable:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        text = f"the API server's certificate is not trusted: {error.certificate_error}"
    elif isinstance(error, TimeoutError):
        text = "no answer in time"
    elif isinstance(error, aiohttp.ClientConnectorError):
        # Not str(error): aiohttp puts its TLS context into it.
        text = f"cannot connect to {error.host}:{error.port} ({error.os_error.strerror or error.os_error})"
    elif isinstance(error, (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, ConnectionError)):
        text = "the connection was lost"
    else:
        text = f"{type(error).__name__}: {error}"
    return Unavailable(f"{what}: {text}")


def keepalive_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Make a socket whose kernel notices a dead peer in 30 s: a watch may rightly be silent for longer."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    return made
