"""Host names that can be looked up and sent in TLS, checked before anything is sent.

Python refuses names that DNS can't hold (an empty label, one over 63 octets, a name over 253) only inside
`getaddrinfo` and `ssl`, as a UnicodeError, and there for some names alone. Sources: RFC 1035 section 2.3.4,
RFC 5891 (IDNA). RFC 952 allows no underscores, but names inside clusters have them, and Go accepts them.
"""

from __future__ import annotations

import re
from typing import Final

from yarl import URL

from issuer.hostnames import MAX_HOST, MAX_LABEL, is_ip_address
from issuer.text import masked

_LABEL: Final = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN: Final = 80


class BadHost(ValueError):
    """Text that is no host's name; the message completes "the host ...", and shows it."""


def ascii_host(host: str) -> str:
    """Return `host` in the form that is looked up: an IP address (IPv6 without brackets), or a name in
    A-labels.

    One trailing dot stays, as it makes a name absolute. Raises BadHost.
    """
    if not host:
        raise BadHost("is missing")
    if is_ip_address(host):
        return host
    name = host if host.isascii() else _a_labels(host)
    labels = name.removesuffix(".").split(".")
    if not all(labels):
        raise BadHost(
            f'"{shown(host)}" has an empty label: two dots follow each other, or it begins with one'
        )
    if len(name.removesuffix(".")) > MAX_HOST:
        raise BadHost(f'"{shown(host)}" is longer than the {MAX_HOST} characters that DNS can hold')
    for label in labels:
        if len(label) > MAX_LABEL:
            raise BadHost(
                f'"{shown(host)}" has a label longer than the {MAX_LABEL} characters that DNS can hold'
            )
        if not _LABEL.fullmatch(label):
            raise BadHost(
                f'"{shown(host)}" has the label "{shown(label)}": labels are letters, digits and hyphens'
            )
    return name


def _a_labels(host: str) -> str:
    try:
        name = URL.build(scheme="https", host=host).raw_host
    except ValueError as error:  # a UnicodeError is one, too
        raise BadHost(f'"{shown(host)}" is no internationalized domain name') from error
    return name or ""


def shown(text: str) -> str:
    """Return a user's text for a message: bounded, one line, nothing invisible."""
    return masked(text, _SHOWN)
