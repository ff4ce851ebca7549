"""Name constraints: whether every certificate of a chain keeps to the names its CAs may sign.

Each CA is held against all that stands below it, the root's constraints included, as TLS libraries do. A name
of a kind that is constrained and can't be compared here is a violation. Source: RFC 5280 section 4.2.1.10.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from cryptography import x509

from issuer.x509.certificates import alternative_names
from issuer.x509.chain import Chain, is_self_issued
from issuer.x509.der import SEQUENCE, Item, items, only, read_oid
from issuer.x509.describe import subject_text
from issuer.x509.names import Name, NameKind, dns, quiet_subject, subject_names

_HOST: Final = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
_URI_HOST: Final = re.compile(r"^[a-z][a-z0-9+.-]*://(?:[^/?#]*@)?([^/?#:@\[\]]+)(?::[0-9]*)?(?:[/?#]|\Z)")


def violations(chain: Chain) -> Iterator[str]:
    """What of `chain` its name constraints forbid, in words."""
    below: list[x509.Certificate] = [chain.leaf]
    for ca in chain.cas:
        constraints = _constraints(ca)
        if constraints is not None:
            for certificate in below:
                names = _names(certificate, is_leaf=certificate is chain.leaf)
                for problem in _problems(constraints, names):
                    yield f"the CA {subject_text(ca)[:200]} may not sign {problem}"
        if not is_self_issued(ca):
            below.append(ca)


def _constraints(ca: x509.Certificate) -> x509.NameConstraints | None:
    for extension in ca.extensions:
        if isinstance(extension.value, x509.NameConstraints):
            return extension.value
    return None


def _problems(constraints: x509.NameConstraints, names: list[Name]) -> Iterator[str]:
    permitted, excluded = constraints.permitted_subtrees or (), constraints.excluded_subtrees or ()
    for name in names:
        allowed = [_covers(one, name, wide=False) for one in permitted if _is_about(one, name)]
        forbidden = [_covers(one, name, wide=True) for one in excluded if _is_about(one, name)]
        if None in allowed or None in forbidden:
            yield f"{name}, which its name constraints name and which can't be compared"
        elif allowed and not any(allowed):
            yield f"{name}: it is outside the permitted subtrees"
        elif any(forbidden):
            yield f"{name}: it is inside an excluded subtree"


def _names(certificate: x509.Certificate, *, is_leaf: bool) -> list[Name]:
    """All that constraints are about: alternative names, the subject, and the mail names in it.

    Of a leaf without another host name also the common name, if it looks like one: clients take it for the
    host. Nobody connects to a CA, so an intermediate may be called what it likes.
    """
    subject = quiet_subject(certificate)
    found = set(alternative_names(certificate))
    hosts = any(name.kind is NameKind.DNS for name in found)
    for name in subject_names(subject):
        if name.kind is NameKind.EMAIL:
            found.add(name)
        elif is_leaf and not hosts and _HOST.fullmatch(str(dns(str(name.value)).value)):
            found.add(dns(str(name.value)))
    if list(subject):
        found.add(Name(NameKind.DIRECTORY, subject.public_bytes()))
    return sorted(found, key=str)


def _is_about(subtree: x509.GeneralName, name: Name) -> bool:
    if name.kind is NameKind.RAW:
        return True
    return isinstance(subtree, _KINDS[name.kind])


def _covers(subtree: x509.GeneralName, name: Name, *, wide: bool) -> bool | None:
    """Whether the subtree holds the name (`wide`: or a host that a wildcard stands for); None if unknown."""
    if name.kind is NameKind.RAW:
        return None
    if isinstance(subtree, x509.DirectoryName) and isinstance(name.value, bytes):
        return _is_prefix(subtree.value, name.value)
    if isinstance(subtree, x509.IPAddress) and isinstance(name.value, bytes):
        return _in_network(subtree.value, name.value)
    if isinstance(subtree, x509.DNSName):
        return _in_domain(str(dns(subtree.value).value), str(name.value), wide=wide)
    if isinstance(subtree, x509.RFC822Name):
        return _is_mailbox(subtree.value, str(name.value))
    if isinstance(subtree, x509.UniformResourceIdentifier):
        return _is_at_host(subtree.value.lower(), str(name.value))
    return None


def _in_domain(domain: str, host: str, *, wide: bool) -> bool:
    if not domain or host == domain:
        return True
    if host.endswith(domain if domain.startswith(".") else f".{domain}"):
        return True
    parent = domain.lstrip(".").partition(".")[2]
    return wide and host.startswith("*.") and host[2:] == parent


def _is_mailbox(constraint: str, address: str) -> bool:
    mailbox, at, domain = constraint.rpartition("@")
    wanted_mailbox, _, host = address.rpartition("@")
    if at:
        return (mailbox, domain.lower()) == (wanted_mailbox, host.lower())
    return _is_host(constraint.lower(), host.lower())


def _is_at_host(constraint: str, uri: str) -> bool | None:
    match = _URI_HOST.match(uri)
    if match is None or _is_address(match[1]):
        return None
    return _is_host(constraint, match[1].lower())


def _is_host(constraint: str, host: str) -> bool:
    return host.endswith(constraint) if constraint.startswith(".") else host == constraint


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _in_network(network: object, packed: bytes) -> bool | None:
    if not isinstance(network, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return None
    address = ipaddress.ip_address(packed)
    return address.version == network.version and address in network


def _is_prefix(subtree: x509.Name, der: bytes) -> bool | None:
    try:
        wanted, found = _comparable(subtree.public_bytes()), _comparable(der)
    except ValueError:
        return None
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


_KINDS: Final[dict[NameKind, type[x509.GeneralName]]] = {
    NameKind.DNS: x509.DNSName,
    NameKind.IP: x509.IPAddress,
    NameKind.URI: x509.UniformResourceIdentifier,
    NameKind.EMAIL: x509.RFC822Name,
    NameKind.OTHER: x509.OtherName,
    NameKind.DIRECTORY: x509.DirectoryName,
    NameKind.REGISTERED_ID: x509.RegisteredID,
}
