"""Name constraints: names in a chain that its CAs may not sign.

Each CA's constraints, the root's included, apply to all certificates below it, as in TLS libraries. A name of
a constrained kind that can't be compared here is a violation. Source: RFC 5280 section 4.2.1.10.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain as joined
from typing import Final, NamedTuple

from issuer.hostnames import is_ip_address
from issuer.x509.certificates import (
    Certificate,
    alternative_names,
    extension,
    information,
    is_authority,
)
from issuer.x509.chains.chain import Chain
from issuer.x509.chains.links import is_self_issued
from issuer.x509.describe import subject_text
from issuer.x509.encoding.der import SEQUENCE, Item, items, only, read_oid
from issuer.x509.extensions import NAME_CONSTRAINTS
from issuer.x509.name_text import attributes
from issuer.x509.names import COMMON_NAME, EMAIL_ADDRESS, Name, NameKind, dns, email

# With a star anywhere in the first label: OpenSSL takes such a common name for hosts by default, and holds it
# against no constraint (openssl/openssl#30346).
_HOST: Final = re.compile(r"[a-z0-9_*-]+(?:\.[a-z0-9_-]+)+")
_URI_HOST: Final = re.compile(r"^[a-z][a-z0-9+.-]*://(?:[^/?#]*@)?([^/?#:@\[\]]+)(?::[0-9]*)?(?:[/?#]|\Z)")


class _Subtree(NamedTuple):
    """The base of a GeneralSubtree: the tag of the GeneralName, and its content."""

    tag: int
    content: bytes


class _Constraints(NamedTuple):
    permitted: tuple[_Subtree, ...]
    excluded: tuple[_Subtree, ...]


def violations(chain: Chain) -> Iterator[str]:
    """Yield, in words, each name in `chain` that its name constraints forbid."""
    below: list[Certificate] = [chain.leaf]
    for ca in chain.cas:
        value = extension(ca, NAME_CONSTRAINTS)
        if value is not None:
            for problem in _forbidden(value, below, chain.leaf):
                yield f"the CA {subject_text(ca)[:200]} may not sign {problem}"
        if not is_self_issued(ca):
            below.append(ca)


def _forbidden(value: bytes, below: list[Certificate], leaf: Certificate) -> Iterator[str]:
    try:
        constraints = _read(value)
    except ValueError as error:
        yield f"anything: its name constraints can't be read ({error})"
        return
    for certificate in below:
        try:
            names = _names(certificate, is_leaf=certificate is leaf and not is_authority(leaf))
        except ValueError as error:
            yield f"{subject_text(certificate)[:200]}, whose names can't be read ({error})"
        else:
            yield from _problems(constraints, names)


def _read(value: bytes) -> _Constraints:
    """The value of a NameConstraints extension. Raises ValueError."""
    found = {0xA0: tuple[_Subtree, ...](), 0xA1: tuple[_Subtree, ...]()}
    for item in items(only(value, SEQUENCE).content):
        if item.tag not in found or found[item.tag]:
            raise ValueError("there is more in it than permitted and excluded subtrees")
        found[item.tag] = tuple(map(_subtree, items(item.content)))
    return _Constraints(found[0xA0], found[0xA1])


def _subtree(item: Item) -> _Subtree:
    base, *bounds = items(only(item.whole, SEQUENCE).content)
    if any(one.tag != 0x80 or one.content.strip(b"\x00") for one in bounds):
        raise ValueError("a subtree has a minimum or maximum")
    return _Subtree(base.tag, base.content)


def _problems(constraints: _Constraints, names: list[Name]) -> Iterator[str]:
    for name in names:
        allowed = [_covers(one, name, wide=False) for one in constraints.permitted if _is_about(one, name)]
        forbidden = [_covers(one, name, wide=True) for one in constraints.excluded if _is_about(one, name)]
        if None in allowed or None in forbidden:
            yield f"{name}, which its name constraints name and which can't be compared"
        elif allowed and not any(allowed):
            yield f"{name}: it is outside the permitted subtrees"
        elif any(forbidden):
            yield f"{name}: it is inside an excluded subtree"


def _names(certificate: Certificate, *, is_leaf: bool) -> list[Name]:
    """Return all names that constraints are about: alternative names, the subject, and mail addresses in it.

    Of a leaf without a DNS name also the common name, if it looks like a host: clients take it for one. A
    CA's common name is free, since nobody connects to a CA; so is that of a requested CA.
    """
    subject = information(certificate).subject
    found = set(alternative_names(certificate))
    hosts = any(name.kind is NameKind.DNS for name in found)
    for oid, text in joined.from_iterable(attributes(subject)):
        if oid == EMAIL_ADDRESS:
            found.add(email(text))
        elif oid == COMMON_NAME and is_leaf and not hosts and _HOST.fullmatch(str(dns(text).value)):
            found.add(dns(text))
    if only(subject, SEQUENCE).content:
        found.add(Name(NameKind.DIRECTORY, subject))
    return sorted(found, key=str)


def _is_about(subtree: _Subtree, name: Name) -> bool:
    return name.kind is NameKind.RAW or subtree.tag == _TAGS[name.kind]


def _covers(subtree: _Subtree, name: Name, *, wide: bool) -> bool | None:
    """Return True if the subtree holds the name (with `wide`, or a host that a wildcard stands for); None if
    unknown."""
    try:
        if isinstance(name.value, bytes):
            return _covers_bytes(subtree, name.kind, name.value)
        text = subtree.content.decode("ascii")
    except ValueError:
        return None
    match name.kind:
        case NameKind.DNS:
            return _in_domain(str(dns(text).value), name.value, wide=wide)
        case NameKind.EMAIL:
            return _is_mailbox(text, name.value)
        case NameKind.URI:
            return _is_at_host(text.lower(), name.value)
    return None


def _covers_bytes(subtree: _Subtree, kind: NameKind, value: bytes) -> bool | None:
    if kind is NameKind.DIRECTORY:
        return _is_prefix(only(subtree.content, SEQUENCE).whole, value)
    return _in_network(subtree.content, value) if kind is NameKind.IP else None


def _in_domain(domain: str, host: str, *, wide: bool) -> bool:
    if not domain or host == domain:
        return True
    if host.endswith(domain if domain.startswith(".") else f".{domain}"):
        return True
    first, _, rest = host.partition(".")
    return wide and "*" in first and rest == domain.lstrip(".").partition(".")[2]


def _is_mailbox(constraint: str, address: str) -> bool:
    mailbox, at, domain = constraint.rpartition("@")
    wanted_mailbox, _, host = address.rpartition("@")
    if at:
        return (mailbox, domain.lower()) == (wanted_mailbox, host.lower())
    return _is_host(constraint.lower(), host.lower())


def _is_at_host(constraint: str, uri: str) -> bool | None:
    match = _URI_HOST.match(uri)
    if match is None or is_ip_address(match[1]):
        return None
    return _is_host(constraint, match[1].lower())


def _is_host(constraint: str, host: str) -> bool:
    return host.endswith(constraint) if constraint.startswith(".") else host == constraint


def _in_network(network: bytes, packed: bytes) -> bool | None:
    """Return True if the address is in the network (an address and a mask), both of one version."""
    if len(network) not in (8, 32):
        return None
    half = len(network) // 2
    base, mask = network[:half], network[half:]
    return len(packed) == half and all((a ^ b) & m == 0 for a, b, m in zip(packed, base, mask, strict=True))


def _is_prefix(subtree: bytes, der: bytes) -> bool:
    """Return True if the Name begins with the relative names of the subtree. Raises ValueError."""
    wanted, found = _comparable(subtree), _comparable(der)
    return found[: len(wanted)] == wanted


def _comparable(der: bytes) -> list[frozenset[tuple[str, str]]]:
    """A Name's relative names in order, text in lower case without doubled spaces (section 7.1)."""
    return [
        frozenset(_attribute(attribute) for attribute in items(relative_name.content))
        for relative_name in items(only(der, SEQUENCE).content)
    ]


def _attribute(attribute: Item) -> tuple[str, str]:
    kind, value = items(attribute.content)
    text = value.content.decode("utf-8", "backslashreplace")
    return read_oid(kind.content), " ".join(text.lower().split())


_TAGS: Final[dict[NameKind, int]] = {
    NameKind.OTHER: 0xA0,
    NameKind.EMAIL: 0x81,
    NameKind.DNS: 0x82,
    NameKind.DIRECTORY: 0xA4,
    NameKind.URI: 0x86,
    NameKind.IP: 0x87,
    NameKind.REGISTERED_ID: 0x88,
}
