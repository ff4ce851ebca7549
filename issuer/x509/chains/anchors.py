"""CAs that must stand in a chain, known by the SHA-256 of their certificates' bytes. Pure.

By the bytes and not by name and key: another certificate for the same name and key has other CAs above it,
and the topmost is what becomes everybody's `ca.crt`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from issuer.text import first_of
from issuer.x509.certificates import MAX_BUNDLE_BYTES, MAX_CERTIFICATES, Certificate
from issuer.x509.chains.bundle import certificate_blocks, certificate_der, read_bundle
from issuer.x509.describe import fingerprint, subject_text
from issuer.x509.errors import InvalidCertificate

_SHOWN: Final = 4


@dataclass(frozen=True, slots=True)
class Anchors:
    """The CAs of which one at least must stand in a chain, by 64 lower-case hex digits each."""

    fingerprints: frozenset[str]

    @classmethod
    def from_hex(cls, texts: Iterable[str]) -> Anchors:
        """Anchors of SHA-256 fingerprints, with or without colons, in either case."""
        return cls(frozenset(text.replace(":", "").lower() for text in texts))

    @classmethod
    def from_pem(cls, pem: bytes) -> Anchors:
        """Anchors of every certificate in `pem`, none of which is parsed. Raises InvalidCertificate."""
        blocks = certificate_blocks(pem, MAX_BUNDLE_BYTES, MAX_CERTIFICATES)
        return cls(frozenset(hashlib.sha256(certificate_der(block)).hexdigest() for block in blocks))

    def hold(self, cas: Iterable[Certificate]) -> bool:
        """Return True if one of these CAs is an anchor."""
        return any(fingerprint(ca) in self.fingerprints for ca in cas)


def fingerprints(pem: str) -> frozenset[str]:
    """Return the SHA-256 fingerprints of the certificates in `pem`; empty if it can't be read."""
    try:
        return frozenset(map(fingerprint, read_bundle(pem).certificates))
    except InvalidCertificate:
        return frozenset()


def shown_cas(cas: Iterable[Certificate]) -> str:
    """Return these CAs, bottom up, by subject and fingerprint, for a message."""
    found = [f"{subject_text(ca)[:100] or 'no subject'} (SHA-256 {fingerprint(ca)})" for ca in cas]
    return first_of(found, _SHOWN)
