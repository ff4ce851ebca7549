"""The servers that may be dialled for one connection, and those that have shown that they are a CA's."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from yarl import URL

from issuer.late_roots import aiohttp
from issuer.servers.addresses import literal
from issuer.servers.allowed import NO_HOST, IssuerWords, Reach
from issuer.transport import answers
from issuer.transport.errors import ServerNotAllowed
from issuer.x509.certificates import decode
from issuer.x509.chains.bundle import certificate_blocks, certificate_der
from issuer.x509.errors import InvalidCertificate

_MAX_PEERS: Final = 64
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,65536}-----END CERTIFICATE-----")
_MAX_CERTIFICATES: Final = 16
_MAX_PEM: Final = 66_000

AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]  # as getaddrinfo gives them


class AddressRefused(OSError):
    """An address that this connection may not dial; the text says why."""


class Response(aiohttp.ClientResponse):
    """An answer that knows its sender, as `host port`; "" if that isn't known."""

    peer: str = ""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Note the sender's address while the connection is ours: a short answer gives it back at once."""
        transport = connection.transport
        name = None if transport is None else transport.get_extra_info("peername")
        self.peer = f"{name[0]} {name[1]}" if name else ""
        answers.begin(connection)
        return await super().start(connection)


class Peers:
    """The servers of one session: `base` is the issuer's address, `proxied` says that a proxy dials it.

    `shown` has those that are a CA's; another session to that address may share it. `words` are for refusals.
    """

    def __init__(
        self,
        reach: Reach,
        base: URL,
        *,
        proxied: bool,
        words: IssuerWords,
        shown: set[str] | None = None,
    ) -> None:
        self._reach = reach
        self._words = words
        self._host = base.raw_host or ""
        self._proxied = proxied
        self.shown = set() if shown is None else shown

    def check(self, url: URL) -> None:
        """Raise ServerNotAllowed for a host that may not be used, as far as its name tells."""
        if self._reach.restricted:
            host, port = url.raw_host or "", url.port or 0
            problem = self._reach.allowed.refusal_of_name(host, port, proxied=self._proxied)
            if problem is not None:
                raise not_allowed(host, port, problem.text(self._words))

    def socket_factory(self) -> Callable[[AddressInfo], socket.socket] | None:
        """Return the function that opens sockets, called with the very address at each connect; None if all
        are allowed."""
        return self._socket if self._reach.restricted and not self._proxied else None

    def _socket(self, info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, where = info
        address = literal(str(where[0]))
        problem = NO_HOST if address is None else self._reach.allowed.refusal(self._host, where[1], address)
        if problem is not None:
            raise AddressRefused(problem.text(self._words))
        return socket.socket(family, kind, protocol)

    def may_redirect_to(self, port: int) -> bool:
        """Return True if the operator's list names the host with that port."""
        return self._reach.allowed.lists(self._host, port)

    @property
    def terse(self) -> bool:
        """True if the reason of a failed dial must be hidden: it would reveal a network that isn't the
        user's."""
        return self._reach.restricted and not self._reach.allowed

    @property
    def restricted(self) -> bool:
        """True for an issuer of a namespace."""
        return self._reach.restricted

    def of(self, url: URL, peer: str) -> str:
        """Return a name for the server that answered, for `show` and `has_shown`; "" if it can't be told from
        others.

        Its DNS server decides, at each connect, to which address a name leads. So a name stands for a server
        only if the operator listed it; otherwise the address does, which a proxy doesn't tell.
        """
        host, port = url.raw_host or "", url.port or 0
        if self._reach.allowed.names_host(host, port) or (self._proxied and literal(host) is not None):
            return f"{host} {port}"
        return "" if self._proxied else peer

    def show(self, server: str, pem: str) -> None:
        """Remember a server that answered with a CA chain: what else it says is the CA's."""
        if self._reach.restricted and server and len(self.shown) < _MAX_PEERS and _holds_certificate(pem):
            self.shown.add(server)

    def has_shown(self, server: str) -> bool:
        """Return True if that server's words may be shown: it is a CA's, or whoever wrote its address may
        know what it says."""
        return not self._reach.restricted or server in self.shown


def not_allowed(host: str, port: int, why: str) -> ServerNotAllowed:
    """Return the error for a server that an issuer of a namespace may not use."""
    shown = f"[{host}]" if ":" in host else host
    return ServerNotAllowed(f"The server {shown}:{port} is not used: {why}")


def _holds_certificate(pem: str) -> bool:
    for number, found in enumerate(_PEM.finditer(pem)):
        if number >= _MAX_CERTIFICATES:
            break
        with suppress(InvalidCertificate):
            decode(certificate_der(certificate_blocks(found.group(), _MAX_PEM, 1)[0]))
            return True
    return False
