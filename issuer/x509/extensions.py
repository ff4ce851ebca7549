"""Values of extensions, from their raw bytes (RFC 5280 section 4.2.1). All functions raise ValueError."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cryptography import x509

from issuer.x509.encoding.der import (
    BOOLEAN,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    Extension,
    items,
    leading,
    only,
    read_oid,
    truth,
)
from issuer.x509.usages import KEY_USAGE_BITS

BASIC_CONSTRAINTS: Final = "2.5.29.19"
KEY_USAGE: Final = "2.5.29.15"
EXTENDED_KEY_USAGE: Final = "2.5.29.37"
SUBJECT_KEY_IDENTIFIER: Final = "2.5.29.14"
AUTHORITY_KEY_IDENTIFIER: Final = "2.5.29.35"
NAME_CONSTRAINTS: Final = "2.5.29.30"

_BIT_STRING: Final = 0x03
_KEY_ID: Final = 0x80
_KEY_CERT_SIGN: Final = 0x04


def asked_constraints(extensions: Iterable[Extension]) -> x509.BasicConstraints | None:
    """The basicConstraints among a CSR's extensions, or None."""
    value = next((one.value for one in extensions if one.oid == BASIC_CONSTRAINTS), None)
    return None if value is None else read_basic_constraints(value)


def read_basic_constraints(value: bytes) -> x509.BasicConstraints:
    """The value of a basicConstraints extension (section 4.2.1.9)."""
    parts = items(only(value, SEQUENCE).content)
    named = bool(parts) and parts[0].tag == BOOLEAN
    # FALSE is the default, which DER leaves out; written out it says the same.
    is_ca = named and truth(parts[0].content)
    rest = parts[1:] if named else parts
    if not rest:
        return x509.BasicConstraints(is_ca, None)
    if not (is_ca and len(rest) == 1 and rest[0].tag == INTEGER and rest[0].content):
        raise ValueError("there is more in it than cA and a path length")
    if len(rest[0].content) > 8:
        raise ValueError("the path length is larger than any chain")
    length = int.from_bytes(rest[0].content, "big", signed=True)
    if length < 0:
        raise ValueError("the path length is negative")
    return x509.BasicConstraints(is_ca, length)


def read_key_usage(value: bytes) -> frozenset[str]:
    """The value of a keyUsage extension (section 4.2.1.3), by cert-manager's names."""
    content = only(value, _BIT_STRING).content
    if not content or content[0] > 7 or len(content) > 3 or (len(content) == 1 and content[0]):
        raise ValueError("it is not a string of at most nine bits")
    bits = [
        index for index in range(8 * (len(content) - 1)) if content[1 + index // 8] >> (7 - index % 8) & 1
    ]
    if any(index >= len(KEY_USAGE_BITS) for index in bits):
        raise ValueError("it has bits that stand for nothing")
    return frozenset(KEY_USAGE_BITS[index] for index in bits)


def may_sign_certificates(key_usage: bytes) -> bool:
    """Return True if a CA's keyUsage has the bit for signing certificates, whatever else is in it."""
    content = leading(key_usage, _BIT_STRING).content
    return len(content) > 1 and bool(content[1] & _KEY_CERT_SIGN)


def may_be_self_signed(subject_key: bytes | None, authority_key: bytes | None) -> bool:
    """Return True if these values of the key identifiers (sections 4.2.1.1 and 4.2.1.2) can be one key's."""
    if authority_key is None:
        return True
    named = [item.content for item in items(only(authority_key, SEQUENCE).content) if item.tag == _KEY_ID]
    return not named or (subject_key is not None and only(subject_key, OCTET_STRING).content == named[0])


def read_extended_key_usage(value: bytes) -> frozenset[str]:
    """The value of an extendedKeyUsage extension (section 4.2.1.12), as dotted OIDs."""
    return frozenset(_oid(item.tag, item.content) for item in items(only(value, SEQUENCE).content))


def _oid(tag: int, content: bytes) -> str:
    if tag != OID:
        raise ValueError("one of its entries is not an object identifier")
    return read_oid(content)
