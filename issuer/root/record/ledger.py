"""The sum of a ledger's entries: the root, the CAs that it signed and revoked, and its last CRL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from cryptography import x509

from issuer.root.certificates.crls import RevokedCA, crl_number, revoked_in
from issuer.root.certificates.keys import PrivateKey, PublicKey, public_der
from issuer.root.record.chain import LedgerEntry, appended, read_entries
from issuer.root.record.entries import (
    AnyData,
    CRLData,
    InitData,
    RevokeData,
    SignData,
    certificate_in,
    crl_in,
)


@dataclass(frozen=True, slots=True)
class SignedCA:
    """A CA certificate in the ledger. `number` is that of its entry, `lifetime` in seconds as asked."""

    number: int
    certificate: x509.Certificate
    lifetime: int
    adopted: bool

    @property
    def serial(self) -> int:
        """Serial number."""
        return self.certificate.serial_number

    @property
    def spki(self) -> bytes:
        """Public key as DER."""
        key = self.certificate.public_key()
        return public_der(key) if isinstance(key, PublicKey) else b""


@dataclass(frozen=True)
class RootLedger:
    """A ledger that holds together; made by `read_ledger`."""

    content: bytes = field(repr=False)
    entries: tuple[LedgerEntry, ...] = field(repr=False)

    @cached_property
    def settings(self) -> InitData:
        """The first entry."""
        data = self.entries[0].data
        if not isinstance(data, InitData):
            raise TypeError("a ledger begins with its root")
        return data

    @cached_property
    def root(self) -> x509.Certificate:
        """The root's certificate."""
        return certificate_in(self.settings.root)

    @property
    def public_key(self) -> PublicKey:
        """The root's key."""
        key = self.root.public_key()
        if not isinstance(key, PublicKey):
            raise TypeError("a root's key is RSA, EC or Ed25519")
        return key

    @cached_property
    def signed(self) -> tuple[SignedCA, ...]:
        """CAs that the root signed, in their order."""
        return tuple(
            SignedCA(entry.number, certificate_in(data.certificate), data.lifetime, data.adopted)
            for entry in self.entries
            if isinstance(data := entry.data, SignData)
        )

    @cached_property
    def revoked(self) -> tuple[RevokedCA, ...]:
        """Revoked CAs, with those of the CRL that was taken over."""
        before = revoked_in(crl_in(self.settings.crl)) if self.settings.crl is not None else ()
        return before + tuple(
            RevokedCA(int(data.serial, 16), entry.time, data.reason)
            for entry in self.entries
            if isinstance(data := entry.data, RevokeData)
        )

    @cached_property
    def crls(self) -> tuple[tuple[LedgerEntry, x509.CertificateRevocationList], ...]:
        """CRLs, in their order."""
        return tuple(
            (entry, crl_in(data.crl)) for entry in self.entries if isinstance(data := entry.data, CRLData)
        )

    @property
    def crl(self) -> x509.CertificateRevocationList | None:
        """The last CRL."""
        if self.crls:
            return self.crls[-1][1]
        return None if self.settings.crl is None else crl_in(self.settings.crl)

    @property
    def crl_number(self) -> int:
        """Number of the last CRL, 0 before the first."""
        return 0 if self.crl is None else crl_number(self.crl)

    @property
    def last(self) -> LedgerEntry:
        """The last entry."""
        return self.entries[-1]

    @property
    def head(self) -> str:
        """Number and hash of the last entry, to be written down: "3:1f0a…"."""
        return f"{self.last.number}:{self.last.sha256}"

    def is_revoked(self, serial: int) -> bool:
        """Return True if a certificate is revoked."""
        return any(one.serial == serial for one in self.revoked)

    def before(self, number: int) -> RootLedger:
        """Return the ledger as it was with its first `number` entries."""
        lines = self.content.split(b"\n")[:number]
        return RootLedger(b"".join(line + b"\n" for line in lines), self.entries[:number])

    def with_entries(self, new: Sequence[AnyData], now: datetime, key: PrivateKey) -> RootLedger:
        """Return the ledger with new entries, signed by the root's key."""
        return read_ledger(appended(self.content, self.entries, new, now, key))


def read_ledger(content: bytes) -> RootLedger:
    """Return a ledger whose hashes and signatures were verified. Raises LedgerDamaged."""
    return RootLedger(content, read_entries(content))


def new_ledger(data: InitData, adopted: Sequence[SignData], now: datetime, key: PrivateKey) -> RootLedger:
    """Return the ledger of a new root, or of one that is taken over with the CAs that it signed."""
    return read_ledger(appended(b"", (), [data, *adopted], now, key))
