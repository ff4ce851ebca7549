"""A description of a CRL: its content, which CA signed it, and what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from issuer.pki.authorities.parts import UNDECODABLE
from issuer.text import rfc3339
from issuer.x509.chains.chain import CLOCK_SKEW

Kind = TypeVar("Kind", bound=x509.ExtensionType)

RAFT_ENTRY: Final = 1 << 20
"""Bytes that raft stores in one entry (max_entry_size of OpenBao and Vault), and so of the longest CRL: about
27,000 certificates (openbao#1895)."""
_NEARLY_FULL: Final = 0.8


@dataclass(frozen=True, slots=True)
class NamedAuthority:
    """A CA that may have signed lists, and its name for people."""

    label: str
    certificate: x509.Certificate


def revoked_entry(crl: x509.CertificateRevocationList, serial: int) -> x509.RevokedCertificate | None:
    """Return the entry that revokes a serial number, None without. An entry of a delta list with the reason
    removeFromCRL takes a revocation back (RFC 5280, 5.3.1)."""
    found = crl.get_revoked_certificate_by_serial_number(serial)
    return None if found is None or reason_of(found) == x509.ReasonFlags.remove_from_crl.value else found


@dataclass(frozen=True)
class DescribedList:
    """A CRL at one moment. `authorities` are the CAs that are known, none if none were given."""

    source: str
    crl: x509.CertificateRevocationList
    size: int
    authorities: tuple[NamedAuthority, ...]
    now: datetime
    serials: tuple[int, ...] = ()
    disabled: bool = False

    @property
    def issuer(self) -> str:
        """The name of its issuer for people."""
        try:
            return self.crl.issuer.rfc4514_string()
        except UNDECODABLE:
            return "a name that can't be read"

    @cached_property
    def signer(self) -> NamedAuthority | None:
        """The known CA whose key signed it, by name and signature."""
        named = (one for one in self.authorities if _is_named(one.certificate, self.crl))
        return next((one for one in named if _has_signed(one.certificate, self.crl)), None)

    @property
    def number(self) -> int | None:
        """The number of the list (RFC 5280, 5.2.3)."""
        found = _extension(self.crl, x509.CRLNumber)
        return None if found is None else found.crl_number

    @property
    def base(self) -> int | None:
        """The number of the whole list that a delta list adds to, None for a whole one (5.2.4)."""
        found = _extension(self.crl, x509.DeltaCRLIndicator)
        return None if found is None else found.crl_number

    def entries(self) -> Iterator[tuple[int, x509.RevokedCertificate | None]]:
        """Yield each serial number that was asked for, with its entry."""
        for serial in self.serials:
            yield serial, revoked_entry(self.crl, serial)

    def problems(self) -> Iterator[str]:
        """Yield in words what keeps clients from using it."""
        if self.disabled:
            yield "CRLs are disabled in its mount (config/crl): nothing that is revoked is on it"
        ends = self.crl.next_update_utc
        if ends is None:
            yield "it doesn't say when the next one comes, which RFC 5280 requires"
        elif ends <= self.now:
            yield f"it ended at {rfc3339(ends)}: clients that look at it refuse all certificates of this CA"
        # Vault dates no list back: a fresh one is from the future for a clock that is a second behind.
        if self.crl.last_update_utc > self.now + CLOCK_SKEW:
            yield f"it begins at {rfc3339(self.crl.last_update_utc)} only: a clock is wrong"
        if self.authorities and self.signer is None:
            yield "none of the CAs that are known signed it"
        if self.signer is not None and not _may_sign(self.signer.certificate):
            yield f"{self.signer.label} may not sign CRLs by its key usage: clients refuse the list"
        yield from self._scope()
        if self.size > RAFT_ENTRY * _NEARLY_FULL:
            yield f"it has {self.size} bytes, and raft stores {RAFT_ENTRY}: issue for shorter, and tidy"

    def _scope(self) -> Iterator[str]:
        """Yield what keeps it from telling of all certificates of its CA (RFC 5280, 5.2.5)."""
        found = _extension(self.crl, x509.IssuingDistributionPoint)
        if found is None:
            return
        if found.indirect_crl:
            yield "it is indirect: its serial numbers may be those of other CAs, which isn't looked at here"
        for part, words in (
            (found.only_contains_ca_certs, "certificates of CAs"),
            (found.only_contains_user_certs, "certificates that are no CA's"),
            (found.only_contains_attribute_certs, "attribute certificates"),
            (found.only_some_reasons, "some reasons"),
        ):
            if part and self.serials:
                yield f"it is of {words} alone: others may be revoked without being on it"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        ends = self.crl.next_update_utc
        return {
            "source": self.source,
            "issuer": self.issuer,
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


def _extension(of: x509.CertificateRevocationList | x509.Certificate, kind: type[Kind]) -> Kind | None:
    try:
        return of.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _may_sign(certificate: x509.Certificate) -> bool:
    """Return True unless a CA's key usage leaves out cRLSign (RFC 5280, 4.2.1.3)."""
    try:
        usage = _extension(certificate, x509.KeyUsage)
    except UNDECODABLE:
        return True
    return usage is None or usage.crl_sign


def _is_named(certificate: x509.Certificate, crl: x509.CertificateRevocationList) -> bool:
    """Return True if a CA has the name of a list's issuer, or the library can't tell."""
    try:
        return certificate.subject == crl.issuer
    except UNDECODABLE:
        return True


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
