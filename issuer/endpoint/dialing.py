"""A TLS handshake as a client makes it, and what was served."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from issuer.endpoint.address import EndpointAddress
from issuer.endpoint.errors import DialCode, DialFailed
from issuer.endpoint.served import Served
from issuer.endpoint.starttls import begin_tls
from issuer.text import one_line
from issuer.tls import readable
from issuer.x509.certificates import Certificate, decode, decode_leaf
from issuer.x509.errors import X509Error

SECONDS: Final = 10.0
"""Seconds that an endpoint may take to be connected to and to finish the handshake."""
MAX_ADDRESSES: Final = 16
"""The most addresses of one name that are dialled."""
_MOST: Final = 1 << 20
"""Bytes of the longest handshake that is read; a chain of 64 large certificates takes half of it."""
_MAX_CHAIN: Final = 64
_CHUNK: Final = 16 << 10


@dataclass(frozen=True, slots=True)
class DialOptions:
    """Options of a dial.

    Attributes:
        server_name: sent as SNI, and the name that has to be in the certificate; by default the host.
        trusted: CAs, one of which has to be in the chain; None looks without verifying anything.
        seconds: for each address, from the connection to the end of the handshake.
        trusts_system: verifies, and trusts the CAs of this machine (those of OpenSSL), too.
        checks_name: False where the caller looks for the name in the certificate.
    """

    server_name: str = ""
    trusted: Sequence[Certificate] | None = None
    seconds: float = SECONDS
    trusts_system: bool = False
    checks_name: bool = True

    def context(self) -> ssl.SSLContext:
        """Return what a client has that trusts these."""
        if self.trusted is None and not self.trusts_system:
            return _blind()
        files = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
        return _strict(tuple(self.trusted or ()), self.checks_name, files if self.trusts_system else None)


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """One address of an endpoint, as the system resolved it."""

    family: int
    address: tuple[Any, ...]

    def __str__(self) -> str:
        host, port = self.address[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


async def resolve(endpoint: EndpointAddress) -> tuple[SocketAddress, ...]:
    """Return the addresses of an endpoint in the system's order. Raises DialFailed."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(SECONDS):
            found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        said = str(error.strerror if isinstance(error, socket.gaierror) else error).lower()
        raise DialFailed(DialCode.UNRESOLVED, one_line(said, 200)) from error
    except TimeoutError as error:
        raise DialFailed(DialCode.TIMEOUT, f"no answer in {SECONDS:g} seconds") from error
    unique = dict.fromkeys((family, address) for family, _, _, _, address in found)
    return tuple(SocketAddress(family, tuple(address)) for family, address in unique)[:MAX_ADDRESSES]


async def dial(endpoint: EndpointAddress, options: DialOptions | None = None) -> Served:
    """Return what the first address serves that can be connected to. Raises DialFailed."""
    failed: DialFailed | None = None
    for address in await resolve(endpoint):
        try:
            return await dial_address(endpoint, address, options)
        except DialFailed as error:
            if error.code is not DialCode.UNREACHABLE:
                raise
            failed = failed or error
    raise failed or DialFailed(DialCode.UNRESOLVED, "the name has no address")


async def dial_every(
    endpoint: EndpointAddress, options: DialOptions | None = None
) -> dict[SocketAddress, Served | DialFailed]:
    """Return what each address of an endpoint serves, or why none is known. Raises DialFailed if it has none.

    Servers behind one name are renewed one by one: the first address tells nothing about the others.
    """

    async def one(address: SocketAddress) -> Served | DialFailed:
        try:
            return await dial_address(endpoint, address, options)
        except DialFailed as error:
            return error

    addresses = await resolve(endpoint)
    found = await asyncio.gather(*map(one, addresses))
    return dict(zip(addresses, found, strict=True))


async def dial_address(
    endpoint: EndpointAddress, address: SocketAddress, options: DialOptions | None
) -> Served:
    """Return what one address serves. Raises DialFailed, with what is served there if that can be seen."""
    options = options or DialOptions()
    name = options.server_name or endpoint.host
    try:
        return await _timed(endpoint, address, name, options.context(), options.seconds)
    except ssl.SSLCertVerificationError as error:
        served = None
        with suppress(OSError, DialFailed, X509Error):
            served = await _timed(endpoint, address, name, _blind(), options.seconds)
        raise DialFailed(DialCode.UNTRUSTED, error.verify_message, served, error.verify_code) from error
    except ssl.SSLError as error:
        raise DialFailed(DialCode.NOT_TLS, error.reason or "no reason given") from error
    except X509Error as error:
        raise DialFailed(DialCode.UNREADABLE, one_line(str(error), 300)) from error
    except TimeoutError as error:
        raise DialFailed(DialCode.TIMEOUT, f"no answer in {options.seconds:g} seconds") from error
    except OSError as error:
        # asyncio puts a sentence of its own, with the address, where the system's words are.
        words = os.strerror(error.errno) if error.errno else type(error).__name__
        raise DialFailed(DialCode.UNREACHABLE, words) from error


async def _timed(
    endpoint: EndpointAddress, address: SocketAddress, name: str, context: ssl.SSLContext, seconds: float
) -> Served:
    async with asyncio.timeout(seconds), _connected(address) as sock:
        if endpoint.start is not None:
            await begin_tls(sock, endpoint.start)
        return await _handshake(sock, str(address), name, context)


@asynccontextmanager
async def _connected(address: SocketAddress) -> AsyncIterator[socket.socket]:
    with socket.socket(address.family, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address.address)
        yield sock


async def _handshake(sock: socket.socket, peer: str, name: str, context: ssl.SSLContext) -> Served:
    """Shake hands by memory: no transport, so nothing waits for the server's goodbye."""
    loop = asyncio.get_running_loop()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        tls = context.wrap_bio(incoming, outgoing, server_hostname=name.rstrip(".") or name)
    except ValueError as error:
        raise DialFailed(DialCode.UNRESOLVED, f"{name!r} can't be sent as a server's name") from error
    received = 0
    while True:
        try:
            served = _stepped(tls, peer, context)
        finally:
            await _flush(sock, outgoing)  # or the alert that tells the server what is wrong
        if served is not None:
            return served
        data = await loop.sock_recv(sock, _CHUNK)
        received += len(data)
        if received > _MOST:
            raise DialFailed(DialCode.NOT_TLS, f"a handshake of more than {_MOST >> 20} MiB")
        if data:
            incoming.write(data)
        else:
            incoming.write_eof()


def _stepped(tls: ssl.SSLObject, peer: str, context: ssl.SSLContext) -> Served | None:
    """Return what is served once that is known; None if more of the handshake is needed."""
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return None
    except ssl.SSLCertVerificationError:
        raise
    except ssl.SSLError:
        # A server that asks for a client's certificate ends TLS 1.2 here: its own was judged before.
        verified = _verified(tls, context)
        if (context.verify_mode is ssl.CERT_NONE or verified) and (seen := _sent(tls)):
            return Served(peer, seen, "", verified)
        raise
    if not (sent := _sent(tls)):
        raise DialFailed(DialCode.NOT_TLS, "no certificate is sent")
    return Served(peer, sent, tls.version() or "", _verified(tls, context))


async def _flush(sock: socket.socket, outgoing: ssl.MemoryBIO) -> None:
    if data := outgoing.read():
        await asyncio.get_running_loop().sock_sendall(sock, data)


def _sent(tls: ssl.SSLObject) -> tuple[Certificate, ...]:
    """Return the certificates as the server sent them. Raises X509Error."""
    # SSLObject has a method of its own since Python 3.13; what it calls is there since 3.10.
    return _decoded(tls._sslobj.get_unverified_chain())  # type: ignore[attr-defined]


def _verified(tls: ssl.SSLObject, context: ssl.SSLContext) -> tuple[Certificate, ...]:
    """Return the way up by which OpenSSL verified, none where it didn't. Raises X509Error."""
    if context.verify_mode is ssl.CERT_NONE:
        return ()
    return _decoded(tls._sslobj.get_verified_chain())  # type: ignore[attr-defined]


def _decoded(chain: Any) -> tuple[Certificate, ...]:
    ders = [one.public_bytes(_DER) for one in (chain or ())[:_MAX_CHAIN]]
    return tuple(map(decode_leaf, ders[:1])) + tuple(map(decode, ders[1:]))


_DER: Final = 2  # _ssl.ENCODING_DER, without an import of the private module


@lru_cache(maxsize=4)  # 140 certificates take 50 ms to read, and a command dials many endpoints
def _strict(
    trusted: tuple[Certificate, ...], checks_name: bool, system: tuple[str | None, str | None] | None
) -> ssl.SSLContext:
    """Return what trusts these CAs; and those of the system, or in the files that OpenSSL's variables name,
    which are `system`, if that isn't None."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = checks_name
    if usable := readable(one.public_bytes(Encoding.DER) for one in trusted):
        context.load_verify_locations(cadata=usable)
    if trusted or system is None:
        # Where the CA's own root isn't known here, its topmost known CA is what there is to trust.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if system is not None:
        context.load_default_certs()
    return context


def _blind() -> ssl.SSLContext:
    """Return a context that takes any certificate: to see it. Nothing is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
