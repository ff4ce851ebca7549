"""Servers on loopback with certificates of a test CA."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from issuer.endpoint.address import EndpointAddress, StartTls
from tests.builders import csr_pem
from tests.ca import TestCA, pem

NAME = "www.example.test"
Preface = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def server_context(
    folder: Path, ca: TestCA, now: datetime, *above: str, names: Sequence[x509.GeneralName] = ()
) -> ssl.SSLContext:
    """A server's TLS with a fresh certificate for NAME, or for `names`; `above` are the PEMs sent behind
    it."""
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = ca.sign(csr_pem(NAME, key=key).decode(), now=now, life=timedelta(hours=1), names=names).leaf_pem
    chain, secret = folder / "tls.crt", folder / "tls.key"
    chain.write_text(leaf + "".join(above or (pem(ca.intermediate),)))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    return context


@asynccontextmanager
async def listening(
    context: ssl.SSLContext | None, preface: Preface | None = None, start: StartTls | None = None
) -> AsyncIterator[EndpointAddress]:
    """A server on loopback; `preface` talks in the clear before TLS begins, or for ever without a context."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if preface is not None:
                await preface(reader, writer)
                if context is not None:
                    await writer.start_tls(context)
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    at_once = context if preface is None else None
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=at_once)
    try:
        yield EndpointAddress("127.0.0.1", server.sockets[0].getsockname()[1], start)
    finally:
        server.close()
        await server.wait_closed()
