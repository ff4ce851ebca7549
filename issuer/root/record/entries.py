"""Entries of the ledger as data. All that a ceremony made is in them, so that lost files come back."""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from typing import Annotated, Final, Literal

from cryptography import x509
from pydantic import AfterValidator, Field

from issuer.root.certificates.crls import RevocationCause
from issuer.root.certificates.model import RootModel
from issuer.x509.errors import LIBRARY_ERRORS


class EntryKind(StrEnum):
    """Acts of a root that its ledger keeps."""

    INIT = "init"
    SIGN = "sign"
    REVOKE = "revoke"
    CRL = "crl"


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("is not base64") from error
    return text


Der = Annotated[str, AfterValidator(_base64)]
"""DER in base64."""
Hex = Annotated[str, Field(pattern="^[0-9a-f]+$", max_length=128)]


class EntryData(RootModel):
    """Base of all entries: camelCase keys, unknown ones refused, never changed."""


class InitData(EntryData):
    """The first entry: the root's certificate, and settings for all that follows.

    `crl` is the last CRL of a root that was taken over.
    """

    version: Literal[1] = 1
    root: Der
    subject: str
    spki_sha256: Hex
    passphrases: int = Field(1, ge=1, le=2)
    taken_over: bool = False
    crl: Der | None = None
    crl_urls: tuple[str, ...] = ()
    issuer_urls: tuple[str, ...] = ()
    crl_lifetime: int = Field(gt=0)
    config_map: str = "offline-root"


class SignData(EntryData):
    """A CA certificate. `lifetime` is in seconds, as asked; `adopted`: signed before the ledger began."""

    certificate: Der
    subject: str
    serial: Hex
    spki_sha256: Hex
    lifetime: int = Field(ge=0)
    adopted: bool = False


class RevokeData(EntryData):
    """A revoked CA certificate."""

    serial: Hex
    subject: str
    reason: RevocationCause


class CRLData(EntryData):
    """A CRL."""

    number: int = Field(ge=0)
    crl: Der
    next_update: str


AnyData = InitData | SignData | RevokeData | CRLData
MODELS: Final[dict[EntryKind, type[InitData] | type[SignData] | type[RevokeData] | type[CRLData]]] = {
    EntryKind.INIT: InitData,
    EntryKind.SIGN: SignData,
    EntryKind.REVOKE: RevokeData,
    EntryKind.CRL: CRLData,
}


def kind_of(data: AnyData) -> EntryKind:
    """Return the kind of an entry."""
    return next(kind for kind, model in MODELS.items() if isinstance(data, model))


def to_base64(der: bytes) -> str:
    """Return DER as entries hold it."""
    return base64.b64encode(der).decode("ascii")


def certificate_in(text: str) -> x509.Certificate:
    """Return the certificate of an entry. Raises ValueError."""
    try:
        return x509.load_der_x509_certificate(base64.b64decode(text))
    except LIBRARY_ERRORS as error:
        raise ValueError("its certificate can't be read") from error


def crl_in(text: str) -> x509.CertificateRevocationList:
    """Return the CRL of an entry. Raises ValueError."""
    try:
        return x509.load_der_x509_crl(base64.b64decode(text))
    except LIBRARY_ERRORS as error:
        raise ValueError("its CRL can't be read") from error
