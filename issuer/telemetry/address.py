"""Addresses to listen on and to send to, as options give them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from urllib.parse import urlsplit


class AddressError(ValueError):
    """An address that can't be used; the message has an example."""


class ListenError(Exception):
    """An address that can't be listened at; the message has the cause, and the option to correct."""


@contextmanager
def listening_at(address: str, option: str) -> Iterator[None]:
    """Raise ListenError where what is done inside can't listen at `address`, which `option` gave."""
    try:
        yield
    except (OSError, UnicodeError) as error:  # a host that is no name is refused in its encoding
        raise ListenError(f"{option} {address}: {_cause(error, *parse_address(address))}") from error


def _cause(error: OSError | UnicodeError, host: str, port: int) -> str:
    """Return why nothing can be listened at, and what to do, as a sentence."""
    if isinstance(error, UnicodeError | socket.gaierror):
        return f'the host "{host}" has no address; write one of this machine, or :{port} for all of them'
    if error.errno == errno.EADDRINUSE:
        return (
            "another process listens there, such as a second controller or agent on this machine; "
            f"\"ss -ltnp 'sport = :{port}'\" names it. End it, or give another port"
        )
    if error.errno == errno.EACCES:
        return f"this user may not listen at port {port}; ports below 1024 are root's. Give a higher one"
    if error.errno in (errno.EADDRNOTAVAIL, None):  # without a number where asyncio passed over all addresses
        return f"{host} is no address of this machine; write one of its own, or :{port} for all of them"
    return f"nothing can be listened at there: {error.strerror}"


def parse_address(text: str) -> tuple[str, int]:
    """Split `host:port` (`:port` listens everywhere, `[::1]:port` is IPv6)."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise AddressError(f"{text!r} is not host:port; write for example 127.0.0.1:9402 or :9402")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - the documented meaning of ":port"


def is_loopback(host: str) -> bool:
    """Return True if only this machine (this pod) reaches the address."""
    if host.casefold() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def traces_url(text: str) -> str:
    """Return a collector's URL for traces by OTLP over HTTP: what was given, with `/v1/traces` added.

    Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp
    """
    try:
        url = urlsplit(text)
        fits = url.scheme in ("http", "https") and bool(url.hostname) and not (url.query or url.fragment)
        fits = fits and url.username is None and (url.port is None or url.port > 0)
    except ValueError:
        fits = False
    if not fits:
        raise AddressError(
            "this is not a collector's address; write for example http://collector:4318 (credentials go into "
            "the environment: OTEL_EXPORTER_OTLP_HEADERS)"
        )
    base = text.rstrip("/")
    return base if base.endswith("/v1/traces") else f"{base}/v1/traces"
