"""Host names (RFC 1123 section 2.1, RFC 5890 section 2.3.1, RFC 6125 section 6.4.3)."""

from __future__ import annotations

import re
from typing import Final

from issuer.hostnames import MAX_HOST, MAX_LABEL

_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_LABELS_BEHIND_STAR: Final = 2


def host_problem(text: str, *, wildcard: bool = True) -> str | None:
    """Return why `text` is no host name, nor (with `wildcard`) one below a leading `*.`; None if it is.

    One trailing dot makes a name absolute and is left aside. `_` counts as a letter: policies decide on it.
    """
    name = text.removesuffix(".")
    if wildcard and name.startswith("*."):
        name = name.removeprefix("*.")
        if name.count(".") + 1 < _LABELS_BEHIND_STAR:
            return "is a wildcard with fewer than two labels after it"
    return label_problem(name) or ("is an IP address, not a host name" if is_address(name) else None)


def label_problem(name: str) -> str | None:
    """Return what is wrong with the characters or labels of `name`, given without a trailing dot, or None."""
    if len(name) > MAX_HOST:
        return f"is longer than the {MAX_HOST} characters of a host name"
    if bad := next((char for char in name if char not in _CHARACTERS), None):
        if bad == "*":
            return "has * elsewhere than alone in front"
        return f"has {bad!a} in it; a host name is made of letters, digits, hyphens and dots"
    for label in name.split("."):
        if not label:
            return "has an empty label: a dot at an end, or two in a row"
        if len(label) > MAX_LABEL:
            return f"has a label longer than {MAX_LABEL} characters"
        if label[0] == "-" or label[-1] == "-":
            return "has a label with a hyphen at an end"
    return None


def ends_in_number(name: str) -> bool:
    """Return True if browsers take `name` for an IPv4 address, or refuse it as a bad one."""
    return bool(_NUMBER.fullmatch(name.rpartition(".")[2]))


def is_address(name: str) -> bool:
    """Return True if some software reads `name` as an IPv4 address: two to four numbers, as for inet_aton(3).

    A single number is a label like others: no resolver is asked for an address by it.
    """
    labels = name.split(".")
    return 2 <= len(labels) <= 4 and all(map(_NUMBER.fullmatch, labels))
