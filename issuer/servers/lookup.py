"""The check whether an issuer may use a server, before anything is read for it."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address

from issuer.servers.addresses import Address
from issuer.servers.allowed import AllowedServers, Refusal


async def refusal(
    allowed: AllowedServers, host: str, port: int, *, proxied: bool, timeout: float
) -> Refusal | None:
    """Return why a server may not be used; None if it may, or if its name can't be looked up now.

    A name is allowed if one of its addresses is: the others are left out when it is dialled. `timeout` is in
    seconds.
    """
    known = allowed.refusal_of_name(host, port, proxied=proxied)
    if known is not None or proxied:
        return known
    try:
        addresses = await asyncio.wait_for(_addresses(host, port), timeout)
    except OSError:  # also TimeoutError: the dial meets it, too, and checks again
        return None
    problems = [allowed.refusal(host, port, address) for address in addresses]
    return None if None in problems else next(iter(problems), None)


async def _addresses(host: str, port: int) -> list[Address]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(sockaddr[0])) for _, _, _, _, sockaddr in found]
