"""All that a CSR's bytes say, in their own spelling and order, for policies to evaluate.

`names` brings names into a form in which equal names compare equal; here nothing is changed and nothing is
left out: two common names are two, a name that can't be read is a `Defect`, and so is text that different
readers would read differently (Teletex and UCS-2 strings, and what `syntax` refuses). Sources: RFC 5280
sections 4.1.2.4, 4.2.1.6 and appendix A; X.690.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from issuer.x509 import names
from issuer.x509.encoding.der import OID, SEQUENCE, SET, Extension, Item, items, only, read_oid
from issuer.x509.syntax.accounts import OTHER_NAMES
from issuer.x509.syntax.common_names import common_name_problem, is_host
from issuer.x509.syntax.hosts import host_problem
from issuer.x509.syntax.mail import mail_problem
from issuer.x509.syntax.text import text_problem
from issuer.x509.syntax.uris import uri_problem

_PRINTABLE: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?*&"
_NUMERIC: Final = b"0123456789 "


class RequestPart(StrEnum):
    """The parts of a CSR that hold values; their own values name them in messages."""

    ATTRIBUTE = "subject attribute"
    DNS = "DNS name"
    IP = "IP address"
    URI = "URI"
    EMAIL = "e-mail address"
    OTHER = "otherName"
    UNTYPED = "subject alternative name"
    SUBJECT = "subject"


Check = Callable[[str], str | None]
"""Return what is wrong with a text, in words that complete "it ...", or None."""
Place = tuple[RequestPart, str]
"""A part, and for subject attributes and otherNames the dotted OID of the type (otherwise "")."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value. `text` is its spelling; `meaning` is another spelling of the same name, or `text` again."""

    text: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Defect:
    """Something that can't be read, or not by everybody in the same way. No policy can allow it.

    `problem` completes "it ..."; `text` is the value, where it can be decoded at all.
    """

    place: Place
    problem: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Contents:
    """Every value by its place, in the order of the bytes, and every defect."""

    values: Mapping[Place, tuple[Value, ...]]
    defects: tuple[Defect, ...]


def read_contents(subject: bytes, extensions: Iterable[Extension]) -> Contents:
    """Read a CSR's subject (DER of the Name) and its alternative names. Bad bytes become defects; nothing
    raises."""
    reader = _Reader()
    reader.subject(subject)
    for extension in extensions:
        if extension.oid == names.SUBJECT_ALTERNATIVE_NAME:
            reader.alternative_names(extension.value)
    found = {place: tuple(values) for place, values in reader.values.items()}
    return Contents(MappingProxyType(found), tuple(reader.defects))


_NAMES: Final = (RequestPart.DNS, RequestPart.EMAIL, RequestPart.IP, RequestPart.URI)


def named_by_common_name(contents: Contents) -> Contents:
    """Return what a CA signs that makes an alternative name of a common name which comes without any.

    The last common name counts, as Go's x509 reads them; one that `alternative_name` doesn't take adds none.
    """
    given = contents.values.get((RequestPart.ATTRIBUTE, names.COMMON_NAME), ())
    if not given or any(contents.values.get((part, "")) for part in _NAMES):
        return contents
    found = alternative_name(given[-1].text)
    if found is None:
        return contents
    part, value = found
    return Contents(MappingProxyType({**contents.values, (part, ""): (value,)}), contents.defects)


def alternative_name(text: str) -> tuple[RequestPart, Value] | None:
    """Return the alternative name that a text alone stands for to every CA, None where they may differ."""
    if (address := names.address(text)) is not None:
        return RequestPart.IP, _same(address)
    if "://" in text:
        part, problem, name = RequestPart.URI, uri_problem(text), names.uri(text)
    elif ":" in text:
        return None
    elif "@" in text:
        part, problem, name = RequestPart.EMAIL, mail_problem(text), names.email(text)
    else:
        part, problem, name = RequestPart.DNS, host_problem(text), names.dns(text)
    return None if problem or not text.isascii() else (part, Value(text, _canonical(name)))


class _Reader:
    """Collects values and defects."""

    def __init__(self) -> None:
        self.values: dict[Place, list[Value]] = {}
        self.defects: list[Defect] = []

    def subject(self, der: bytes) -> None:
        try:
            sets = items(only(der, SEQUENCE).content)
            attributes = [attribute for item in sets for attribute in _attributes(item)]
        except ValueError as error:
            self.defects.append(Defect((RequestPart.SUBJECT, ""), f"can't be decoded: {error}"))
            return
        for oid, value in attributes:
            read, check = _ATTRIBUTES.get(oid, (_attribute, None))
            self._add((RequestPart.ATTRIBUTE, oid), read, check, value)

    def alternative_names(self, der: bytes) -> None:
        try:
            found = items(only(der, SEQUENCE).content)
        except ValueError as error:
            self.defects.append(Defect((RequestPart.UNTYPED, ""), f"can't be decoded: {error}"))
            return
        if not found:
            self.defects.append(
                Defect((RequestPart.UNTYPED, ""), "is an empty list; RFC 5280 wants one name at least")
            )
        for item in found:
            if item.tag == 0xA0:
                self._other_name(item)
            elif item.tag in _READERS:
                part, read, check = _READERS[item.tag]
                self._add((part, ""), read, check, item)
            else:
                self.defects.append(
                    Defect((RequestPart.UNTYPED, _KINDS.get(item.tag, "")), _unknown(item.tag))
                )

    def _other_name(self, item: Item) -> None:
        try:
            kind, wrapped = items(item.content)
            if kind.tag != OID or wrapped.tag != 0xA0:
                raise ValueError("its parts are not a type and a value")
            oid = read_oid(kind.content)
            (inner,) = items(wrapped.content)
        except ValueError as error:
            self.defects.append(Defect((RequestPart.OTHER, ""), f"can't be decoded: {error}"))
            return
        self._add((RequestPart.OTHER, oid), _other_value, OTHER_NAMES.get(oid), inner)

    def _add(self, place: Place, read: Callable[[Item], Value], check: Check | None, item: Item) -> None:
        try:
            value = read(item)
        except ValueError as error:
            self.defects.append(Defect(place, str(error)))
            return
        problem = text_problem(value.text) or (check(value.text) if check else None)
        if problem:
            self.defects.append(Defect(place, problem, value.text))
        else:
            self.values.setdefault(place, []).append(value)


def _attributes(relative_name: Item) -> Iterable[tuple[str, Item]]:
    """The attributes of one relative name: several in a multi-valued one. Raises ValueError."""
    if relative_name.tag != SET:
        raise ValueError("a relative name is not a set")
    for item in items(relative_name.content):
        parts = items(item.content)
        if item.tag != SEQUENCE or len(parts) != 2 or parts[0].tag != OID:
            raise ValueError("an attribute is not a type and a value")
        yield read_oid(parts[0].content), parts[1]


def _string(item: Item) -> str:
    """The text of one of the string types that all readers read alike. Raises ValueError."""
    if item.tag == 0x0C:
        return _decode(item.content, "utf-8", "UTF-8")
    if item.tag == 0x16:
        return _decode(item.content, "ascii", "ASCII")
    if item.tag == 0x13 and not item.content.translate(None, _PRINTABLE):
        return item.content.decode("ascii")
    if item.tag == 0x12 and not item.content.translate(None, _NUMERIC):
        return item.content.decode("ascii")
    if item.tag in {0x12, 0x13}:
        raise ValueError("has characters that its string type doesn't have; use UTF8String")
    raise ValueError(f"is a {_TYPES.get(item.tag, f'value with tag {item.tag:#04x}')}; use UTF8String")


def _decode(content: bytes, codec: str, name: str) -> str:
    try:
        return content.decode(codec)
    except UnicodeDecodeError as error:
        raise ValueError(f"is not {name}") from error


def _attribute(item: Item) -> Value:
    text = _string(item)
    return Value(text, text)


def _common_name(item: Item) -> Value:
    """Read a common name; one that looks like a host also means that host, as CAs read it so."""
    text = _string(item)
    return Value(text, _canonical(names.dns(text)) if is_host(text) else text)


def _other_value(item: Item) -> Value:
    """Text where it is text; all else as the hexadecimal digits of its DER, as approver-policy has it."""
    text = item.whole.hex() if item.tag not in _OTHER_STRINGS else _string(item)
    return Value(text, text)


def _dns(item: Item) -> Value:
    text = _name(item)
    return Value(text, _canonical(names.dns(text)))


def _email(item: Item) -> Value:
    text = _name(item)
    return Value(text, _canonical(names.email(text)))


def _uri(item: Item) -> Value:
    text = _name(item)
    return Value(text, _canonical(names.uri(text)))


def _ip(item: Item) -> Value:
    packed = item.content
    if len(packed) not in {4, 16}:
        raise ValueError(f"has {len(packed)} octets; an address has 4 or 16")
    # An IPv4 address inside IPv6 is signed as the IPv4 address: Go's x509 writes it so.
    return _same(names.ip(packed))


def _same(address: names.Name) -> Value:
    text = address.text() or ""
    return Value(text, text)


def _name(item: Item) -> str:
    text = _decode(item.content, "ascii", "ASCII; internationalized names are written as A-labels (xn--)")
    if not text:
        raise ValueError("is empty")
    return text


def _canonical(name: names.Name) -> str:
    return str(name.value)


def _unknown(tag: int) -> str:
    kind = _KINDS.get(tag)
    return f"is of the kind {kind}, which no policy can allow" if kind else f"has the unknown tag {tag:#04x}"


_READERS: Final[dict[int, tuple[RequestPart, Callable[[Item], Value], Check | None]]] = {
    0x81: (RequestPart.EMAIL, _email, mail_problem),
    0x82: (RequestPart.DNS, _dns, host_problem),
    0x86: (RequestPart.URI, _uri, uri_problem),
    0x87: (RequestPart.IP, _ip, None),
}
_ATTRIBUTES: Final[dict[str, tuple[Callable[[Item], Value], Check]]] = {
    names.COMMON_NAME: (_common_name, common_name_problem),
    names.EMAIL_ADDRESS: (_attribute, mail_problem),
}
_KINDS: Final = {0xA3: "x400Address", 0xA4: "directoryName", 0xA5: "ediPartyName", 0x88: "registeredID"}
_OTHER_STRINGS: Final = frozenset({0x0C, 0x13, 0x14, 0x16})
_TYPES: Final = {
    0x14: "TeletexString, which readers decode differently",
    0x1A: "VisibleString",
    0x1B: "GeneralString",
    0x1C: "UniversalString",
    0x1E: "BMPString, which readers decode differently",
}
