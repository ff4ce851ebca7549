"""Names in the certificate of a server that is known by another: what to write into the address instead.

A handshake that fails over the name tells nothing of the certificate, so it is made once more, for its names
alone: the chain is verified as before, the name is not, and nothing is sent.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Final

from yarl import URL

from issuer.text import ascii_text, clip

SECONDS: Final = 5.0
"""The most that it may take: the message is worth no more."""
_MAX_ADDRESSES: Final = 4
_MAX_NAMES: Final = 10
_HOSTNAME_MISMATCH, _IP_MISMATCH = 62, 64
"""Codes of OpenSSL's `X509_V_ERR_HOSTNAME_MISMATCH` and `..._IP_ADDRESS_MISMATCH`."""

SocketFactory = Callable[[Any], socket.socket]


def is_name_mismatch(error: BaseException | None) -> bool:
    """Return True if a certificate was refused for its names alone."""
    wrong = (_HOSTNAME_MISMATCH, _IP_MISMATCH)
    return isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in wrong


async def shown_names(
    url: URL, tls_name: str | None, context: ssl.SSLContext, sockets: SocketFactory | None
) -> tuple[str, ...]:
    """Return the DNS names and addresses of the certificate that a server shows; none where it can't be read.

    `tls_name` is the name that it is asked for, None for the host. `context` verifies the chain, and no name.
    `sockets` opens the sockets, to allowed addresses alone.
    """
    try:
        async with asyncio.timeout(SECONDS):
            return await _names(url, tls_name, context, sockets)
    except (OSError, UnicodeError, ValueError):  # TimeoutError and SSLError are OSErrors
        return ()


async def _names(
    url: URL, tls_name: str | None, context: ssl.SSLContext, sockets: SocketFactory | None
) -> tuple[str, ...]:
    loop, host, port = asyncio.get_running_loop(), url.raw_host or "", url.port or 0
    for info in (await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))[:_MAX_ADDRESSES]:
        opened = socket.socket(*info[:3]) if sockets is None else sockets(info)
        try:
            opened.setblocking(False)
            await loop.sock_connect(opened, info[4])
            transport, _ = await loop.create_connection(
                asyncio.Protocol, sock=opened, ssl=context, server_hostname=tls_name or host
            )
        except OSError:
            opened.close()
            continue
        try:
            return tuple(_of(transport.get_extra_info("peercert") or {}))
        finally:
            transport.abort()
    return ()


def _of(certificate: dict[str, Any]) -> Iterator[str]:
    for kind, name in certificate.get("subjectAltName", ())[:_MAX_NAMES]:
        if kind in ("DNS", "IP Address"):
            yield clip(ascii_text(str(name)), 100)
