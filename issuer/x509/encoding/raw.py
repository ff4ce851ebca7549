"""Certificates that the cryptography library doesn't decode, read from their bytes (RFC 5280 section 4.1).

Old and careless CAs write what DER or RFC 5280 forbid: serial 0, a Latin-1 name, `critical FALSE`, sets out
of order, the year 0. Go, OpenSSL and CAs built on them read these. So does this module, as far as a CA's
certificate needs it: names, times, key and signature. Extensions are read where they are checked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.x509.encoding.der import INTEGER, SEQUENCE, Item, certificate_information, element, items, only
from issuer.x509.errors import InvalidCertificate

EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
LATEST: Final = datetime.max.replace(microsecond=0, tzinfo=UTC)

_BIT_STRING: Final = 0x03
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
# As Go reads them; OpenSSL wants seconds and Z. Nobody reads fractions of a second.
_TIMES: Final = {
    _UTC_TIME: re.compile(rb"([0-9]{2})([0-9]{8})([0-9]{2})?(Z|[+-][0-9]{4})"),
    0x18: re.compile(rb"([0-9]{4})([0-9]{8})([0-9]{2})(Z|[+-][0-9]{4})"),
}


@dataclass(frozen=True, slots=True)
class RawCertificate:
    """A certificate by its bytes; those of the same bytes are equal.

    It has the attributes of the library's `Certificate` that are used of a CA. `version` is 1 to 3. Times
    beyond what Python can say are the first or last it can. `view` is what the library reads of a leaf where
    nothing but its issuer's name is odd.
    """

    der: bytes = field(repr=False)
    tbs_certificate_bytes: bytes = field(repr=False, compare=False)
    version: int = field(compare=False)
    serial_number: int = field(compare=False)
    not_valid_before_utc: datetime = field(compare=False)
    not_valid_after_utc: datetime = field(compare=False)
    public_key_info: bytes = field(repr=False, compare=False)
    view: x509.Certificate | None = field(default=None, repr=False, compare=False)

    def public_bytes(self, encoding: Encoding) -> bytes:
        """Return its bytes; they can be had as DER alone."""
        if encoding is not Encoding.DER:
            raise ValueError("only DER can be had")
        return self.der

    def fingerprint(self, algorithm: HashAlgorithm) -> bytes:
        """Return the SHA-256 of its bytes."""
        if not isinstance(algorithm, SHA256):
            raise TypeError("only SHA-256 can be had")
        return hashlib.sha256(self.der).digest()


def read_raw(der: bytes, view: x509.Certificate | None = None) -> RawCertificate:
    """Read a certificate. Raises InvalidCertificate, naming the field that can't be read."""
    with _reading("structure"):
        tbs, algorithm, signature = items(only(der, SEQUENCE).content)
        parts = items(only(tbs.whole, SEQUENCE).content)
        if (algorithm.tag, signature.tag) != (SEQUENCE, _BIT_STRING) or len(parts) < 6:
            raise ValueError("it is not a certificate")
    with _reading("version"):
        version = _version(parts.pop(0)) if parts[0].tag == _VERSION else 1
    with _reading("serial number"):
        serial = _integer(parts[0])
    with _reading("signature algorithm"):
        if parts[1].whole != algorithm.whole:
            raise ValueError("it is not the same inside and outside of what is signed")
    with _reading("validity"):
        begin, end = map(_time, items(parts[3].content))
    with _reading("extensions"):
        certificate_information(tbs.whole)
    with _reading("structure"):
        if [parts[index].tag for index in (2, 3, 4, 5)] != [SEQUENCE] * 4:
            raise ValueError("a part of it is of another type")
    return RawCertificate(der, tbs.whole, version, serial, begin, end, parts[5].whole, view)


def read_subject(der: bytes) -> bytes:
    """Return the subject's Name of a certificate, as far as it can be found: else nothing."""
    try:
        parts = items(items(only(der, SEQUENCE).content)[0].content)
    except (ValueError, IndexError):
        return b""
    index = 5 if parts and parts[0].tag == _VERSION else 4
    return parts[index].whole if len(parts) > index else b""


def without_issuer(der: bytes) -> bytes:
    """Return the certificate with an empty issuer's name, so that the rest can be decoded strictly.

    Its signature holds no more. Raises ValueError where it isn't a certificate.
    """
    tbs, *rest = items(only(der, SEQUENCE).content)
    parts = items(only(tbs.whole, SEQUENCE).content)
    index = 3 if parts and parts[0].tag == _VERSION else 2
    if len(parts) <= index:
        raise ValueError("a certificate lacks parts")
    changed = [part.whole for part in parts]
    changed[index] = element(SEQUENCE, b"")
    signed = element(SEQUENCE, b"".join(changed))
    return element(SEQUENCE, signed + b"".join(part.whole for part in rest))


@contextmanager
def _reading(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise InvalidCertificate(f"its {what} can't be read: {error}") from error


def _version(item: Item) -> int:
    number = _integer(only(item.content, INTEGER))
    if number not in (0, 1, 2):
        raise ValueError("it is none of 1, 2 and 3")
    return number + 1


def _integer(item: Item) -> int:
    content = item.content
    if item.tag != INTEGER or not content:
        raise ValueError("it is no integer")
    if len(content) > 1 and content[0] in (0x00, 0xFF) and (content[0] ^ content[1]) < 0x80:
        raise ValueError("the integer is not in its shortest form")
    return int.from_bytes(content, "big", signed=True)


def _time(item: Item) -> datetime:
    form = _TIMES.get(item.tag)
    match = None if form is None else form.fullmatch(item.content)
    if match is None:
        raise ValueError("a time is not in the form that RFC 5280 asks for")
    year, day, seconds, zone = (part.decode("ascii") for part in match.groups(b"00"))
    if item.tag == _UTC_TIME:
        year = f"{20 if int(year) < 50 else 19}{year}"
    offset = "+0000" if zone == "Z" else zone
    if int(year) == 0:
        datetime.strptime(f"2000{day}{seconds}{offset}", "%Y%m%d%H%M%S%z")  # the rest has to be a time
        return EARLIEST
    moment = datetime.strptime(f"{year}{day}{seconds}{offset}", "%Y%m%d%H%M%S%z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return EARLIEST if moment.year == 1 else LATEST
