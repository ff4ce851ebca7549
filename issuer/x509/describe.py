"""Certificates in words: serial numbers, fingerprints, subjects, times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.hashes import SHA256

from issuer.x509.certificates import Certificate, decoded, information
from issuer.x509.name_text import name_text
from issuer.x509.names import quiet_subject


def serial_hex(certificate: Certificate) -> str:
    """The serial number in Vault's form: lower-case hex octets between colons, for example "1f:0a:c3"."""
    serial = abs(certificate.serial_number)
    sign = "-" if certificate.serial_number < 0 else ""
    return sign + serial.to_bytes(max(1, (serial.bit_length() + 7) // 8), "big").hex(":")


def fingerprint(certificate: Certificate) -> str:
    """SHA-256 over the DER, 64 lower-case hex digits."""
    return certificate.fingerprint(SHA256()).hex()


def time_text(moment: datetime) -> str:
    """A moment as Kubernetes writes it: RFC 3339, UTC, whole seconds."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def span_text(span: timedelta) -> str:
    """A span as `spec.duration` is written, in whole seconds: "36h0m0s", "90s" as "1m30s"."""
    seconds = int(abs(span).total_seconds())
    hours, minutes, left = seconds // 3600, seconds // 60 % 60, seconds % 60
    sign = "-" if span < timedelta() else ""
    if hours:
        return f"{sign}{hours}h{minutes}m{left}s"
    return f"{sign}{minutes}m{left}s" if minutes else f"{sign}{left}s"


def subject_text(certificate: Certificate) -> str:
    """The subject as RFC 4514 text, its non-ASCII and control characters escaped."""
    known = decoded(certificate)
    if known is None:
        return ascii(name_text(information(certificate).subject))[1:-1]
    return ascii(quiet_subject(known).rfc4514_string())[1:-1]


def issuer_text(certificate: Certificate) -> str:
    """The issuer's name as RFC 4514 text, its non-ASCII and control characters escaped."""
    return ascii(name_text(information(certificate).issuer))[1:-1]
