"""Authorities of `pki.yaml`: CAs with key, subject, lifetime and origin."""

from __future__ import annotations

from enum import StrEnum
from itertools import combinations
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from issuer.pki.file.base import FileModel, Name
from issuer.pki.file.durations import Lifetime


class Origin(StrEnum):
    """Ways in which a CA gets its key and certificate."""

    ROOT = "root"
    """Vault makes the key and signs its own certificate."""
    SIGNED = "signed"
    """Vault makes the key; another authority of the file signs."""
    OFFLINE = "offline"
    """Vault makes the key; a CA that Vault doesn't hold signs a request that is carried there."""
    IMPORTED = "imported"
    """Key and certificates come from a file."""
    EXISTING = "existing"
    """Vault holds it already; it is compared, never made."""


class Subject(FileModel):
    """Subject of a CA certificate."""

    common_name: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(description="CN.")
    organization: tuple[str, ...] = Field((), description="O.")
    ou: tuple[str, ...] = Field((), description="OU.")
    country: tuple[str, ...] = Field((), description="C.")
    province: tuple[str, ...] = Field((), description="ST.")
    locality: tuple[str, ...] = Field((), description="L.")


class AuthorityKey(FileModel):
    """Type of a CA's key."""

    type: Literal["rsa", "ec", "ed25519"] = Field("ec", description="Type of the key.")
    bits: int = Field(0, ge=0, description="0: 3072 for RSA, 384 for EC.")

    @property
    def size(self) -> int:
        """Bits that are asked for; 0 for Ed25519."""
        if self.type == "ed25519":
            return 0
        return self.bits or {"rsa": 3072, "ec": 384}[self.type]


class OfflineSigning(FileModel):
    """Files that travel to an offline CA and back, relative to the first file of the command."""

    request: str = Field(description="Certificate request, written by apply.")
    certificate: str = Field(description="Certificate with its chain up to the root, brought back; PEM.")


class ImportedBundle(FileModel):
    """Key, certificate and chain of an existing CA, relative to the first file of the command."""

    bundle: str = Field(description="PEM, in any order; the key may be encrypted.")
    key: str | None = Field(None, description="The key, if it is a file of its own; PEM.")
    passphrase: str | None = Field(None, description="Passphrase of an encrypted key: ${VAR}.", repr=False)


_IS_EXISTING: Final = {"properties": {"existing": {"const": True}}, "required": ["existing"]}
_ORIGINS: Final[tuple[dict[str, Any], ...]] = (
    {"required": ["signedBy"]},
    {"required": ["offline"]},
    {"required": ["import"]},
    _IS_EXISTING,
)
_ONE_ORIGIN: Final[dict[str, Any]] = {
    "allOf": [{"not": {"allOf": list(pair)}} for pair in combinations(_ORIGINS, 2)],
    "anyOf": [{"required": ["subject", "lifetime"]}, {"required": ["import"]}, _IS_EXISTING],
}
"""Checks of an authority's origin, in JSON Schema, as `Authority` makes them."""


class Authority(FileModel):
    """One CA. Its name in the file is its issuer's in Vault; that of an existing one may be the id."""

    model_config = ConfigDict(json_schema_extra=_ONE_ORIGIN)

    mount: str = Field(description="PKI mount that holds it, of the same file.")
    key_name: Name | None = Field(None, description="Name of its key in Vault; the authority's by default.")
    spki_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None = Field(
        None, alias="spkiSHA256", description="SHA-256 of its public key (SubjectPublicKeyInfo), in hex."
    )
    subject: Subject | None = Field(
        None, description="Subject of its certificate; needed where Vault makes it."
    )
    key: AuthorityKey = Field(AuthorityKey(), description="Key that Vault makes.")
    lifetime: Lifetime | None = Field(
        None, description="Lifetime of its certificate; needed where Vault makes it."
    )
    max_path_length: int | None = Field(
        None, ge=0, le=255, description="CAs that may follow below; none: no limit."
    )
    permitted_dns_domains: tuple[str, ...] = Field(
        (), alias="permittedDNSDomains", description="Name constraint of its certificate."
    )
    signed_by: Name | None = Field(None, description="Authority of this file that signs it.")
    offline: OfflineSigning | None = Field(None, description="It is signed by a CA that Vault doesn't hold.")
    imported: ImportedBundle | None = Field(
        None, alias="import", description="Its key and certificates come from a file."
    )
    existing: bool = Field(
        False, description="Vault has it already; it is compared, never made. Its name here may be its id."
    )
    replaces: Name | None = Field(
        None,
        description="CA of the same mount that this one takes over from, step by step, by pki rotate; the "
        "old one is not made again.",
    )
    include_chain: bool = Field(
        True, description="Import the chain up to the root besides, so that Vault's ca_chain is whole."
    )
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="Vault's fields of issuer/NAME: usage, leaf_not_after_behavior, issuing_certificates...",
    )

    @property
    def origin(self) -> Origin:
        """Way in which it gets its key and certificate."""
        if self.existing:
            return Origin.EXISTING
        if self.imported is not None:
            return Origin.IMPORTED
        if self.offline is not None:
            return Origin.OFFLINE
        return Origin.SIGNED if self.signed_by is not None else Origin.ROOT

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [self.signed_by, self.offline, self.imported, self.existing or None]
        if sum(one is not None for one in given) > 1:
            raise ValueError("has several of signedBy, offline, import and existing; leave one")
        if self.existing:
            return self
        if self.imported is None and (self.subject is None or self.lifetime is None):
            raise ValueError("needs subject and lifetime, as Vault makes its key")
        return self
