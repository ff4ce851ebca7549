"""Common names that stand for another name: CAs copy them into the alternative names, old clients read them.

Most common names are plain text (`Lab Shop CA`, `system:node:web-1`), and nothing is asked of those.
"""

from __future__ import annotations

from typing import Final

from issuer.x509.syntax.hosts import host_problem, is_address, label_problem
from issuer.x509.syntax.uris import uri_problem

_HOSTLIKE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.*")


def is_host(text: str) -> bool:
    """Return True if `text` reads as a host name, be it a bad one: its characters, and a dot inside."""
    return "." in text[:-1] and _HOSTLIKE.issuperset(text)


def common_name_problem(text: str) -> str | None:
    """Return what is wrong with a common name that stands for a host, an address or a URI, or None."""
    if is_host(text):
        name = text.removesuffix(".")
        # An address is what it says, here: many certificates for one have it as their common name.
        return label_problem(name) if is_address(name) else host_problem(text)
    if any(char.isspace() for char in text):
        return None
    if "://" in text:
        return uri_problem(text)
    return "has more than one @ in it" if text.count("@") > 1 else None
