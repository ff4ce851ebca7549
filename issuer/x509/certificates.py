"""Certificates decoded completely and within bounds, so that later looks into them don't fail.

`decode` reads CAs, also those that the library doesn't; a part of these that can't be read raises where it is
looked at. `decode_leaf` is strict.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from issuer.text import ascii_text
from issuer.x509.encoding.der import SEQUENCE, CertificateInformation, certificate_information, leading
from issuer.x509.encoding.pem import read_blocks, write_pem
from issuer.x509.encoding.raw import RawCertificate, read_raw, without_issuer
from issuer.x509.errors import LIBRARY_ERRORS, InvalidCertificate
from issuer.x509.extensions import (
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_USAGE,
    read_basic_constraints,
    read_extended_key_usage,
    read_key_usage,
)
from issuer.x509.keys.public import check_type
from issuer.x509.names import SUBJECT_ALTERNATIVE_NAME, Name, quiet_subject, read_general_names, subject_names
from issuer.x509.usages import Usages, certificate_usages

Certificate = x509.Certificate | RawCertificate
"""A certificate as the library decodes it, or read from its bytes."""

_Read = Callable[[x509.Certificate], object]

MAX_CERTIFICATES: Final = 64
"""Most certificates in one bundle; a CA's chain has two or three, a trust bundle of our own some ten."""
MAX_BUNDLE_BYTES: Final = 512 * 1024
"""Longest bundle: 64 certificates of 8 KB, more than 16384-bit RSA ones take."""

# The same few CAs come with every leaf, and a leaf is looked at from several sides: remembering the last ones
# saves half of what reading and verifying costs.
_REMEMBERED: Final = 128
_BUNDLES: Final = 16

_LABELS: Final = frozenset({"CERTIFICATE", "X509 CERTIFICATE"})


def read_certificates(pem: str | bytes) -> tuple[x509.Certificate, ...]:
    """Every certificate in `pem`, in its order, at least one.

    Raises InvalidCertificate for anything else in it than certificates and explaining text, for certificates
    that can't be decoded down to their extensions, and for bundles beyond the bounds above.
    """
    return _read_bundle(pem)


@lru_cache(maxsize=_BUNDLES)
def _read_bundle(pem: str | bytes) -> tuple[x509.Certificate, ...]:
    data = pem.encode("utf-8", "replace") if isinstance(pem, str) else pem
    if len(data) > MAX_BUNDLE_BYTES:
        raise InvalidCertificate(f"the certificates are larger than {MAX_BUNDLE_BYTES} bytes")
    try:
        found = read_blocks(data, limit=MAX_CERTIFICATES).found
    except ValueError as error:
        raise InvalidCertificate(f"the certificates are not PEM: {error}") from error
    if not found:
        raise InvalidCertificate("no certificate is in the PEM text")
    return tuple(_read(label, der, number) for number, (label, der) in enumerate(found, start=1))


def write_certificates(certificates: tuple[Certificate, ...]) -> str:
    """The certificates as PEM, one behind the other."""
    return "".join(map(_write, certificates))


@lru_cache(maxsize=_REMEMBERED)
def _write(certificate: Certificate) -> str:
    return write_pem("CERTIFICATE", certificate.public_bytes(Encoding.DER))


@lru_cache(maxsize=_REMEMBERED)
def information(certificate: Certificate) -> CertificateInformation:
    """Return the certificate's parts as they stand in its bytes."""
    return certificate_information(certificate.tbs_certificate_bytes)


@lru_cache(maxsize=_REMEMBERED)
def public_key(certificate: Certificate) -> bytes:
    """The public key as DER SubjectPublicKeyInfo; of a CA whose key the library doesn't know, as it is."""
    known = decoded(certificate)
    if known is not None:
        check_type(information(known).public_key)
        return known.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    raw = public_key_info(certificate)
    try:
        check_type(raw)
        return load_der_public_key(raw).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except LIBRARY_ERRORS:
        return raw


def public_key_info(certificate: Certificate) -> bytes:
    """The SubjectPublicKeyInfo of a certificate."""
    return certificate.public_key_info if isinstance(certificate, RawCertificate) else public_key(certificate)


def decoded(certificate: Certificate) -> x509.Certificate | None:
    """Return the library's form of the certificate, or None for a CA that it can't decode.

    Of a leaf with an odd issuer's name it lacks that name.
    """
    return certificate.view if isinstance(certificate, RawCertificate) else certificate


@lru_cache(maxsize=_REMEMBERED)
def usages(certificate: Certificate) -> Usages:
    """Key usages and extended key usages. Raises ValueError for those of a CA that can't be read."""
    known = decoded(certificate)
    if known is not None:
        return certificate_usages(known.extensions)
    key, extended = extension(certificate, KEY_USAGE), extension(certificate, EXTENDED_KEY_USAGE)
    return Usages(
        frozenset() if key is None else read_key_usage(key),
        frozenset() if extended is None else read_extended_key_usage(extended),
    )


@lru_cache(maxsize=_REMEMBERED)
def basic_constraints(certificate: Certificate) -> x509.BasicConstraints | None:
    """The basicConstraints extension, or None. Raises ValueError for one of a CA that can't be read."""
    known = decoded(certificate)
    if known is None:
        value = extension(certificate, BASIC_CONSTRAINTS)
        if value is None:
            return None
        # Go and OpenSSL look at the first element alone.
        return read_basic_constraints(leading(value, SEQUENCE).whole)
    for one in known.extensions:
        if isinstance(one.value, x509.BasicConstraints):
            return one.value
    return None


def is_authority(certificate: Certificate) -> bool:
    """Return True if the certificate is a CA's by basicConstraints."""
    try:
        found = basic_constraints(certificate)
    except ValueError:
        return False
    return found is not None and found.ca


def extension(certificate: Certificate, oid: str) -> bytes | None:
    """Return the DER value of the extension `oid`, or None."""
    return next((one.value for one in information(certificate).extensions if one.oid == oid), None)


@lru_cache(maxsize=_REMEMBERED)
def alternative_names(certificate: Certificate) -> frozenset[Name]:
    """The subject alternative names. Raises ValueError for those of a CA that can't be read."""
    value = extension(certificate, SUBJECT_ALTERNATIVE_NAME)
    return read_general_names(value) if value is not None else frozenset()


@lru_cache(maxsize=_REMEMBERED)
def names(certificate: Certificate) -> frozenset[Name]:
    """All names of a leaf: alternative ones and those inside the subject."""
    return alternative_names(certificate) | subject_names(leaf_subject(certificate))


def leaf_subject(certificate: Certificate) -> x509.Name:
    """The subject of a leaf. Raises InvalidCertificate for a CA that the library doesn't decode."""
    known = decoded(certificate)
    if known is None:
        raise InvalidCertificate("its subject is not decoded")
    return quiet_subject(known)


def decode(der: bytes) -> Certificate:
    """A CA's certificate. Raises InvalidCertificate, naming the field that can't be read."""
    try:
        return _decode(der)
    except LIBRARY_ERRORS:
        return _raw(der)


def decode_leaf(der: bytes) -> Certificate:
    """A certificate of which all but its issuer's name is decoded strictly: that name is the CA's.

    Raises InvalidCertificate, naming the field that can't be read.
    """
    try:
        return _decode(der)
    except LIBRARY_ERRORS as error:
        try:
            return read_raw(der, _decode(without_issuer(der)))
        except LIBRARY_ERRORS:
            raise InvalidCertificate(_reason(error)) from error


def _read(label: str, der: bytes, number: int) -> x509.Certificate:
    if label not in _LABELS:
        raise InvalidCertificate(f"PEM block {number} is a {label}, not a CERTIFICATE")
    try:
        return _decode(der)
    except LIBRARY_ERRORS as error:
        raise InvalidCertificate(f"certificate {number} can't be parsed: {_reason(error)}") from error


@lru_cache(maxsize=_REMEMBERED)
def _raw(der: bytes) -> RawCertificate:
    return read_raw(der)


@lru_cache(maxsize=_REMEMBERED)
def _decode(der: bytes) -> x509.Certificate:
    with warnings.catch_warnings():
        # About attribute lengths, which CAs don't hold to, and about serial numbers, which are checked here.
        warnings.simplefilter("ignore")
        certificate = x509.load_der_x509_certificate(der)
        _decode_all(certificate, _LATE)
        if certificate.serial_number <= 0:
            raise InvalidCertificate("its serial number is not positive")
    return certificate


def unread_part(certificate: x509.Certificate) -> str:
    """Return in words what of a CA's certificate the library can't read where it is looked at, "" if it reads
    all. Such CAs may serve all the same: Go and OpenSSL look at less."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about lengths of attributes, which CAs don't hold to
        try:
            _decode_all(certificate, _LATE_OF_CAS)
        except InvalidCertificate as error:
            return str(error)
    return ""


def _decode_all(certificate: x509.Certificate, late: Mapping[str, _Read]) -> None:
    """Touch all parts that the library decodes late, so that a bad one raises here and nowhere else."""
    for what, read in late.items():
        try:
            read(certificate)
        except InvalidCertificate:
            raise
        except LIBRARY_ERRORS as error:
            raise InvalidCertificate(f"its {what} can't be read: {_reason(error)}") from error


_LATE_OF_CAS: Final[Mapping[str, _Read]] = {
    "extensions": usages,
    "subject": quiet_subject,
    "public key": public_key,
    "issuer's name": lambda certificate: certificate.issuer,
    "validity": lambda certificate: (certificate.not_valid_before_utc, certificate.not_valid_after_utc),
}
_LATE: Final[Mapping[str, _Read]] = {
    "extensions": usages,
    "subject or alternative names": names,
    **{what: read for what, read in _LATE_OF_CAS.items() if what not in ("extensions", "subject")},
}
_KIND: Final = re.compile(r"kind: (\w+)")
_PLACE: Final = re.compile(r'"(?:\w+::)?(\w+)"')
_KINDS: Final = {
    "EncodedDefault": "a default value is written out",
    "InvalidSetOrdering": "a set is out of order",
    "InvalidValue": "a value is not valid",
    "ExtraData": "there is more than belongs there",
    "ShortData": "it is cut off",
}


def _reason(error: Exception) -> str:
    """Return the library's reason in words: its own message names its source code."""
    text = str(error)
    kind = _KIND.search(text)
    if isinstance(error, InvalidCertificate) or kind is None:
        return ascii_text(text, 200)
    place = ", ".join(_PLACE.findall(text))
    return _KINDS.get(kind[1], kind[1]) + (f" ({place})" if place else "")
