"""Patterns that no name of a request can match, such as a range of addresses. Pure.

approver-policy takes them without a word, and so does the API server: they are text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from issuer.policy.shown import shown
from issuer.x509 import names
from issuer.x509.syntax.hosts import host_problem

_ADDRESS: Final = re.compile(r"[0-9a-f.:*]+")
_PRINTED: Final = re.compile(r"[!-~]+")


def dead_patterns(allowed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the field of each value of `allowed` that matches nothing, and why."""
    for field, problem in _PROBLEMS.items():
        entry = allowed.get(field)
        values = entry.get("values") if isinstance(entry, dict) else None
        for index, value in enumerate(values if isinstance(values, list) else ()):
            if isinstance(value, str) and (why := problem(value)):
                yield f"spec.allowed.{field}.values[{index}]", f"{shown(value)} matches no request: {why}"


def _host(pattern: str) -> str | None:
    # A star may stand for letters, so a pattern is one of host names where it is one with letters.
    if not pattern.isascii():
        return "host names in certificates are ASCII. Write it in Punycode (xn--...)"
    problem = host_problem(pattern.replace("*", "a"), wildcard=False)
    return f"it {problem}" if problem else None


def _address(pattern: str) -> str | None:
    if "/" in pattern:
        return "ranges are not known here. Write each address, or a pattern such as 10.1.2.*"
    if _ADDRESS.fullmatch(pattern.lower()) is None:
        return "it is no IP address"
    if "*" in pattern:
        if ":" in pattern and "." in pattern:
            return "an IPv4 address inside IPv6 is compared as the IPv4 address, such as 10.1.2.*"
        return None if pattern == pattern.lower() else "addresses are compared in lower case"
    found = names.address(pattern)
    if found is None:
        return "it is no IP address"
    usual = found.text()
    return None if pattern == usual else f"addresses are compared in their usual form, {usual}"


def _text(pattern: str) -> str | None:
    if _PRINTED.fullmatch(pattern):
        return None
    return "it has characters that are in none: blanks, or others than ASCII"


_PROBLEMS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "dnsNames": _host,
    "ipAddresses": _address,
    "uris": _text,
    "emailAddresses": _text,
}
