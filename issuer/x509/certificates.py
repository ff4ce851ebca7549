"""Reading certificates from PEM, all at once and bounded, so that later looks into them don't fail."""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from issuer.x509.der import CertificateInformation, certificate_information
from issuer.x509.errors import LIBRARY_ERRORS, InvalidCertificate
from issuer.x509.names import SUBJECT_ALTERNATIVE_NAME, Name, quiet_subject, read_general_names, subject_names
from issuer.x509.pem import read_blocks, write_pem
from issuer.x509.usages import Usages, certificate_usages

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


def write_certificates(certificates: tuple[x509.Certificate, ...]) -> str:
    """The certificates as PEM, one behind the other."""
    return "".join(map(_write, certificates))


@lru_cache(maxsize=_REMEMBERED)
def _write(certificate: x509.Certificate) -> str:
    return write_pem("CERTIFICATE", certificate.public_bytes(Encoding.DER))


@lru_cache(maxsize=_REMEMBERED)
def information(certificate: x509.Certificate) -> CertificateInformation:
    """Its parts as they stand in the bytes."""
    return certificate_information(certificate.tbs_certificate_bytes)


@lru_cache(maxsize=_REMEMBERED)
def public_key(certificate: x509.Certificate) -> bytes:
    """The public key as DER SubjectPublicKeyInfo."""
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@lru_cache(maxsize=_REMEMBERED)
def usages(certificate: x509.Certificate) -> Usages:
    """Key usages and extended key usages."""
    return certificate_usages(certificate.extensions)


@lru_cache(maxsize=_REMEMBERED)
def basic_constraints(certificate: x509.Certificate) -> x509.BasicConstraints | None:
    """The basicConstraints extension, or None."""
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.BasicConstraints):
            return extension.value
    return None


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it is a CA's, by basicConstraints."""
    found = basic_constraints(certificate)
    return found is not None and found.ca


@lru_cache(maxsize=_REMEMBERED)
def alternative_names(certificate: x509.Certificate) -> frozenset[Name]:
    """The subject alternative names."""
    extensions = information(certificate).extensions
    value = next((e.value for e in extensions if e.oid == SUBJECT_ALTERNATIVE_NAME), None)
    return read_general_names(value) if value is not None else frozenset()


@lru_cache(maxsize=_REMEMBERED)
def names(certificate: x509.Certificate) -> frozenset[Name]:
    """All names: alternative ones and those inside the subject."""
    return alternative_names(certificate) | subject_names(quiet_subject(certificate))


def _read(label: str, der: bytes, number: int) -> x509.Certificate:
    if label not in _LABELS:
        raise InvalidCertificate(f"PEM block {number} is a {label}, not a CERTIFICATE")
    try:
        return _decode(der)
    except LIBRARY_ERRORS as error:
        raise InvalidCertificate(f"certificate {number} can't be parsed") from error


@lru_cache(maxsize=_REMEMBERED)
def _decode(der: bytes) -> x509.Certificate:
    with warnings.catch_warnings():
        # About attribute lengths, which CAs don't hold to, and about serial numbers, which are checked here.
        warnings.simplefilter("ignore")
        certificate = x509.load_der_x509_certificate(der)
        _decode_all(certificate)
        if certificate.serial_number <= 0:
            raise ValueError("the serial number is not positive")
    return certificate


def _decode_all(certificate: x509.Certificate) -> None:
    """Touch what the library decodes late, so that what can't be decoded shows here and nowhere else."""
    usages(certificate)
    names(certificate)
    public_key(certificate)
    _ = (certificate.issuer, certificate.not_valid_before_utc, certificate.not_valid_after_utc)
