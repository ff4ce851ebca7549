"""Servers that send what never becomes an answer, and answers that are odd and whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from issuer.transport.answers import MAX_INTERIM
from issuer.transport.connection import MAX_ANSWER_BYTES
from issuer.vault.connection import Connection
from issuer.vault.errors import UnexpectedAnswer
from issuer.vault.transport import VaultClient

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_SENT = 4 * MAX_ANSWER_BYTES


@asynccontextmanager
async def sending(*pieces: bytes) -> AsyncIterator[tuple[VaultClient, list[int]]]:
    """A client of a server that answers each request so, and how much of it the server has sent."""
    written: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    written.append(len(piece))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    client = VaultClient(Connection(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout=5))
    try:
        yield client, written
    finally:
        await client.close()
        server.close()


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b"HTTP/1.1 103 \r\n\r\n" * 1000),
        (b"", b"HTTP/1.1 100 Continue\r\na: b\r\n\r\n" * 1000),
        (CHUNKED, b"1\r\na\r\n" * 1000),
        (CHUNKED + b"1;", b"e" * 10_000),
    ],
    ids=["interim", "interim with headers", "chunks of one byte", "a chunk's extension"],
)
async def test_what_never_becomes_an_answer_ends_the_call(first: bytes, again: bytes) -> None:
    async with sending(first, *([again] * (_SENT // len(again)))) as (client, written):
        with pytest.raises(UnexpectedAnswer, match="More came for GET /v1/x than an answer of Vault's has"):
            await client.adapter("t").get("/v1/x")
    assert sum(written) < _SENT, "the connection was ended"


async def test_interim_answers_and_chunks_of_usual_size_are_no_fault_call_after_call() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * MAX_INTERIM
    body = b'{"data": {"x": "' + b"a" * (MAX_ANSWER_BYTES - 40) + b'"}}'
    chunks = [body[start : start + 512] for start in range(0, len(body), 512)]
    framed = [f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks]
    async with sending(interim, CHUNKED, *framed, b"0\r\n\r\n") as (client, _):
        for _ in range(3):
            found = await client.adapter("t").get("/v1/x")
            assert len(found["data"]["x"]) == MAX_ANSWER_BYTES - 40
