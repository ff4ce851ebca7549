"""Limits of host names, and how to tell one from an IP address. Imports nothing of the issuer's."""

from __future__ import annotations

import ipaddress
from typing import Final

MAX_HOST: Final = 253
"""Characters of a whole name, without a trailing dot."""
MAX_LABEL: Final = 63
"""Characters between two dots."""


def is_ip_address(host: str) -> bool:
    """Return True if `host` is an IPv4 or IPv6 address in its usual form, without brackets."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
