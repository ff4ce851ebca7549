"""One certificate of an inventory, small enough to hold 100,000 of them; and the CAs that sign. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from issuer.x509.chains.links import signed_by
from issuer.x509.errors import LIBRARY_ERRORS

Kind = TypeVar("Kind", bound=x509.ExtensionType)

SOON: Final = timedelta(days=30)
"""Time before its end from which a certificate is expiring, where nobody says another."""
_MOST_OF_LIFE: Final = 3
"""A certificate that nobody asked about by time is expiring in the last third of its life at the earliest:
cert-manager renews there, and one of a day would always be expiring."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SERIAL: Final = re.compile("(0x)?[0-9a-f]{1,40}")


class CertificateState(StrEnum):
    """State of a certificate at one moment."""

    VALID = "valid"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KnownCertificate:
    """A certificate, and where it is known from.

    `mount` holds the CA that signed it, and `issuer` names that CA; `is_stored` tells if Vault has it, None
    where that can't be seen.
    """

    mount: str
    serial: str
    names: tuple[str, ...]
    subject: str
    issuer: str
    begins: datetime
    ends: datetime
    sha256: bytes
    is_ca: bool = False
    revoked_at: datetime | None = None
    is_stored: bool | None = True

    @property
    def label(self) -> str:
        """Its first name, else its subject."""
        return self.names[0] if self.names else self.subject or "(no name)"

    def state(self, now: datetime, soon: timedelta | None = None) -> CertificateState:
        """Return its state; `soon` is the time before its end from which it is expiring (None: `SOON`, or a
        third of its life if that is less)."""
        if self.revoked_at is not None:
            return CertificateState.REVOKED
        if self.ends <= now:
            return CertificateState.EXPIRED
        before = min(SOON, (self.ends - self.begins) / _MOST_OF_LIFE) if soon is None else soon
        return CertificateState.EXPIRING if self.ends - now <= before else CertificateState.VALID


@dataclass(frozen=True, slots=True)
class KnownIssuer:
    """A CA of a mount: what its certificates say of it, its own fingerprint, and if the mount has its key."""

    mount: str
    name: str
    subject: bytes
    text: str
    key_id: bytes | None
    sha256: bytes
    certificate: x509.Certificate = field(repr=False)
    has_key: bool = True

    @classmethod
    def of(cls, mount: str, name: str, certificate: x509.Certificate, *, has_key: bool = True) -> KnownIssuer:
        """Return the CA of a certificate. Raises ValueError for one that can't be read."""
        try:
            subject = certificate.subject
            text = subject.rfc4514_string()
            own, sha256 = own_key_id(certificate), fingerprint(certificate)
            return cls(mount, name, subject.public_bytes(), text, own, sha256, certificate, has_key)
        except LIBRARY_ERRORS as error:
            raise ValueError(str(error)) from error

    def signed(self, certificate: x509.Certificate, key: bytes | None) -> bool:
        """Return True if it signed a certificate that has its name as the issuer's, and `key` as its key's
        identifier; without identifiers by the signature, which takes longer."""
        if key is None or self.key_id is None:
            return signed_by(certificate, self.certificate)
        return key == self.key_id

    @property
    def label(self) -> str:
        """Mount and name."""
        return f"{self.mount}/{self.name}"


class KnownIssuers:
    """CAs that were read, found by what a certificate says of its issuer."""

    def __init__(self, issuers: Iterable[KnownIssuer]) -> None:
        self._issuers = tuple(issuers)
        self._by_subject: dict[bytes, list[KnownIssuer]] = {}
        for issuer in self._issuers:
            self._by_subject.setdefault(issuer.subject, []).append(issuer)

    def __iter__(self) -> Iterator[KnownIssuer]:
        return iter(self._issuers)

    def of(self, certificate: x509.Certificate, mount: str = "") -> KnownIssuer | None:
        """Return the CA that a certificate names, by name and key; of `mount` if several mounts have it.

        CAs of one name are told apart by their keys, since a rotation keeps the name.
        """
        found = self.every(certificate)
        return next((one for one in found if one.mount == mount), found[0] if found else None)

    def every(self, certificate: x509.Certificate) -> list[KnownIssuer]:
        """Return all that a certificate may name: one CA may be in several mounts.

        Those without its key, such as the root above an intermediate, count where no other has it.
        """
        named = self._by_subject.get(certificate.issuer.public_bytes(), [])
        key = issuer_key_id(certificate)
        found = [one for one in named if one.signed(certificate, key)]
        return [one for one in found if one.has_key] or found

    def named(self, subject: str) -> KnownIssuer | None:
        """Return the first CA of a subject in RFC 4514 text."""
        return next((one for one in self._issuers if one.text == subject), None)


def read_pem(pem: str | bytes) -> x509.Certificate:
    """Return the first certificate of PEM text. Raises ValueError for what can't be read."""
    try:
        return x509.load_pem_x509_certificate(pem.encode() if isinstance(pem, str) else pem)
    except LIBRARY_ERRORS as error:
        raise ValueError(str(error)) from error


def known(
    certificate: x509.Certificate,
    issuers: KnownIssuers,
    mount: str = "",
    revocation: Mapping[str, object] | None = None,
) -> KnownCertificate:
    """Return the row of a certificate that `mount` stores, or that was found elsewhere ("").

    `revocation` is what Vault says beside it. Raises ValueError for one that can't be read.
    """
    try:
        issuer = issuers.of(certificate, mount)
        name = certificate.issuer.rfc4514_string() if issuer is None else issuer.label
        return KnownCertificate(
            mount=mount or ("" if issuer is None else issuer.mount),
            serial=serial_of(certificate),
            names=names_of(certificate),
            subject=certificate.subject.rfc4514_string(),
            issuer=name,
            begins=certificate.not_valid_before_utc,
            ends=certificate.not_valid_after_utc,
            sha256=fingerprint(certificate),
            is_ca=_is_ca(certificate),
            revoked_at=_moment((revocation or {}).get("revocation_time")),
            is_stored=bool(mount),
        )
    except LIBRARY_ERRORS as error:
        raise ValueError(str(error)) from error


def _moment(seconds: object) -> datetime | None:
    """Return the time of seconds since 1970, None for 0. Raises OverflowError."""
    return _EPOCH + timedelta(seconds=seconds) if isinstance(seconds, int) and seconds > 0 else None


def fingerprint(certificate: x509.Certificate) -> bytes:
    """Return the SHA-256 of a certificate."""
    return certificate.fingerprint(hashes.SHA256())


def serial_of(certificate: x509.Certificate) -> str:
    """Return a serial number in Vault's form, `aa:bb:...`."""
    return _coloned(f"{certificate.serial_number:x}")


def parse_serial(text: str) -> str:
    """Return a serial number in Vault's form from hexadecimal digits, with or without separators.

    Raises ValueError.
    """
    digits = text.strip().lower().replace(":", "").replace("-", "")
    if not _SERIAL.fullmatch(digits):
        raise ValueError("a serial number has 1 to 40 hexadecimal digits, such as 1f:0a:c3")
    return _coloned(digits.removeprefix("0x").lstrip("0") or "0")


def _coloned(digits: str) -> str:
    even = digits.zfill(len(digits) + len(digits) % 2)
    return ":".join(even[at : at + 2] for at in range(0, len(even), 2))


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return common names and alternative names, each once. Raises as the library does."""
    found = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    names = _extension(certificate, x509.SubjectAlternativeName)
    found += [] if names is None else [_name(one) for one in names]
    return tuple(dict.fromkeys(found))


def _name(name: x509.GeneralName) -> str:
    value = name.value
    return value.rfc4514_string() if isinstance(value, x509.Name) else str(value)


def own_key_id(certificate: x509.Certificate) -> bytes | None:
    """Return the subjectKeyIdentifier (RFC 5280, 4.2.1.2), None if there is none."""
    found = _extension(certificate, x509.SubjectKeyIdentifier)
    return None if found is None else found.digest


def issuer_key_id(certificate: x509.Certificate) -> bytes | None:
    """Return the authorityKeyIdentifier (RFC 5280, 4.2.1.1), None if there is none."""
    found = _extension(certificate, x509.AuthorityKeyIdentifier)
    return None if found is None else found.key_identifier


def _is_ca(certificate: x509.Certificate) -> bool:
    found = _extension(certificate, x509.BasicConstraints)
    return found is not None and found.ca


def _extension(certificate: x509.Certificate, kind: type[Kind]) -> Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def pem_of(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()
