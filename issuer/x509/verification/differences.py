"""Differences before it is decided whether they are fatal, and the words that they share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from issuer.text import ascii_text, first_of, rfc3339
from issuer.x509.certificates import Certificate
from issuer.x509.verification.findings import FindingCode

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class CertificateDifference:
    """A difference before `strict` is applied: if `fatal` is None, `strict` decides."""

    code: FindingCode
    message: str
    fatal: bool | None = None
    expected: bool = False


def life_text(certificate: Certificate) -> str:
    """Return the times of a certificate, in words that complete "it is valid ..."."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return f"from {rfc3339(begin)} to {rfc3339(end)}"


def listed(things: Iterable[object]) -> str:
    """Return the first of some things, sorted, in one line of ASCII."""
    return first_of(sorted(ascii_text(str(thing), 200) for thing in things), _SHOWN)
