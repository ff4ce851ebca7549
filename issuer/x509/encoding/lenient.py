"""Requests in encodings that DER forbids and that can still be read in one way only.

Printers write 1 for version 1 of PKCS #10, which is 0 in the bytes (RFC 2986 section 4.1); some tools leave
sets unsorted, or write NULL where ECDSA has no parameters (RFC 5758 section 3.2). Go and OpenSSL, and CAs
built on them, accept such requests; the cryptography library doesn't. It is given the same request in strict
form, to read key, subject and signature from; the bytes that are verified, evaluated and sent to a CA are
those that came.
"""

from __future__ import annotations

from typing import Final

from issuer.x509.encoding.der import INTEGER, NULL, OID, SEQUENCE, SET, Item, element, items, only, read_oid

_VERSIONS: Final = frozenset({b"\x00", b"\x01"})
_ATTRIBUTES: Final = 0xA0
_ECDSA: Final = frozenset(f"1.2.840.10045.4.3.{number}" for number in (2, 3, 4))


def strict_form(request: bytes) -> tuple[bytes, bytes]:
    """A DER request in the form that the library takes, and the part of `request` itself that is signed.

    Raises ValueError where it is no request, or is odd in another way than those above.
    """
    information, algorithm, signature = _three(only(request, SEQUENCE))
    parts = items(information.content)
    if len(parts) != 4 or parts[0].tag != INTEGER or parts[0].content not in _VERSIONS:
        raise ValueError("its version is neither 0 nor 1")
    subject = b"".join(_sorted(one) for one in items(only(parts[1].whole, SEQUENCE).content))
    attributes = b"".join(sorted(one.whole for one in items(only(parts[3].whole, _ATTRIBUTES).content)))
    strict = element(
        SEQUENCE,
        element(INTEGER, b"\x00")
        + element(SEQUENCE, subject)
        + parts[2].whole
        + element(_ATTRIBUTES, attributes),
    )
    return element(SEQUENCE, strict + _algorithm(algorithm) + signature.whole), information.whole


def _three(request: Item) -> tuple[Item, Item, Item]:
    information, algorithm, signature = items(request.content)
    if information.tag != SEQUENCE or algorithm.tag != SEQUENCE:
        raise ValueError("its parts are not those of a request")
    return information, algorithm, signature


def _sorted(relative_name: Item) -> bytes:
    if relative_name.tag != SET:
        raise ValueError("a relative name is not a set")
    return element(SET, b"".join(sorted(one.whole for one in items(relative_name.content))))


def _algorithm(algorithm: Item) -> bytes:
    """The signature's algorithm, for ECDSA without the NULL that should not be there."""
    parts = items(algorithm.content)
    has_null = len(parts) == 2 and parts[0].tag == OID and parts[1].whole == NULL
    if has_null and read_oid(parts[0].content) in _ECDSA:
        return element(SEQUENCE, parts[0].whole)
    return algorithm.whole
