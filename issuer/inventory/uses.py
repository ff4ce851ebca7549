"""Uses that were found, by certificate. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography import x509

from issuer.inventory.certificate import KnownCertificate, KnownIssuers, known


class UseKind(StrEnum):
    """Kinds of things that use certificates."""

    CERTIFICATE = "certificate"
    REQUEST = "request"
    SIGNING_REQUEST = "csr"
    SECRET = "secret"  # noqa: S105 - a kind, no password
    MACHINE = "machine"
    AUTHORITY = "ca"


@dataclass(frozen=True, slots=True)
class Use:
    """Something that has a certificate. `is_current` is False for a request of which there is a newer one."""

    kind: UseKind
    where: str
    is_current: bool = True

    def __str__(self) -> str:
        return f"{self.kind}/{self.where}" + ("" if self.is_current else " (replaced)")

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {"kind": self.kind.value, "name": self.where, "current": self.is_current}


class UsesFound:
    """Uses of certificates of the CAs that were read, by the SHA-256 of each certificate."""

    def __init__(self, issuers: KnownIssuers) -> None:
        self._issuers = issuers
        self._uses: dict[bytes, tuple[Use, ...]] = {
            one.sha256: (Use(UseKind.AUTHORITY, one.label),) for one in issuers
        }
        self._rows: dict[bytes, KnownCertificate] = {}
        self.others = 0

    def add(self, certificate: x509.Certificate, use: Use) -> None:
        """Add what uses a certificate; those of other CAs are counted. Raises ValueError."""
        self.add_row(known(certificate, self._issuers), use)

    def add_row(self, row: KnownCertificate, use: Use) -> None:
        """Add what uses the certificate of a row that says which mount signed it, "" for none."""
        if not row.mount:
            self.others += 1
            return
        self._rows.setdefault(row.sha256, row)
        before = self._uses.get(row.sha256, ())
        if use not in before:
            self._uses[row.sha256] = (*before, use)

    def of(self, row: KnownCertificate) -> tuple[Use, ...]:
        """Return what uses a certificate."""
        return self._uses.get(row.sha256, ())

    def beyond(self, stored: Iterable[bytes]) -> Iterator[KnownCertificate]:
        """Yield certificates that are in use and not among those with these SHA-256."""
        there = set(stored)
        yield from (row for sha256, row in self._rows.items() if sha256 not in there)


def is_used(uses: Iterable[Use]) -> bool:
    """Return True if something uses a certificate now."""
    return any(one.is_current for one in uses)
