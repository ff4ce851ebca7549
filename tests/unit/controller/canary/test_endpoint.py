"""An endpoint is verified as a client would that trusts one CA, and told apart from all that it isn't."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from issuer.controller.canary.endpoint import NotServed, look
from issuer.controller.canary.history import Stage
from issuer.endpoint.address import EndpointAddress
from tests.builders import csr_pem
from tests.ca import TestCA, pem

NAME = "canary.lab.example.test"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def ca(now: datetime) -> TestCA:
    return TestCA.make(now)


Serve = Callable[..., ssl.SSLContext]


@pytest.fixture
def serve(tmp_path: Path, ca: TestCA, now: datetime) -> Serve:
    """A server's TLS with a leaf of a CA, and its intermediate."""

    def made(
        signer: TestCA = ca, name: str = NAME, life: timedelta = HOUR, *, whole: bool = True
    ) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = signer.sign(csr_pem(name, key=key).decode(), now=now, life=life).leaf_pem
        chain, secret = tmp_path / "tls.crt", tmp_path / "tls.key"
        chain.write_text(leaf + (pem(signer.intermediate) if whole else ""))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, secret)
        return context

    return made


@asynccontextmanager
async def listening(context: ssl.SSLContext | None) -> AsyncIterator[EndpointAddress]:
    """A server on loopback that says nothing by itself."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if context is None:
            writer.write(b"220 this is not TLS\r\n")
        try:
            await reader.read()
        except OSError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield EndpointAddress("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


async def refused(context: ssl.SSLContext | None, *trusted: x509.Certificate) -> NotServed:
    async with listening(context) as endpoint:
        with pytest.raises(NotServed) as caught:
            await look(endpoint, NAME, trusted)
    assert caught.value.stage is Stage.ENDPOINT
    assert str(endpoint) in caught.value.message
    return caught.value


async def test_a_good_endpoint_gives_the_certificate_it_serves(
    serve: Serve, ca: TestCA, now: datetime
) -> None:
    async with listening(serve()) as endpoint:
        served = await look(endpoint, NAME, (ca.root,))
    assert served.not_valid_after_utc == now + HOUR


async def test_the_topmost_ca_known_may_be_an_intermediate(serve: Serve, ca: TestCA) -> None:
    async with listening(serve()) as endpoint:
        await look(endpoint, NAME, (ca.intermediate,))


async def test_another_cas_certificate_is_refused_and_shown(serve: Serve, ca: TestCA, now: datetime) -> None:
    found = await refused(serve(TestCA.make(now)), ca.root)
    assert found.served is not None
    assert found.served.not_valid_after_utc == now + HOUR
    assert "doesn't verify" in found.message
    assert "signed by CN=Test Intermediate" in found.message


async def test_another_name_is_refused(serve: Serve, ca: TestCA) -> None:
    assert "match" in (await refused(serve(name="other.example.test"), ca.root)).message


async def test_one_that_has_ended_is_refused_and_says_when(serve: Serve, ca: TestCA, now: datetime) -> None:
    found = await refused(serve(life=timedelta(seconds=-10)), ca.root)
    assert "expired" in found.message
    assert found.served is not None
    assert found.served.not_valid_after_utc < now


async def test_a_missing_intermediate_is_refused(serve: Serve, ca: TestCA) -> None:
    await refused(serve(whole=False), ca.root)


async def test_what_does_not_speak_tls_is_told(ca: TestCA) -> None:
    found = await refused(None, ca.root)
    assert "TLS" in found.message
    assert found.served is None


async def test_nobody_there_is_told(ca: TestCA) -> None:
    async with listening(None) as endpoint:
        pass
    with pytest.raises(NotServed, match="can't be connected to"):
        await look(endpoint, NAME, (ca.root,))


async def test_a_name_that_does_not_resolve_is_told(ca: TestCA) -> None:
    with pytest.raises(NotServed, match="resolve"):
        await look(EndpointAddress(f"{64 * 'a'}.example", 443), NAME, (ca.root,))
