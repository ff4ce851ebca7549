"""Names of certificates and CSRs in a form that can be compared.

Rules: DNS names are lower-cased and lose one trailing dot (both mean the same host); nothing is done about
IDNA, as certificates hold A-labels. An IPv4 address mapped into IPv6 is that IPv4 address. Of an e-mail
address the domain is lower-cased, of a URI the scheme and host (RFC 3986 section 6.2.2.1). All else compares
byte for byte. A value that breaks its own type's form (a non-ASCII DNS name, an address of five octets) stays
what it is, as RAW. Source: RFC 5280 section 4.2.1.6.
"""

from __future__ import annotations

import ipaddress
import re
import warnings
from enum import StrEnum
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from issuer.text import ascii_text
from issuer.x509.encoding.der import OID, SEQUENCE, Item, items, only, read_oid

SUBJECT_ALTERNATIVE_NAME: Final = "2.5.29.17"
COMMON_NAME: Final = "2.5.4.3"
EMAIL_ADDRESS: Final = "1.2.840.113549.1.9.1"
MAX_NAMES: Final = 1_000
"""Most alternative names, the same one counted each time it is there: reading them takes some 12 ms."""
_SHOWN: Final = 120
_MAPPED: Final = bytes(10) + b"\xff\xff"
_URI: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):(//(?:[^/?#]*@)?)?([^/?#@]*)(.*)\Z", re.DOTALL)


class NameKind(StrEnum):
    """The kinds of names; their values name them in messages."""

    DNS = "DNS"
    IP = "IP"
    URI = "URI"
    EMAIL = "e-mail"
    COMMON_NAME = "common name"
    OTHER = "otherName"
    DIRECTORY = "directoryName"
    REGISTERED_ID = "registeredID"
    RAW = "raw"


class Name(NamedTuple):
    """One name in canonical form.

    `value` is text for DNS, URI, EMAIL, COMMON_NAME and REGISTERED_ID (dotted), the packed address for IP,
    and DER for OTHER (the value inside its [0] tag, its type in `oid`), DIRECTORY and RAW (the whole
    GeneralName).
    """

    kind: NameKind
    value: str | bytes
    oid: str = ""

    def __str__(self) -> str:
        """Return the name for messages: bounded, and without characters that could forge a log line."""
        text = self.text() or (self.value.hex() if isinstance(self.value, bytes) else "")
        shown = ascii_text(text, _SHOWN, "...")
        return f"{self.kind.value} {self.oid + ' ' if self.oid else ''}{shown}"

    def text(self) -> str | None:
        """The name as people write it, or None if it has no such form. No IP address is a mapped one, which
        each version of Python writes otherwise."""
        if isinstance(self.value, str):
            return self.value
        return str(ipaddress.ip_address(self.value)) if self.kind is NameKind.IP else None


def common_name(text: str) -> Name:
    """Return a subject's common name, unchanged."""
    return Name(NameKind.COMMON_NAME, text)


def dns(text: str) -> Name:
    """A DNS name: lower case, without one trailing dot."""
    lowered = _lower(text)
    return Name(NameKind.DNS, lowered[:-1] if lowered.endswith(".") and len(lowered) > 1 else lowered)


def ip(packed: bytes) -> Name:
    """An address of 4 or 16 octets. Raises ValueError for other lengths."""
    short = packed[12:] if len(packed) == 16 and packed.startswith(_MAPPED) else packed
    return Name(NameKind.IP, ipaddress.ip_address(short).packed)


def address(text: str) -> Name | None:
    """Return the IP address that a text is, an IPv4-mapped one as IPv4; None if it is none, or has a zone."""
    try:
        return None if "%" in text else ip(ipaddress.ip_address(text).packed)
    except ValueError:
        return None


def email(text: str) -> Name:
    """An e-mail address: the domain in lower case, the mailbox as it is."""
    mailbox, at, domain = text.rpartition("@")
    return Name(NameKind.EMAIL, f"{mailbox}{at}{_lower(domain)}")


def uri(text: str) -> Name:
    """A URI: scheme and host in lower case, the rest as it is."""
    match = _URI.match(text)
    if match is None:
        return Name(NameKind.URI, text)
    scheme, slashes, host, rest = match[1].lower(), match[2], match[3], match[4]
    return Name(
        NameKind.URI, f"{scheme}:{slashes}{_lower(host)}{rest}" if slashes else f"{scheme}:{host}{rest}"
    )


def read_general_names(extension_value: bytes) -> frozenset[Name]:
    """The names in a SubjectAlternativeName extension's DER value. Raises ValueError."""
    found = _names(extension_value)
    if len(found) > MAX_NAMES:
        raise ValueError(f"there are more than {MAX_NAMES} names")
    return frozenset(_general_name(item.tag, item.content, item.whole) for item in found)


def subject_names(subject: x509.Name) -> frozenset[Name]:
    """The names inside a subject: common names, and e-mails in the old place (RFC 5280, 4.1.2.6)."""
    common = (common_name(text) for text in _texts(subject, NameOID.COMMON_NAME))
    mail = (email(text) for text in _texts(subject, NameOID.EMAIL_ADDRESS))
    return frozenset([*common, *mail])


def unasked(found: frozenset[Name], asked: frozenset[Name]) -> frozenset[Name]:
    """Return those of `found` that `asked` doesn't cover.

    A common name and another name of the same text cover each other: CAs copy the common name into the
    alternative names, or use one of these as the common name, and neither says more than the request.
    """
    covered = asked | {_reading(name) for name in asked if name.kind is NameKind.COMMON_NAME}
    return frozenset(
        name
        for name in found - covered
        if name.kind is not NameKind.COMMON_NAME or _reading(name) not in covered
    )


def quiet_subject(certificate: x509.Certificate | x509.CertificateSigningRequest) -> x509.Name:
    """Return the subject without the library's warnings about attribute lengths, which CAs ignore. Raises
    what the library raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return certificate.subject


def _reading(name: Name) -> Name:
    """Return the alternative name that a CA makes of a common name."""
    text = str(name.value)
    if (found := address(text)) is not None:
        return found
    if "://" in text:
        return uri(text)
    return email(text) if "@" in text else dns(text)


def _lower(text: str) -> str:
    # ASCII only: Unicode's rules would turn other letters into ASCII ones (the Kelvin sign into k).
    return text.lower() if text.isascii() else text


def _names(value: bytes) -> list[Item]:
    return items(only(value, SEQUENCE).content)


def _general_name(tag: int, content: bytes, whole: bytes) -> Name:
    try:
        if reader := _TEXT_READERS.get(tag):
            return reader(content.decode("ascii"))
        if tag == 0x87:
            return ip(content)
        if tag == 0x88:
            return Name(NameKind.REGISTERED_ID, read_oid(content))
        if tag == 0xA4:
            return Name(NameKind.DIRECTORY, only(content, SEQUENCE).whole)
        if tag == 0xA0:
            kind, value = items(content)
            if kind.tag == OID and value.tag == 0xA0:
                return Name(NameKind.OTHER, value.content, read_oid(kind.content))
    except ValueError:
        pass
    return Name(NameKind.RAW, whole)


def _texts(subject: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    values = (attribute.value for attribute in subject.get_attributes_for_oid(oid))
    return [value if isinstance(value, str) else value.hex() for value in values]


_TEXT_READERS: Final = {0x81: email, 0x82: dns, 0x86: uri}
