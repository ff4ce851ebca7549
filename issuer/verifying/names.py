"""Whether a certificate is for a name, as clients compare them (RFC 9525, section 6.3). Pure."""

from __future__ import annotations

from issuer.x509.certificates import Certificate, alternative_names
from issuer.x509.names import NameKind, address, dns


def covers(certificate: Certificate, asked: str) -> bool:
    """Return True if a DNS name or IP address is among the alternative names; a common name is none of them.

    A wildcard stands for the whole first label of a name with two more at least, as OpenSSL has it.
    """
    names = alternative_names(certificate)
    if (ip := address(asked)) is not None:
        return ip in names
    name = _ascii(asked)
    label, _, rest = name.partition(".")
    return dns(name) in names or bool(label and "." in rest and dns(f"*.{rest}") in names)


def names_of(certificate: Certificate) -> list[str]:
    """Return the DNS names and IP addresses that a certificate is for."""
    found = alternative_names(certificate)
    return sorted(one.text() or "" for one in found if one.kind in (NameKind.DNS, NameKind.IP))


def _ascii(name: str) -> str:
    """Return a name as TLS has it: of others than ASCII the A-labels, without a trailing dot."""
    try:
        return name.lower().rstrip(".").encode("idna").decode()
    except UnicodeError:
        return name
