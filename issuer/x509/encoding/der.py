"""DER, as much as the raw bytes of extensions and names need (X.690; RFC 5280, RFC 2986).

The cryptography library decodes most of it, but it refuses whole extensions over one rare name and hides the
raw bytes. A CA signs bytes, so names are checked on these.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

SEQUENCE: Final = 0x30
SET: Final = 0x31
OID: Final = 0x06
BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
NULL: Final = b"\x05\x00"
OCTET_STRING: Final = 0x04
EXTENSION_REQUEST: Final = "1.2.840.113549.1.9.14"

_MAX_OID_BYTES: Final = 128
_MAX_ITEMS: Final = 10_000


class Item(NamedTuple):
    """One element: its tag octet, its content, and all of it with tag and length."""

    tag: int
    content: bytes
    whole: bytes


class Extension(NamedTuple):
    """An extension as it stands in the bytes: dotted OID, critical flag, DER of the value."""

    oid: str
    critical: bool
    value: bytes


def items(data: bytes) -> list[Item]:
    """The elements that follow each other in `data`. Raises ValueError where it isn't DER."""
    position, size = 0, len(data)
    found: list[Item] = []
    while position != size:
        start, length = _header(data, position)
        end = start + length
        if end > size:
            raise ValueError("an element is longer than its container")
        if len(found) == _MAX_ITEMS:
            raise ValueError(f"there are more than {_MAX_ITEMS} elements")
        found.append(Item(data[position], data[start:end], data[position:end]))
        position = end
    return found


def only(data: bytes, tag: int) -> Item:
    """The one element that `data` is, of the given tag. Raises ValueError."""
    found = items(data)
    if len(found) != 1 or found[0].tag != tag:
        raise ValueError(f"expected one element with tag {tag:#04x}")
    return found[0]


def element(tag: int, content: bytes) -> bytes:
    """An element in DER."""
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def truth(content: bytes) -> bool:
    """A BOOLEAN's content. Raises ValueError for octets that some read as true and some don't read at all."""
    if content not in {b"\x00", b"\xff"}:
        raise ValueError("a boolean is neither 00 nor FF")
    return content == b"\xff"


def leading(data: bytes, tag: int) -> Item:
    """The element of the given tag that `data` begins with, whatever stands behind it. Raises ValueError."""
    start, length = _header(data, 0)
    if data[0] != tag or start + length > len(data):
        raise ValueError(f"expected an element with tag {tag:#04x}")
    return Item(tag, data[start : start + length], data[: start + length])


@lru_cache(maxsize=512)  # the same few stand in every request and certificate
def read_oid(content: bytes) -> str:
    """An object identifier's content in dotted form. Raises ValueError."""
    if not content or len(content) > _MAX_OID_BYTES or content[-1] & 0x80:
        raise ValueError("an object identifier is malformed")
    arcs: list[int] = []
    value = 0
    for octet in content:
        if value == 0 and octet == 0x80:
            raise ValueError("an object identifier is not in its shortest form")
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


class RequestInformation(NamedTuple):
    """A CSR's parts as they stand in the bytes: the subject (a Name), the public key (SubjectPublicKeyInfo),
    the OIDs of its attributes in order, extension requests included, and the extensions it asks for."""

    subject: bytes
    public_key: bytes
    attributes: tuple[str, ...]
    extensions: tuple[Extension, ...]


def request_information(certification_request_info: bytes) -> RequestInformation:
    """A CSR's parts (RFC 2986 section 4.1), its extensions listed once at most (RFC 2985 section 5.4.2).
    Raises ValueError."""
    parts = items(only(certification_request_info, SEQUENCE).content)
    if len(parts) < 3:
        raise ValueError("the request lacks parts")
    attributes: list[tuple[str, bytes]] = []
    for part in parts[3:]:
        if part.tag != 0xA0:
            raise ValueError("the request has an unexpected part")
        attributes += map(_attribute, items(part.content))
    lists = [value for oid, value in attributes if oid == EXTENSION_REQUEST]
    if len(lists) > 1:
        raise ValueError("the request asks for extensions more than once")
    return RequestInformation(
        parts[1].whole,
        parts[2].whole,
        tuple(oid for oid, _ in attributes),
        _extensions(lists[0]) if lists else (),
    )


class CertificateInformation(NamedTuple):
    """A certificate's parts as they stand in the bytes: the names (each a Name), the public key
    (SubjectPublicKeyInfo) and the extensions."""

    issuer: bytes
    subject: bytes
    public_key: bytes
    extensions: tuple[Extension, ...]


def certificate_information(tbs_certificate: bytes) -> CertificateInformation:
    """A certificate's parts (RFC 5280 section 4.1). Raises ValueError."""
    parts = items(only(tbs_certificate, SEQUENCE).content)
    first = 1 if parts and parts[0].tag == 0xA0 else 0
    if len(parts) < first + 6:
        raise ValueError("a certificate lacks parts")
    extensions = next((_extensions(part.content) for part in parts[first + 6 :] if part.tag == 0xA3), ())
    return CertificateInformation(
        parts[first + 2].whole, parts[first + 4].whole, parts[first + 5].whole, extensions
    )


def _attribute(item: Item) -> tuple[str, bytes]:
    """An attribute's OID and the one value of its set; for other attributes than ours the set as it is."""
    parts = items(item.content)
    if item.tag != SEQUENCE or len(parts) != 2 or parts[0].tag != OID or parts[1].tag != SET:
        raise ValueError("an attribute is malformed")
    return read_oid(parts[0].content), parts[1].content


def _extensions(data: bytes) -> tuple[Extension, ...]:
    found = tuple(_extension(item) for item in items(only(data, SEQUENCE).content))
    if len({extension.oid for extension in found}) != len(found):
        raise ValueError("an extension appears twice")
    return found


def _extension(item: Item) -> Extension:
    parts = items(item.content)
    tags = [part.tag for part in parts]
    if item.tag != SEQUENCE or tags not in ([OID, OCTET_STRING], [OID, BOOLEAN, OCTET_STRING]):
        raise ValueError("an extension is malformed")
    # FALSE is the default, which DER leaves out; written out it says the same.
    critical = len(parts) == 3 and truth(parts[1].content)
    return Extension(read_oid(parts[0].content), critical, parts[-1].content)


def _header(data: bytes, position: int) -> tuple[int, int]:
    """Return the start of the content of the element at `position`, and its length. Raises ValueError."""
    start = position + 2
    if start > len(data):
        raise ValueError("an element is cut off")
    if data[position] & 0x1F == 0x1F:
        raise ValueError("an element has a tag of several octets")
    first = data[position + 1]
    if first < 0x80:
        return start, first
    count = first & 0x7F
    length = int.from_bytes(data[start : start + count], "big")
    if not 1 <= count <= 4 or start + count > len(data) or length < 0x80 or data[start] == 0:
        raise ValueError("an element's length is not in DER's form")
    return start + count, length
