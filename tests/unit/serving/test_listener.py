"""The TLS listener for unknown clients: a bound on connections, none for long without a request."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from issuer.serving import listener
from issuer.statuspage.web import server
from tests.unit.statuspage.serving import TOKEN, Exposed, exposed


async def connect(one: Exposed) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection with TLS."""
    return await asyncio.open_connection("127.0.0.1", int(one.url.rpartition(":")[2]), ssl=one.context)


async def ended(reader: asyncio.StreamReader) -> bool:
    """Return True if the other side ends the connection without a word."""
    try:
        return not await reader.read()
    except ConnectionError:
        return True


async def status(one: Exposed) -> int:
    """Return the answer's status for a viewer who may see the page."""
    async with one.session.get(one.url, headers={"Authorization": f"Bearer {TOKEN}"}) as got:
        return got.status


async def test_one_connection_too_many_is_closed_and_a_place_comes_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "MOST", 3)
    async with exposed(tmp_path) as one:
        some = [await connect(one) for _ in range(3)]
        with pytest.raises((OSError, ssl.SSLError)):
            await connect(one)
        some[0][1].close()
        async with asyncio.timeout(60):
            while True:
                try:
                    assert await status(one) == 200
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        for _, writer in some:
            writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_connection_without_a_whole_request_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(listener, "PATIENCE", 0.5)
    async with exposed(tmp_path) as one:
        reader, writer = await connect(one)
        writer.write(sent)
        async with asyncio.timeout(60):
            assert await ended(reader)
        writer.close()


async def test_a_connection_that_never_begins_tls_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "PATIENCE", 0.5)
    async with exposed(tmp_path) as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(one.url.rpartition(":")[2]))
        async with asyncio.timeout(60):
            assert await ended(reader)
        writer.close()
        assert await status(one) == 200


async def test_a_stream_outlasts_the_patience_for_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "PATIENCE", 0.5)
    monkeypatch.setattr(server, "HEARTBEAT", 0.2)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with exposed(tmp_path) as one, one.session.get(f"{one.url}/events", headers=bearer) as got:
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 1.5:
            assert await got.content.readline()


async def test_a_form_that_does_not_come_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.2)
    async with exposed(tmp_path) as one:
        reader, writer = await connect(one)
        writer.write(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n")
        writer.write(b"Content-Type: application/x-www-form-urlencoded\r\n\r\ntok")
        async with asyncio.timeout(60):
            assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
        writer.close()
