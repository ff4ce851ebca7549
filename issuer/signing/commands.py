"""Commands that show what is wrong with an issuer's server, whatever its backend. Pure."""

from __future__ import annotations

import re
import shlex
from typing import Final

_AUTHORITY: Final = re.compile(r"(?:[^/?#]*://)?([^/?#]*)")
"""Host and port of a URL, of any text: those of an issuer are shown though its address can't be read."""


def look_at_tls(server: str, server_name: str = "") -> str:
    """Return the command that shows which certificate a server has, for which names, and by which CA.

    `server` is a URL, `server_name` the name that its certificate has to have, the URL's host if it is empty.
    """
    found = _AUTHORITY.match(server.strip())
    host = found[1].rpartition("@")[2] if found else ""
    has_port = host.rpartition(":")[2].isdecimal() and not host.endswith("]")
    address = host if has_port and ":" in host else f"{host.removesuffix(':')}:443"
    name = f" --server-name {shlex.quote(server_name)}" if server_name else ""
    return f"vault-issuer verify endpoint {shlex.quote(address)}{name}"
