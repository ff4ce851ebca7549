"""Certificates in words: serial numbers, fingerprints, subjects, times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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


def time_text(moment: datetime) -> str:
    """A moment as Kubernetes writes it: RFC 3339, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span_text(span: timedelta) -> str:
    """A span as `spec.duration` is written, in whole seconds: "36h0m0s", "90s" as "1m30s"."""
    seconds = int(abs(span).total_seconds())
    hours, minutes, left = seconds // 3600, seconds // 60 % 60, seconds % 60
    sign = "-" if span < timedelta() else ""
    if hours:
        return f"{sign}{hours}h{minutes}m{left}s"
    return f"{sign}{minutes}m{left}s" if minutes else f"{sign}{left}s"


def subject_text(certificate: x509.Certificate) -> str:
    """The subject as RFC 4514 text, its non-ASCII and control characters escaped."""
    return ascii(quiet_subject(certificate).rfc4514_string())[1:-1]
