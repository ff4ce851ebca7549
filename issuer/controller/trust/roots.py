"""The roots that certificates of an issuer lead to, of all CAs that its backend has. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from issuer.controller.trust.reasons import TrustReason
from issuer.text import counted
from issuer.x509.certificates import Certificate, write_certificates
from issuer.x509.chains.anchors import Anchors
from issuer.x509.chains.bundle import read_bundle, some
from issuer.x509.chains.chain import Way, signing_ca
from issuer.x509.describe import fingerprint, issuer_text, subject_text
from issuer.x509.errors import ChainError, InvalidCertificate

MAX_BYTES: Final = 1 << 20
"""Bytes that the entries of a ConfigMap may have together (Kubernetes, core/validation, MaxSecretSize)."""


class NoRoots(Exception):
    """No set of roots that could be distributed; `reason` and `message` are for the condition."""

    def __init__(self, reason: TrustReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Roots:
    """Roots in PEM, the one that begins first at the top; `count` is their number."""

    pem: str = field(repr=False)
    count: int
    sha256: str

    @property
    def told(self) -> str:
        """The roots as the beginning of a sentence."""
        return counted(self.count, "root is", "roots are")

    @classmethod
    def of(cls, certificates: tuple[Certificate, ...]) -> Roots:
        """The roots of these certificates. Raises NoRoots if they are too large for a ConfigMap."""
        pem = write_certificates(certificates)
        if len(pem) > MAX_BYTES:
            have = counted(len(certificates), "root has", "roots have")
            raise NoRoots(
                TrustReason.ROOTS_TOO_LARGE, f"{have} {len(pem)} bytes, and a ConfigMap holds {MAX_BYTES}"
            )
        return cls(pem, len(certificates), hashlib.sha256(pem.encode()).hexdigest())


def roots_of(pem: str, anchors: Anchors | None, now: datetime) -> Roots:
    """Return the roots above all CAs in `pem` that have not ended, and those that stand there alone.

    With `anchors` those alone on whose way an anchor stands. Raises NoRoots: a set without the root of a CA
    that is still there would take trust away that its certificates need.
    """
    try:
        bundle = read_bundle(pem)
    except InvalidCertificate as error:
        raise NoRoots(TrustReason.ROOT_MISSING, f"the CAs can't be read: {error}") from error
    if bundle.left_out:
        raise NoRoots(TrustReason.ROOT_MISSING, f"some CAs can't be read: {some(bundle.left_out)}")
    roots: dict[Certificate, None] = {}
    for ca in bundle.certificates:
        if ca.not_valid_after_utc > now:
            roots |= dict.fromkeys(_above(ca, bundle.certificates, anchors, now))
    if not roots:
        raise NoRoots(
            TrustReason.ROOT_MISSING,
            "none of the issuer's CAs has a root that is still valid"
            + (" and leads to an anchor of spec.trustedCA" if anchors is not None else ""),
        )
    return Roots.of(tuple(sorted(roots, key=lambda one: (one.not_valid_before_utc, fingerprint(one)))))


def _above(
    ca: Certificate, cas: tuple[Certificate, ...], anchors: Anchors | None, now: datetime
) -> tuple[Certificate, ...]:
    """Return the roots above one CA; none where it leads to no anchor, or is of no use. Raises NoRoots."""
    try:
        ways = signing_ca((ca, *cas), now, anchors).ways
    except ChainError:
        return ()  # no certificate of it could be delivered
    trusted = [way for way in ways if anchors is None or anchors.hold(way.cas)]
    lasting = [way for way in trusted if way.ends > now]
    if lasting and not any(way.complete for way in lasting):
        raise NoRoots(TrustReason.ROOT_MISSING, _missing(ca, lasting[0]))
    return tuple(way.top for way in lasting if way.complete)


def _missing(ca: Certificate, way: Way) -> str:
    return (
        f"{issuer_text(way.top)[:200]}, on the way from {subject_text(ca)[:200]} to its root, is not among "
        "the issuer's CAs: import its certificate where the CA has its others; what was distributed stays "
        "as it is"
    )
