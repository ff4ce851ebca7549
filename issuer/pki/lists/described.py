"""What a CRL says of itself, which CA signed it, and what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from issuer.pki.authorities.certificates import UNDECODABLE
from issuer.text import rfc3339

RAFT_ENTRY: Final = 1 << 20
"""Bytes that raft stores in one entry (max_entry_size of OpenBao and Vault), and so of the longest CRL: about
27,000 certificates (openbao#1895)."""
_NEARLY_FULL: Final = 0.8
_PEM: Final = b"-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True)
class NamedAuthority:
    """A CA that may have signed lists, and its name for people."""

    label: str
    certificate: x509.Certificate


def read_list(content: bytes) -> x509.CertificateRevocationList:
    """Return a CRL in PEM or DER. Raises ValueError."""
    try:
        at = content.find(_PEM)
        found = x509.load_pem_x509_crl(content[at:]) if at >= 0 else x509.load_der_x509_crl(content)
        list(found.extensions)  # what can't be decoded is told now
    except UNDECODABLE as error:
        raise ValueError(str(error)) from error
    return found


@dataclass(frozen=True)
class DescribedList:
    """A CRL at one moment. `authorities` are the CAs that are known, none if none were given."""

    source: str
    crl: x509.CertificateRevocationList
    size: int
    authorities: tuple[NamedAuthority, ...]
    now: datetime
    serials: tuple[int, ...] = ()

    @cached_property
    def signer(self) -> NamedAuthority | None:
        """The known CA whose key signed it, by name and signature."""
        named = (one for one in self.authorities if one.certificate.subject == self.crl.issuer)
        return next((one for one in named if _has_signed(one.certificate, self.crl)), None)

    @property
    def number(self) -> int | None:
        """The number of the list (RFC 5280, 5.2.3)."""
        try:
            return self.crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        except x509.ExtensionNotFound:
            return None

    @property
    def base(self) -> int | None:
        """The number of the whole list that a delta list adds to, None for a whole one (5.2.4)."""
        try:
            return self.crl.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number
        except x509.ExtensionNotFound:
            return None

    def entries(self) -> Iterator[tuple[int, x509.RevokedCertificate | None]]:
        """Yield each serial number that was asked for, with its entry."""
        for serial in self.serials:
            yield serial, self.crl.get_revoked_certificate_by_serial_number(serial)

    def problems(self) -> Iterator[str]:
        """Yield in words what keeps clients from using it."""
        ends = self.crl.next_update_utc
        if ends is None:
            yield "it doesn't say when the next one comes, which RFC 5280 requires"
        elif ends <= self.now:
            yield f"it ended at {rfc3339(ends)}: clients that look at it refuse all certificates of this CA"
        if self.crl.last_update_utc > self.now:
            yield f"it begins at {rfc3339(self.crl.last_update_utc)} only: a clock is wrong"
        if self.authorities and self.signer is None:
            yield "none of the CAs that are known signed it"
        if self.size > RAFT_ENTRY * _NEARLY_FULL:
            yield f"it has {self.size} bytes, and raft stores {RAFT_ENTRY}: issue for shorter, and tidy"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        ends = self.crl.next_update_utc
        return {
            "source": self.source,
            "issuer": self.crl.issuer.rfc4514_string(),
            "signedBy": None if self.signer is None else self.signer.label,
            "signatureChecked": bool(self.authorities),
            "number": self.number,
            "deltaOf": self.base,
            "thisUpdate": rfc3339(self.crl.last_update_utc),
            "nextUpdate": None if ends is None else rfc3339(ends),
            "entries": len(self.crl),
            "bytes": self.size,
            "serials": [
                {"serial": f"{serial:x}", "revoked": entry is not None, **_entry_json(entry)}
                for serial, entry in self.entries()
            ],
            "problems": list(self.problems()),
        }


def _has_signed(certificate: x509.Certificate, crl: x509.CertificateRevocationList) -> bool:
    try:
        return crl.is_signature_valid(certificate.public_key())  # type: ignore[arg-type]
    except (*UNDECODABLE, InvalidSignature):
        return False


def _entry_json(entry: x509.RevokedCertificate | None) -> dict[str, Any]:
    if entry is None:
        return {"revokedAt": None, "reason": None}
    return {"revokedAt": rfc3339(entry.revocation_date_utc), "reason": reason_of(entry)}


def reason_of(entry: x509.RevokedCertificate) -> str:
    """Return the reason of a revocation, "unspecified" where there is none."""
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except (x509.ExtensionNotFound, *UNDECODABLE):
        return "unspecified"


def revoked_ones(lists: Iterable[DescribedList]) -> set[int]:
    """Return the serial numbers that were asked for and are on one of the lists."""
    return {serial for one in lists for serial, entry in one.entries() if entry is not None}
