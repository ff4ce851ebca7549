"""The page of metrics: what Prometheus asks for, and nothing else, however it is asked."""

from __future__ import annotations

import asyncio

import pytest

from issuer.agent.errors import AgentError
from issuer.agent.reporting.listening import metrics_listener


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def test_page_is_made_anew_for_each_request() -> None:
    pages = iter(("a 1\n", "a 2\n"))
    async with metrics_listener("127.0.0.1", 0, lambda: next(pages)) as port:
        first = await asked(port, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        second = await asked(port, b"GET /metrics?x HTTP/1.0\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4")
    assert first.endswith(b"\r\n\r\na 1\n")
    assert second.endswith(b"a 2\n")


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 405"),
        (b"\r\n\r\n", b"HTTP/1.1 404"),
        (b"GET /metrics HTTP/1.1\r\nA: " + b"a" * 40_000, b""),
    ],
)
async def test_anything_else_is_refused(request_bytes: bytes, answer: bytes) -> None:
    async with metrics_listener("127.0.0.1", 0, lambda: "never") as port:
        said = await asked(port, request_bytes)
    assert said.startswith(answer)
    assert b"never" not in said


async def test_address_in_use_is_told() -> None:
    async with metrics_listener("127.0.0.1", 0, lambda: "") as port:
        with pytest.raises(AgentError, match=r"--metrics 127.*another process listens there"):
            async with metrics_listener("127.0.0.1", port, lambda: ""):
                pass
