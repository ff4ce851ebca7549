"""Addresses to listen on, as options give them."""

from __future__ import annotations

from ipaddress import ip_address


class AddressError(ValueError):
    """A listen address that isn't ``host:port``."""


def parse_address(text: str) -> tuple[str, int]:
    """Split ``host:port`` (``:port`` listens everywhere, ``[::1]:port`` is IPv6)."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise AddressError(f"{text!r} is not host:port; write for example 127.0.0.1:9402 or :9402")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - the documented meaning of ":port"


def is_loopback(host: str) -> bool:
    """Whether only this machine (this pod) reaches an address."""
    if host.casefold() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
