"""A mount's list of certificates, counted by the CA that signed them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from issuer.pki.authorities.parts import UNDECODABLE
from issuer.x509.chains.links import signed_by


@dataclass(slots=True)
class IssuedByCA:
    """Certificates of one CA in the list: the beginning of each, how many are valid, and their last end."""

    ca: x509.Certificate | None
    starts: list[datetime] = field(default_factory=list)
    valid: int = 0
    last_end: datetime | None = None

    def add(self, certificate: x509.Certificate, now: datetime) -> None:
        """Count a certificate, if this CA signed it and it isn't the CA's own."""
        if self.ca is None or certificate == self.ca or not signed_by(certificate, self.ca):
            return
        end = certificate.not_valid_after_utc
        self.starts.append(certificate.not_valid_before_utc)
        self.valid += end > now
        self.last_end = max(end, self.last_end or end)


def readable(pem: str) -> x509.Certificate | None:
    """Return a certificate, None for one whose dates can't be read: Vault keeps what others made, too. Its
    extensions may be odd, as those are that `sign-verbatim` copies."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        return certificate if certificate.not_valid_before_utc < certificate.not_valid_after_utc else None
    except UNDECODABLE:
        return None
