"""Host headers: on loopback the page is for those that name loopback, so that no web site can have its own
name lead here (DNS rebinding).
"""

from __future__ import annotations

from issuer.telemetry.address import is_loopback


def names_loopback(host_header: str) -> bool:
    """Return True if a Host header is one that browsers send to loopback, on whatever port."""
    host, bracket, rest = host_header.partition("]")
    if bracket:
        return is_loopback(host.removeprefix("[")) and _is_port(rest)
    host, colon, port = host_header.partition(":")
    return is_loopback(host) and _is_port(colon + port)


def _is_port(text: str) -> bool:
    return text == "" or (text[0] == ":" and text[1:].isascii() and text[1:].isdecimal())
