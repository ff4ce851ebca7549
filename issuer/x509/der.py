"""As much DER as is needed to see the raw bytes of extensions and names (X.690; RFC 5280, RFC 2986).

The cryptography library decodes most of it, but it refuses whole extensions over one rare name and hides the
raw bytes; what will be signed is bytes, so names are judged on these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

SEQUENCE: Final = 0x30
SET: Final = 0x31
OID: Final = 0x06
BOOLEAN: Final = 0x01
OCTET_STRING: Final = 0x04
EXTENSION_REQUEST: Final = "1.2.840.113549.1.9.14"

_MAX_OID_BYTES: Final = 128
_MAX_ITEMS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Item:
    """One element: its tag octet, its content, and all of it with tag and length."""

    tag: int
    content: bytes
    whole: bytes


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension as it stands in the bytes: dotted OID, critical flag, DER of the value."""

    oid: str
    critical: bool
    value: bytes


def items(data: bytes) -> Iterator[Item]:
    """The elements that follow each other in `data`. Raises ValueError where it isn't DER."""
    position = 0
    for _ in range(_MAX_ITEMS):
        if position == len(data):
            return
        start, length = _header(data, position)
        end = start + length
        if end > len(data):
            raise ValueError("an element is longer than its container")
        yield Item(data[position], data[start:end], data[position:end])
        position = end
    raise ValueError(f"there are more than {_MAX_ITEMS} elements")


def only(data: bytes, tag: int) -> Item:
    """The one element that `data` is, of the given tag. Raises ValueError."""
    found = list(items(data))
    if len(found) != 1 or found[0].tag != tag:
        raise ValueError(f"expected one element with tag {tag:#04x}")
    return found[0]


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


def request_extensions(certification_request_info: bytes) -> tuple[Extension, ...]:
    """The extensions a CSR asks for (RFC 2985 section 5.4.2), listed once at most. Raises ValueError."""
    parts = list(items(only(certification_request_info, SEQUENCE).content))
    lists: list[bytes] = []
    for part in parts[3:]:
        if part.tag != 0xA0:
            raise ValueError("the request has an unexpected part")
        lists += [value for oid, value in map(_attribute, items(part.content)) if oid == EXTENSION_REQUEST]
    if len(lists) > 1:
        raise ValueError("the request asks for extensions more than once")
    return _extensions(lists[0]) if lists else ()


def request_subject(certification_request_info: bytes) -> bytes:
    """The subject of a CSR, a Name as it stands in the bytes (RFC 2986 section 4.1). Raises ValueError."""
    parts = list(items(only(certification_request_info, SEQUENCE).content))
    if len(parts) < 3:
        raise ValueError("the request lacks parts")
    return parts[1].whole


def request_attributes(certification_request_info: bytes) -> tuple[str, ...]:
    """The OIDs of a CSR's attributes, extension requests included, in order. Raises ValueError."""
    parts = list(items(only(certification_request_info, SEQUENCE).content))
    return tuple(_attribute(item)[0] for part in parts[3:] for item in items(part.content))


def certificate_extensions(tbs_certificate: bytes) -> tuple[Extension, ...]:
    """A certificate's extensions (RFC 5280 section 4.1). Raises ValueError."""
    for part in items(only(tbs_certificate, SEQUENCE).content):
        if part.tag == 0xA3:
            return _extensions(part.content)
    return ()


@lru_cache(maxsize=256)
def issuer_and_subject(tbs_certificate: bytes) -> tuple[bytes, bytes]:
    """The raw names of a certificate (RFC 5280 section 4.1). Links compare these bytes. Raises ValueError."""
    parts = list(items(only(tbs_certificate, SEQUENCE).content))
    first = 1 if parts and parts[0].tag == 0xA0 else 0
    if len(parts) < first + 6:
        raise ValueError("a certificate lacks parts")
    return parts[first + 2].whole, parts[first + 4].whole


def _attribute(item: Item) -> tuple[str, bytes]:
    """An attribute's OID and the one value of its set; for other attributes than ours the set as it is."""
    parts = list(items(item.content))
    if item.tag != SEQUENCE or len(parts) != 2 or parts[0].tag != OID or parts[1].tag != SET:
        raise ValueError("an attribute is malformed")
    return read_oid(parts[0].content), parts[1].content


def _extensions(data: bytes) -> tuple[Extension, ...]:
    found = tuple(_extension(item) for item in items(only(data, SEQUENCE).content))
    if len({extension.oid for extension in found}) != len(found):
        raise ValueError("an extension appears twice")
    return found


def _extension(item: Item) -> Extension:
    parts = list(items(item.content))
    tags = [part.tag for part in parts]
    if item.tag != SEQUENCE or tags not in ([OID, OCTET_STRING], [OID, BOOLEAN, OCTET_STRING]):
        raise ValueError("an extension is malformed")
    critical = len(parts) == 3 and parts[1].content != b"\x00"
    return Extension(read_oid(parts[0].content), critical, parts[-1].content)


def _header(data: bytes, position: int) -> tuple[int, int]:
    """Where the content of the element at `position` starts, and its length."""
    if position + 2 > len(data):
        raise ValueError("an element is cut off")
    if data[position] & 0x1F == 0x1F:
        raise ValueError("an element has a tag of several octets")
    first = data[position + 1]
    start = position + 2
    if first < 0x80:
        return start, first
    count = first & 0x7F
    length = int.from_bytes(data[start : start + count], "big")
    if not 1 <= count <= 4 or start + count > len(data) or length < 0x80 or data[start] == 0:
        raise ValueError("an element's length is not in DER's form")
    return start + count, length
