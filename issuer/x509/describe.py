"""Certificates in words: serial numbers, fingerprints, subjects."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from issuer.x509.names import quiet_subject


def serial_hex(certificate: x509.Certificate) -> str:
    """The serial number in Vault's form: lower-case hex octets between colons, for example "1f:0a:c3"."""
    serial = certificate.serial_number
    return serial.to_bytes(max(1, (serial.bit_length() + 7) // 8), "big").hex(":")


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the DER, 64 lower-case hex digits."""
    return certificate.fingerprint(SHA256()).hex()


def subject_text(certificate: x509.Certificate) -> str:
    """The subject as RFC 4514 text, its non-ASCII and control characters escaped."""
    return ascii(quiet_subject(certificate).rfc4514_string())[1:-1]
