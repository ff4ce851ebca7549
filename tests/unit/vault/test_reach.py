"""Servers that an issuer of a namespace may dial, and the words of theirs that it may read."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from issuer.servers.allowed import AllowedServers, Reach
from issuer.transport.peers import Peers
from issuer.transport.sender import check_server
from issuer.vault.connection import VAULT_WORDS, Connection
from issuer.vault.errors import (
    Sealed,
    ServerError,
    ServerNotAllowed,
    UnexpectedAnswer,
    Unreachable,
    UntrustedTLS,
    VaultBadRequest,
    VaultError,
    VaultNotFound,
)
from issuer.vault.paths import SignPath
from issuer.vault.pki import Pki
from issuer.vault.transport import VaultClient
from tests import odd_certificates as odd
from tests.ca import TestCA
from tests.unit.vault import fake
from tests.unit.vault.fake import FakeVault, fake_vault

LOOPBACK = "127.0.0.0/8"
SECRET = "db_password=hunter2 from 10.0.0.7"
CHAIN_PEM = TestCA.make().ca_pems
Addresses = dict[str, list[str]]


@pytest.fixture
async def vault() -> AsyncIterator[FakeVault]:
    async with fake_vault() as running:
        yield running


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Addresses:
    """Names and the addresses that they lead to from now on; what isn't here is looked up as ever."""
    known: Addresses = {}
    lookup = asyncio.BaseEventLoop.getaddrinfo

    async def getaddrinfo(loop: Any, host: str, port: int, **more: Any) -> Any:
        if host not in known:
            return await lookup(loop, host, port, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in known[host]]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return known


def connection(url: str, *entries: str, restricted: bool = True, **more: Any) -> Connection:
    """A connection of an issuer of a namespace, with that list."""
    return Connection(url, reach=Reach(AllowedServers.parse(entries), restricted), **more)


def at(vault: FakeVault, host: str) -> str:
    """The fake's address with another host."""
    return vault.url.replace("127.0.0.1", host)


async def error_of(connection: Connection, path: str = "/v1/x", **more: Any) -> VaultError:
    """Return the error that a call ends with."""
    client = VaultClient(connection)
    try:
        with pytest.raises(VaultError) as caught:
            await client.adapter("t").get(path, **more)
    finally:
        await client.close()
    return caught.value


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0", "127.0.0.1."],
)
async def test_an_empty_list_keeps_loopback_closed(vault: FakeVault, host: str) -> None:
    found = connection(at(vault, host))
    error = await error_of(found)
    assert isinstance(error, ServerNotAllowed)
    assert "loopback" in str(error) or "unspecified" in str(error)
    with pytest.raises(ServerNotAllowed, match="--allowed-servers"):
        await check_server(found)
    assert vault.calls == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("restricted", [True, False])
async def test_a_listed_address_is_dialled_also_by_a_name(
    vault: FakeVault, host: str, restricted: bool
) -> None:
    vault.tell("GET /v1/x", (200, {"data": {}}))
    found = connection(at(vault, host), LOOPBACK, restricted=restricted)
    await check_server(found)
    client = VaultClient(found)
    assert await client.adapter().get("/v1/x") == {"data": {}}
    await client.close()


async def test_a_cluster_issuer_is_not_restricted(vault: FakeVault) -> None:
    vault.tell("GET /v1/x", (200, {"data": {}}))
    for entries in ((), ("vault.example.com",)):
        found = connection(vault.url, *entries, restricted=False)
        await check_server(found)
        client = VaultClient(found)
        await client.adapter().get("/v1/x")
        await client.close()


async def test_a_name_that_leads_elsewhere_when_it_is_dialled_is_refused(
    vault: FakeVault, names: Addresses
) -> None:
    names["rebind.test"] = ["192.0.2.1"]
    found = connection(at(vault, "rebind.test"))
    await check_server(found)
    names["rebind.test"] = ["127.0.0.1"]
    assert isinstance(await error_of(found), ServerNotAllowed)
    assert vault.calls == []


async def test_a_listed_name_opens_no_special_address(vault: FakeVault, names: Addresses) -> None:
    names["vault.test"] = ["127.0.0.1"]
    found = connection(at(vault, "vault.test"), "vault.test", "*.test")
    with pytest.raises(ServerNotAllowed, match="loopback"):
        await check_server(found)
    assert isinstance(await error_of(found), ServerNotAllowed)


async def test_of_a_name_only_the_allowed_addresses_are_dialled(vault: FakeVault, names: Addresses) -> None:
    vault.tell("GET /v1/x", (200, {"data": {}}))
    names["vault.test"] = ["127.0.0.3", "127.0.0.1"]  # the fake would answer on neither but the second
    found = connection(at(vault, "vault.test"), "127.0.0.1")
    await check_server(found)
    client = VaultClient(found)
    assert await client.adapter().get("/v1/x") == {"data": {}}
    await client.close()


async def test_an_unlisted_name_is_not_even_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def getaddrinfo(_loop: Any, host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        raise OSError

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    found = connection("https://secret-in-a-name.evil.test", "vault.example.com", "*.example.com")
    with pytest.raises(ServerNotAllowed, match="not among the servers"):
        await check_server(found)
    assert isinstance(await error_of(found), ServerNotAllowed)
    assert asked == []


async def test_a_name_that_cannot_be_looked_up_is_not_called_forbidden(names: Addresses) -> None:
    found = connection("https://nowhere.invalid:8200", "10.0.0.0/8")
    await check_server(found)
    error = await error_of(found)
    assert isinstance(error, Unreachable)
    assert "does not resolve" in str(error)


async def test_behind_a_proxy_the_proxy_is_dialled_and_the_host_judged(
    vault: FakeVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", vault.url)
    for host in ("169.254.169.254", "metadata.google.internal", "localhost", "2852039166"):
        found = connection(f"http://{host}")
        with pytest.raises(ServerNotAllowed):
            await check_server(found)
        assert isinstance(await error_of(found), ServerNotAllowed)
    assert vault.calls == []
    vault.tell("GET http://vault.example.com/v1/x", (200, {"data": {}}))
    vault.tell("GET /v1/x", (200, {"data": {}}))
    client = VaultClient(connection("http://vault.example.com", "vault.example.com"))
    assert await client.adapter().get("/v1/x") == {"data": {}}
    await client.close()


async def test_a_proxy_that_fails_is_told_and_not_taken_for_the_server(vault: FakeVault) -> None:
    """A proxy that nobody listens at was told as a Vault that refuses the connection."""
    for proxy, told in (
        ("http://127.0.0.1:9", "The proxy to Vault can't be reached (GET /v1/x)"),
        ("http://proxy.invalid:3128", "The host name of the proxy to Vault does not resolve (GET /v1/x)"),
        (vault.url, "The proxy to Vault refused to connect: it answered "),
    ):
        error = await error_of(Connection("https://vault.example.test:8200", proxy=proxy))
        assert isinstance(error, Unreachable)
        assert str(error).startswith(told)
        assert not error.sent


# What is told.


def pki(client: VaultClient) -> Pki:
    """The PKI path of the fakes."""
    return Pki(client, SignPath.parse("pki/sign/web"))


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        ((400, {"errors": [SECRET]}), UnexpectedAnswer, "answered 400 (application/json)"),
        ((403, {"errors": [SECRET, "permission denied"]}), VaultNotFound, "does not say whether"),
        ((404, {"errors": [SECRET]}), VaultNotFound, "answered 404 (application/json)"),
        ((500, {"errors": [f"internal error: {SECRET}"]}), ServerError, "internal error"),
        ((503, {"errors": [SECRET]}), ServerError, "answered 503 (application/json)"),
        ((502, f"<html>{SECRET}"), ServerError, "answered 502 (text/plain)"),
        ((400, f"{SECRET}"), UnexpectedAnswer, "answered 400 (text/plain)"),
        (fake.SEALED, Sealed, "Vault is sealed"),
        (fake.NO_ROUTE, VaultNotFound, "no handler for route"),
        ((404, {"errors": []}), VaultNotFound, "answered 404 (application/json)"),
        ((200, SECRET), VaultError, "no CA certificate"),
    ],
)
async def test_before_a_server_has_shown_a_chain_its_words_are_not_told(
    vault: FakeVault, answer: tuple[int, object], kind: type[VaultError], told: str
) -> None:
    vault.tell(fake.CHAIN, answer)
    client = VaultClient(connection(vault.url, LOOPBACK))
    with pytest.raises(VaultError) as caught:
        await pki(client).ca_chain()
    await client.close()
    assert isinstance(caught.value, kind)
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("entries", [(LOOPBACK,), (LOOPBACK, "localhost")])
async def test_vaults_words_are_told_once_it_has_shown_a_chain(
    vault: FakeVault, entries: tuple[str, ...]
) -> None:
    vault.tell(fake.CHAIN, (200, CHAIN_PEM))
    vault.tell(fake.SIGN, (400, {"errors": ["common name x not allowed by this role"]}))
    client = VaultClient(connection(at(vault, "localhost"), *entries))
    with pytest.raises(VaultBadRequest, match="left out until it has shown a CA chain") as caught:
        await pki(client).sign("t", "csr", {})
    assert "role" not in str(caught.value)
    await pki(client).ca_chain()
    # Also on a connection of its own, as a login by a client certificate has.
    for one in (client, client.beside(client.connection)):
        with pytest.raises(VaultBadRequest, match="not allowed by this role"):
            await pki(one).sign("t", "csr", {})
        await one.close()


async def test_text_that_looks_like_a_chain_shows_nothing(vault: FakeVault) -> None:
    vault.tell(fake.CHAIN, (200, fake.CERTIFICATE + SECRET))
    vault.tell(fake.SIGN, (400, {"errors": [SECRET]}))
    client = VaultClient(connection(vault.url, LOOPBACK))
    await pki(client).ca_chain()
    with pytest.raises(VaultBadRequest) as caught:
        await pki(client).sign("t", "csr", {})
    await client.close()
    assert "hunter2" not in str(caught.value)


async def test_a_chain_from_one_address_of_a_name_shows_nothing_of_another(
    vault: FakeVault, names: Addresses
) -> None:
    vault.tell(fake.CHAIN, (200, CHAIN_PEM))
    names["rebind.test"] = ["127.0.0.1"]
    client = VaultClient(connection(at(vault, "rebind.test"), LOOPBACK))
    await pki(client).ca_chain()

    async def internal(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = f'{{"errors":["{SECRET}"]}}'.encode()
        head = b"HTTP/1.1 400 x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)
        writer.close()

    server = await asyncio.start_server(internal, "127.0.0.2", int(vault.url.rpartition(":")[2]))
    names["rebind.test"] = ["127.0.0.2"]
    await client._sender._open().connector.close()  # type: ignore[union-attr]  # as when it ages
    client._sender._session = None
    with pytest.raises(VaultBadRequest) as caught:
        await pki(client).sign("t", "csr", {})
    await client.close()
    server.close()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("entries", [(), (LOOPBACK,)])
async def test_how_a_dial_fails_is_told_only_of_listed_servers(
    names: Addresses, entries: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed port, one that speaks no HTTP, and one that speaks no TLS: three texts, or one."""
    monkeypatch.setattr("issuer.servers.allowed.special_range", lambda _address: None)

    async def ssh(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(ssh, "127.0.0.1", 0)
    open_port = server.sockets[0].getsockname()[1]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        urls = [
            f"http://127.0.0.1:{closed.getsockname()[1]}",
            f"http://127.0.0.1:{open_port}",
            f"https://127.0.0.1:{open_port}",
        ]
        errors = [await error_of(connection(url, *entries)) for url in urls]
    server.close()
    assert len({str(one) for one in errors}) == (3 if entries else 1)
    if not entries:
        assert {type(one) for one in errors} == {Unreachable}


# Redirects.


def redirecting(vault: FakeVault, target: str) -> None:
    """Have the fake send a POST elsewhere."""
    vault.tell("POST /v1/x%20y", lambda _: web.Response(status=307, headers={"Location": target}))


async def redirected(vault: FakeVault, *entries: str, restricted: bool) -> VaultError:
    """Return the outcome of a POST; nothing here speaks TLS, so UntrustedTLS is a redirect
    that was followed."""
    client = VaultClient(connection(vault.url, LOOPBACK, *entries, restricted=restricted))
    try:
        with pytest.raises(VaultError) as caught:
            await client.adapter("t").post("/v1/x%20y", json={})
    finally:
        await client.close()
    return caught.value


@pytest.mark.parametrize("restricted", [True, False])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/v1/elsewhere",
        "/v1/x%20y/",
        "/v1/x%20y?a=b",
        "/v1/x%2Fy",
        "/v1/x%20y/../z",
        "//evil.test/v1/x%20y",
    ],
)
async def test_a_redirect_to_another_path_is_not_followed(
    vault: FakeVault, path: str, restricted: bool
) -> None:
    redirecting(vault, at(vault, "127.0.0.1").replace("http:", "https:") + path)
    error = await redirected(vault, restricted=restricted)
    assert isinstance(error, UnexpectedAnswer)
    assert "redirected" in str(error)


@pytest.mark.parametrize("restricted", [True, False])
async def test_a_redirect_to_the_same_path_is_followed(vault: FakeVault, restricted: bool) -> None:
    redirecting(vault, vault.url.replace("http:", "HTTPS:") + "/v1/x%20y")
    assert isinstance(await redirected(vault, restricted=restricted), UntrustedTLS)


@pytest.mark.parametrize("restricted", [True, False])
async def test_a_redirect_to_another_port_is_followed_if_it_is_listed(
    vault: FakeVault, restricted: bool
) -> None:
    other = int(vault.url.rpartition(":")[2]) ^ 1
    redirecting(vault, f"https://127.0.0.1:{other}/v1/x%20y")
    port = vault.url.rpartition(":")[2]
    client = VaultClient(connection(vault.url, f"127.0.0.1:{port}", restricted=restricted))
    with pytest.raises(UnexpectedAnswer, match="--allowed-servers"):
        await client.adapter("t").post("/v1/x%20y", json={})
    await client.close()
    client = VaultClient(connection(vault.url, LOOPBACK, restricted=restricted))
    with pytest.raises(VaultError) as caught:
        await client.adapter("t").post("/v1/x%20y", json={})
    assert not isinstance(caught.value, UnexpectedAnswer)
    await client.close()


async def test_where_a_server_redirects_to_is_not_told_to_a_namespace(vault: FakeVault) -> None:
    redirecting(vault, "https://inner-name.corp.test/v1/x%20y")
    error = await redirected(vault, restricted=True)
    assert "307" in str(error)
    assert "inner-name" not in str(error)
    assert "inner-name" in str(await redirected(vault, restricted=False))


@pytest.mark.parametrize("shape", ["serial 0", "unsorted relative name", "version 2 with extensions"])
def test_a_server_that_shows_an_odd_ca_is_vault_too(shape: str) -> None:
    reach = Reach(AllowedServers.parse(("127.0.0.1",)), True)
    url = URL("https://127.0.0.1:8200")
    peers = Peers(reach, url, proxied=False, words=VAULT_WORDS.issuers)
    peers.show("127.0.0.1 8200", odd.pem(odd.chain(shape)[0]))
    peers.show("127.0.0.1 8201", odd.pem(b"\x30\x00"))
    assert peers.shown == {"127.0.0.1 8200"}
