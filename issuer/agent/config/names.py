"""Names in `agent.yaml` that a certificate can't have: a server refuses them, or reads one as two."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from issuer.agent.config.model import CertificateSpec
from issuer.hostnames import is_ip_address
from issuer.manifests.positions import ValuePath

_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-+\--~]+")
"""A scheme and what follows it (RFC 3986), without the comma at which Vault splits lists of names."""
_MAILBOX: Final = re.compile(r"[!-+\--?A-~]{1,64}")
"""The part before the `@`, without quotes, spaces and commas."""


def name_problems(spec: CertificateSpec) -> Iterator[tuple[ValuePath, str]]:
    """Yield each name that can't be in a certificate, with its place below the set."""
    kinds: tuple[tuple[str, tuple[str, ...], Callable[[str], bool], str], ...] = (
        ("dnsNames", spec.dns_names, _is_dns, "a DNS name; names beyond ASCII: use A-labels, as xn--..."),
        ("ipAddresses", spec.ip_addresses, _is_ip, "an IP address"),
        ("uris", spec.uris, _is_uri, "a URI without commas, such as spiffe://example.com/web"),
        ("emailAddresses", spec.email_addresses, _is_email, "an email address, such as web@example.com"),
    )
    if not _is_plain(spec.common_name):
        yield ("commonName",), "must be a name of printable characters without commas"
    for field, names, is_one, needed in kinds:
        for number, name in enumerate(names):
            if field == "dnsNames" and (why := _no_dns_name(name)):
                yield (field, number), f'"{name}" {why}'
            elif not is_one(name):
                yield (field, number), f'"{name}" is not {needed}'


def _no_dns_name(name: str) -> str:
    """Return why no client finds what looks like a DNS name in a certificate, empty if it may."""
    if _is_ip(name):
        return "is an IP address, which clients look for as such alone: write it in ipAddresses"
    return "ends with a dot, as no name in a certificate does: leave the dot out" if name[-1:] == "." else ""


def _is_dns(name: str) -> bool:
    return _HOST.fullmatch(name.removeprefix("*.")) is not None


def _is_plain(name: str) -> bool:
    return name.isprintable() and "," not in name and name.strip() == name


def _is_ip(name: str) -> bool:
    return is_ip_address(name) and "%" not in name  # a zone is this machine's, and may hold anything


def _is_uri(name: str) -> bool:
    return _URI.fullmatch(name) is not None


def _is_email(name: str) -> bool:
    mailbox, _, host = name.rpartition("@")
    return _MAILBOX.fullmatch(mailbox) is not None and _HOST.fullmatch(host) is not None
