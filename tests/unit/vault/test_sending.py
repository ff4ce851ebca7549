"""Whoever calls is asked once more when all that is left is to write the bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import orjson
import pytest
from aiohttp import web

from issuer.vault.connection import Connection
from issuer.vault.errors import Unreachable, VaultError
from issuer.vault.paths import SignPath
from issuer.vault.pki import Pki
from issuer.vault.transport import VaultClient
from tests.unit.vault import fake
from tests.unit.vault.fake import FakeVault, client_of


class Halt(Exception):
    """Raised by the last look."""


def read(path: str) -> SignPath:
    return SignPath.parse_authority(path) if "intermediate" in path else SignPath.parse(path)


def halt() -> None:
    raise Halt


@dataclass
class Listener:
    """A server that reads and answers nothing."""

    url: str = ""
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    received: bytes = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep what comes."""
        self.connections += 1
        self.connected.set()
        while data := await reader.read(4096):
            self.received += data
        writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    one = Listener()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield one
    server.close()


@pytest.mark.parametrize("path", ["pki/sign/web", "pki/sign-verbatim", "root/root/sign-intermediate"])
async def test_nothing_is_written_where_the_last_look_says_no(listener: Listener, path: str) -> None:
    client = VaultClient(Connection(listener.url))
    with pytest.raises(Halt):
        await Pki(client, read(path)).sign("t", "CSR", {}, halt)
    await listener.connected.wait()
    assert listener.received == b"", "it was connected, and no byte was sent"
    await client.close()


async def test_an_answer_that_came_while_the_process_was_frozen_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, frozen = asyncio.get_running_loop(), 0.0
    clock = loop.time
    monkeypatch.setattr(loop, "time", lambda: clock() + frozen)

    async def answer_and_freeze(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal frozen
        await reader.readuntil(b"CSR")
        body = orjson.dumps(fake.signed("cc:dd")[1])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        frozen += 3600  # it is in the client's socket, and the time-out is over
        writer.close()

    server = await asyncio.start_server(answer_and_freeze, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = VaultClient(Connection(url, timeout=30))
    signed = await Pki(client, SignPath.parse("pki/sign/web")).sign("t", "CSR", {})
    assert signed.serial == "cc:dd"
    await client.close()
    server.close()


async def test_a_timeout_before_anything_was_sent_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*_: object, **_more: object) -> list[object]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    monkeypatch.setattr("aiohttp.resolver.DefaultResolver.resolve", silent)
    client = VaultClient(Connection("http://vault.test", timeout=0.05))
    with pytest.raises(Unreachable, match="could not be reached in time") as failed:
        await Pki(client, SignPath.parse("pki/sign/web")).sign("t", "CSR", {})
    assert not failed.value.sent
    await client.close()


async def test_the_last_look_comes_once_the_call_is_connected(listener: Listener) -> None:
    client = VaultClient(Connection(listener.url, timeout=0.2))
    seen: list[bool] = []

    def look() -> None:
        # Other tasks had their turn while it connected: there is a connection, and nothing on it.
        seen.append(bool(connector().sockets))

    def connector() -> Sockets:
        session = client._sender._session
        assert session is not None
        assert session.connector is not None
        return Sockets({one.transport for one in session.connector._acquired})

    with pytest.raises(Unreachable):  # the listener never answers
        await Pki(client, SignPath.parse("pki/sign/web")).sign("t", "CSR", {}, look)
    assert seen == [True]
    assert b"CSR" in listener.received
    await client.close()


@dataclass
class Sockets:
    """The transports in use."""

    sockets: set[object]


def idle(client: VaultClient) -> set[object]:
    """The transports that wait for a call."""
    session = client._sender._session
    assert session is not None
    assert session.connector is not None
    return {one[0].transport for kept in session.connector._conns.values() for one in kept}


async def test_a_connection_that_was_not_used_serves_the_next_call(vault: FakeVault) -> None:
    vault.tell(fake.SIGN, fake.signed())
    async with client_of(vault) as client:
        pki = Pki(client, SignPath.parse("pki/sign/web"))
        with pytest.raises(Halt):
            await pki.sign("t", "CSR", {}, halt)
        unused = idle(client)
        await pki.sign("t", "CSR", {})
        assert idle(client) == unused
        assert len(unused) == 1
    assert len(vault.made(fake.SIGN)) == 1


async def test_the_last_look_is_of_one_call_alone(vault: FakeVault) -> None:
    vault.tell(fake.SIGN, fake.signed())
    vault.tell(fake.CHAIN, (200, fake.CERTIFICATE))
    async with client_of(vault) as client:
        pki = Pki(client, SignPath.parse("pki/sign/web"))
        with pytest.raises(Halt):
            await pki.sign("t", "CSR", {}, halt)
        assert await pki.ca_chain() == fake.CERTIFICATE
        signed, refused = await asyncio.gather(
            pki.sign("t", "CSR", {}), pki.sign("t", "CSR", {}, halt), return_exceptions=True
        )
    assert not isinstance(signed, BaseException)
    assert isinstance(refused, Halt)


async def test_a_redirected_call_is_looked_at_again(vault: FakeVault) -> None:
    vault.tell(
        fake.SIGN,
        lambda _: web.Response(
            status=307, headers={"Location": vault.url.replace("http:", "https:") + "/v1/pki/sign/web"}
        ),
    )
    looks: list[int] = []

    def look() -> None:
        looks.append(1)

    async with client_of(vault) as client:
        with pytest.raises(VaultError):  # the fake has no TLS
            await Pki(client, SignPath.parse("pki/sign/web")).sign("t", "CSR", {}, look)
    assert len(looks) == 1, "the second one was never connected, so nothing was to be sent"
