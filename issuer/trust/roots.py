"""Certificates of a source, and which of them a machine may trust as roots. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.text import rfc3339
from issuer.trust.errors import RootRefused
from issuer.x509.certificates import Certificate, decoded, is_authority, usages, write_certificates
from issuer.x509.chains.bundle import Bundle, read_bundle
from issuer.x509.chains.forms import certificates_as_pem
from issuer.x509.chains.links import is_root
from issuer.x509.describe import fingerprint, subject_text
from issuer.x509.errors import InvalidCertificate
from issuer.x509.keys.public import read_key
from issuer.x509.usages import CERT_SIGN

LEAST_RSA_BITS: Final = 2048
_SHOWN_SUBJECT: Final = 200
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """One certificate that is, or is to be, trusted as a root."""

    certificate: x509.Certificate

    @property
    def sha256(self) -> str:
        """SHA-256 of the DER, 64 lower-case hex digits."""
        return fingerprint(self.certificate)

    @property
    def subject(self) -> str:
        """The subject for people, one line."""
        return subject_text(self.certificate)[:_SHOWN_SUBJECT] or "no subject"

    @property
    def ends(self) -> datetime:
        """Time after which nobody accepts it."""
        return self.certificate.not_valid_after_utc

    @property
    def der(self) -> bytes:
        """The certificate's bytes."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        """The certificate as PEM, with a line end at its end."""
        return write_certificates((self.certificate,))

    def has_ended(self, now: datetime) -> bool:
        """Return True if it is past its end."""
        return self.ends < now


def parse_fingerprint(text: str) -> str:
    """Return a SHA-256 fingerprint as 64 lower-case hex digits, as OpenSSL and browsers write it.

    Raises RootRefused.
    """
    found = text.strip().lower().removeprefix("sha256:").replace(":", "").replace(" ", "")
    if not _FINGERPRINT.fullmatch(found):
        raise RootRefused(
            f"{text[:100]!r} is no SHA-256 fingerprint: give its 64 hex digits, with or without colons"
        )
    return found


def read_source(data: bytes, name: str) -> Bundle:
    """Return the certificates of a source: PEM, DER or PKCS #7. Raises RootRefused."""
    try:
        return read_bundle(certificates_as_pem(data))
    except InvalidCertificate as error:
        raise RootRefused(f"{name} can't be read: {error}") from error


def root_problems(certificate: Certificate, now: datetime) -> Iterator[str]:
    """Yield why a certificate must not be trusted as a root, each in words behind "it"."""
    if not is_root(certificate):
        yield "is not signed by its own key, so it is no root; trust the root above it"
    if not is_authority(certificate):
        yield "is no CA's by its basicConstraints"
    known = decoded(certificate)
    if known is None:
        yield "is in an encoding that other programs refuse"
        return
    key_usages = usages(certificate).key
    if key_usages and CERT_SIGN not in key_usages:
        yield "may not sign certificates by its key usage"
    if known.not_valid_after_utc < now:
        yield f"ended at {rfc3339(known.not_valid_after_utc)}"
    if known.not_valid_before_utc > now:
        yield f"begins at {rfc3339(known.not_valid_before_utc)}; look at this machine's clock"
    key = read_key(known.public_key())
    if key.flaw:
        yield f"has a key that {key.flaw}"
    if key.algorithm == "RSA" and key.size < LEAST_RSA_BITS:
        yield f"has an RSA key of {key.size} bits; {LEAST_RSA_BITS} are the least"


def choose_roots(
    certificates: Sequence[Certificate], wanted: Sequence[str], now: datetime, name: str
) -> tuple[TrustRoot, ...]:
    """Return the roots of the fingerprints `wanted`, or without any all of the source's good roots.

    Raises RootRefused: one is missing or must not be trusted, or there is none.
    """
    by_sha256 = {fingerprint(one): one for one in certificates}
    found: list[TrustRoot] = []
    for sha256 in dict.fromkeys(wanted):
        if sha256 not in by_sha256:
            raise RootRefused(
                f"{name} has no certificate with the SHA-256 {sha256}: compare it with what the CA's owner "
                f"gives. It has: {_listed(certificates)}"
            )
        problems = list(root_problems(by_sha256[sha256], now))
        if problems:
            raise RootRefused(f"{_shown(by_sha256[sha256])} is not installed: it {'; it '.join(problems)}")
        found += _as_root(by_sha256[sha256])
    if wanted:
        return tuple(found)
    good = [one for one in by_sha256.values() if not any(root_problems(one, now))]
    if not good:
        why = "; ".join(f"{_shown(one)} {next(root_problems(one, now))}" for one in certificates[:5])
        raise RootRefused(f"{name} has no root that can be trusted: {why}")
    return tuple(root for one in good for root in _as_root(one))


def _as_root(certificate: Certificate) -> Iterator[TrustRoot]:
    known = decoded(certificate)
    if known is not None:
        yield TrustRoot(known)


def _listed(certificates: Sequence[Certificate]) -> str:
    return "; ".join(map(_shown, certificates[:10]))


def _shown(certificate: Certificate) -> str:
    return (
        f"{subject_text(certificate)[:_SHOWN_SUBJECT] or 'no subject'} (SHA-256 {fingerprint(certificate)})"
    )
