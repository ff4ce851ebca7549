"""What a server sends is seen whole, by each of its addresses, and told apart from all that isn't TLS."""

from __future__ import annotations

import asyncio
import ssl
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from issuer.endpoint.address import BadEndpoint, EndpointAddress, StartTls, parse_endpoint
from issuer.endpoint.dialing import DialOptions, dial, dial_every
from issuer.endpoint.errors import DialCode, DialFailed
from tests.ca import TestCA, pem
from tests.unit.endpoint.support import NAME, listening, server_context


async def failure(endpoint: EndpointAddress, options: DialOptions) -> DialFailed:
    with pytest.raises(DialFailed) as caught:
        await dial(endpoint, options)
    return caught.value


async def test_chain_is_seen_as_sent(tmp_path: Path, ca: TestCA, now: datetime) -> None:
    async with listening(server_context(tmp_path, ca, now)) as endpoint:
        served = await dial(endpoint, DialOptions(NAME, (ca.root,)))
    assert served.chain[1:] == (ca.intermediate,)
    assert served.verified == (*served.chain, ca.root)
    assert served.left(now) == timedelta(hours=1)
    assert served.order_problem() == ""
    assert served.protocol == "TLSv1.3"
    assert served.peer == str(endpoint)


async def test_without_trust_everything_is_looked_at(tmp_path: Path, ca: TestCA, now: datetime) -> None:
    async with listening(server_context(tmp_path, ca, now)) as endpoint:
        served = await dial(endpoint, DialOptions("another.example"))
        other = await dial(endpoint, DialOptions("another.example", (ca.root,), checks_name=False))
    assert (len(served.chain), served.verified) == (2, ())
    assert other.verified[-1] == ca.root


async def test_cas_of_the_system_are_trusted_where_it_is_asked_for(
    tmp_path: Path, ca: TestCA, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(server_context(tmp_path, ca, now)) as endpoint:
        for root, verifies in ((ca.root, True), (TestCA.make(now).root, False)):
            system = tmp_path / f"{verifies}.pem"
            system.write_text(pem(root))
            monkeypatch.setenv("SSL_CERT_FILE", str(system))
            if verifies:
                assert (await dial(endpoint, DialOptions(NAME, trusts_system=True))).verified[-1] == ca.root
            else:
                failed = await failure(endpoint, DialOptions(NAME, trusts_system=True))
                assert (failed.code, failed.verify_code > 0) == (DialCode.UNTRUSTED, True)


async def test_wrong_order_and_doubles_are_told(tmp_path: Path, ca: TestCA, now: datetime) -> None:
    other = TestCA.make(now)
    wrong = server_context(tmp_path, ca, now, pem(ca.root), pem(ca.intermediate))
    async with listening(wrong) as endpoint:
        served = await dial(endpoint)
    assert "certificate 1 is not signed by certificate 2 (CN=Test Root)" in served.order_problem()
    twice = server_context(tmp_path, ca, now, pem(ca.intermediate), pem(ca.intermediate))
    async with listening(twice) as endpoint:
        assert "certificate 3 is sent twice" in (await dial(endpoint)).order_problem()
    whole = server_context(tmp_path, ca, now, pem(ca.intermediate), pem(ca.root))
    async with listening(whole) as endpoint:
        served = await dial(endpoint)
        assert (served.order_problem(), served.chain[-1]) == ("", ca.root)
        failed = await failure(endpoint, DialOptions(NAME, (other.root,)))
    assert failed.code is DialCode.UNTRUSTED
    assert failed.served is not None
    assert failed.served.leaf == served.leaf


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_server_that_wants_a_client_certificate_is_seen(
    tmp_path: Path, ca: TestCA, now: datetime, newest: ssl.TLSVersion
) -> None:
    context = server_context(tmp_path, ca, now)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = newest
    async with listening(context) as endpoint:
        assert len((await dial(endpoint)).chain) == 2
        assert len((await dial(endpoint, DialOptions(NAME, (ca.root,)))).chain) == 2
        other = TestCA.make(now)
        assert (await failure(endpoint, DialOptions(NAME, (other.root,)))).code is DialCode.UNTRUSTED


async def test_silence_ends_at_the_bound(ca: TestCA) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    for start in (None, StartTls.SMTP):
        async with listening(None, silent, start) as endpoint:
            failed = await failure(endpoint, DialOptions(NAME, seconds=0.2))
        assert failed.code is DialCode.TIMEOUT


async def test_flood_is_cut_off(ca: TestCA) -> None:
    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        record = b"\x16\x03\x03\x40\x00" + bytes(0x4000)
        while True:
            writer.write(record)
            await writer.drain()

    async with listening(None, flood) as endpoint:
        assert (await failure(endpoint, DialOptions(NAME))).code is DialCode.NOT_TLS


async def test_end_of_connection_is_not_tls() -> None:
    async def closing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with listening(None, closing) as endpoint:
        failed = await failure(endpoint, DialOptions(NAME))
    assert failed.code in (DialCode.NOT_TLS, DialCode.UNREACHABLE)


async def test_every_address_is_told_apart(
    tmp_path: Path, ca: TestCA, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(server_context(tmp_path, ca, now)) as endpoint:
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo("127.0.0.1", endpoint.port, type=1)
        addresses += await loop.getaddrinfo("127.0.0.9", endpoint.port, type=1)

        async def two(*_: object, **__: object) -> list[object]:
            return [*addresses, *addresses]

        monkeypatch.setattr(loop, "getaddrinfo", two)
        found = await dial_every(EndpointAddress("two.example", endpoint.port))
        first = await dial(EndpointAddress("two.example", endpoint.port))
    by_name = {str(address): result for address, result in found.items()}
    assert by_name.pop(str(endpoint)) == first
    [other] = by_name.values()
    assert isinstance(other, DialFailed)
    assert other.code is DialCode.UNREACHABLE


async def test_name_that_no_client_can_send_is_told(tmp_path: Path, ca: TestCA, now: datetime) -> None:
    async with listening(server_context(tmp_path, ca, now)) as endpoint:
        assert (await failure(endpoint, DialOptions(f"{64 * 'a'}.example"))).code is DialCode.UNRESOLVED


def test_addresses_are_read_and_written() -> None:
    assert parse_endpoint("[::1]:25", StartTls.SMTP) == EndpointAddress("::1", 25, StartTls.SMTP)
    assert str(parse_endpoint("[::1]:25")) == "[::1]:25"
    for text in ("example.com", ":443", "::1:443", "example.com:0", "example.com:65536", "a:4²"):
        with pytest.raises(BadEndpoint):
            parse_endpoint(text)
