"""The server that an issuer's spec names, for any kind of backend."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

_LONGEST: Final = 2048
_PORTS: Final = {"http": 80, "https": 443}


def server_of(spec: Mapping[str, Any]) -> str:
    """Return `host:port` of the server that `spec.vault` names, in one spelling; empty for none."""
    vault = spec.get("vault")
    return server_at(vault.get("server") if isinstance(vault, dict) else None)


def server_at(address: object) -> str:
    """Return `host:port` of an address as a spec writes it, in one spelling; empty if none can be read.

    Only for telling servers apart: nothing connects to it.
    """
    try:
        url = urlsplit(str(address or "")[:_LONGEST].strip())
        host, port = (url.hostname or "").rstrip("."), url.port or _PORTS.get(url.scheme, 0)
    except ValueError:
        return ""
    return f"{_address(host)}:{port}" if host else ""


def host_at(address: object) -> str:
    """Return host and port of an address as it is written, without anything else that is in it."""
    try:
        found = urlsplit(address if isinstance(address, str) else "")
        host = found.hostname or ""
        return f"{host}:{found.port}" if found.port else host
    except ValueError:
        return ""


def with_https(address: Any) -> Any:
    """Return an address with `https://` before it where it has no scheme; what is no text as it is."""
    bare = isinstance(address, str) and address and "://" not in address
    return f"https://{address}" if bare else address


def _address(host: str) -> str:
    """Return an IP address in its usual form, an IPv4-mapped one as IPv4; a name as it is."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
