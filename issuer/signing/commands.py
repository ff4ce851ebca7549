"""Commands that show what is wrong with an issuer's server, whatever its backend. Pure."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit


def look_at_tls(server: str, server_name: str = "") -> str:
    """Return the command that shows which certificate a server has, for which names, and by which CA.

    `server` is a URL, `server_name` the name that its certificate has to have, the URL's host if it is empty.
    """
    found = urlsplit(server)
    host = found.netloc.rpartition("@")[2]
    has_port = host.rpartition(":")[2].isdecimal() and not host.endswith("]")
    address = host if has_port and ":" in host else f"{host.removesuffix(':')}:443"
    name = f" --server-name {shlex.quote(server_name)}" if server_name else ""
    return f"vault-issuer verify endpoint {shlex.quote(address)}{name}"
