"""Names in words, however their text is encoded: for CAs, whose names are compared by their bytes alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import starmap
from typing import Final

from issuer.x509.encoding.der import OID, SEQUENCE, SET, Item, items, only, read_oid

_SHORT: Final = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
_WIDE: Final = {0x1C: "utf-32-be", 0x1E: "utf-16-be"}
_ESCAPED: Final = str.maketrans({one: f"\\{one}" for one in ',+"\\<>;'})


def attributes(name: bytes) -> Iterator[tuple[tuple[str, str], ...]]:
    """Yield the attributes (dotted OID, text) of each relative name of a Name's DER, in order.

    Text that doesn't fit its string type is read as Latin-1, as old CAs wrote it. Raises ValueError if `der`
    is no Name.
    """
    for relative_name in items(only(name, SEQUENCE).content):
        if relative_name.tag != SET:
            raise ValueError("a relative name is not a set")
        yield tuple(_attribute(item) for item in items(relative_name.content))


def name_text(name: bytes) -> str:
    """Return a Name as RFC 4514 text, empty if it is no Name."""
    try:
        found = list(attributes(name))
    except ValueError:
        return ""
    relative_names = ("+".join(starmap(_attribute_text, one)) for one in found)
    return ",".join(reversed([one for one in relative_names if one]))


def _attribute(item: Item) -> tuple[str, str]:
    kind, value = items(item.content)
    if item.tag != SEQUENCE or kind.tag != OID:
        raise ValueError("an attribute is malformed")
    return read_oid(kind.content), _text(value)


def _text(value: Item) -> str:
    try:
        return value.content.decode(_WIDE.get(value.tag, "utf-8"))
    except ValueError:
        return value.content.decode("latin-1")


def _attribute_text(oid: str, text: str) -> str:
    return f"{_SHORT.get(oid, oid)}={text.translate(_ESCAPED)}"
