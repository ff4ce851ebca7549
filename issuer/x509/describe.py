"""Certificates in words: serial numbers, fingerprints, subjects, times."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256

from issuer.text import ascii_text
from issuer.x509.certificates import Certificate, decoded, information
from issuer.x509.name_text import name_text
from issuer.x509.names import quiet_subject


def serial_hex(certificate: Certificate) -> str:
    """Return the serial number as lower-case hex octets between colons, for example "1f:0a:c3"."""
    serial = abs(certificate.serial_number)
    sign = "-" if certificate.serial_number < 0 else ""
    return sign + serial.to_bytes(max(1, (serial.bit_length() + 7) // 8), "big").hex(":")


def fingerprint(certificate: Certificate) -> str:
    """Return the SHA-256 of the DER as 64 lower-case hex digits."""
    return certificate.fingerprint(SHA256()).hex()


def subject_text(certificate: Certificate) -> str:
    """The subject as RFC 4514 text, its non-ASCII and control characters escaped."""
    known = decoded(certificate)
    if known is None:
        return ascii_text(name_text(information(certificate).subject))
    return ascii_text(quiet_subject(known).rfc4514_string())


def issuer_text(certificate: Certificate) -> str:
    """The issuer's name as RFC 4514 text, its non-ASCII and control characters escaped."""
    return ascii_text(name_text(information(certificate).issuer))
