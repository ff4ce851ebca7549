"""`pki.yaml` as a whole: mounts, and its two parts."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from issuer.pki.file.access import AuditDevice, AuthMount, PolicyText
from issuer.pki.file.authority import Authority
from issuer.pki.file.base import FileModel, MountPath, Name
from issuer.pki.file.place import Path


class Part(StrEnum):
    """The parts of the file: `foundation` is for a person, `automation` for a job."""

    FOUNDATION = "foundation"
    AUTOMATION = "automation"


class ExpectedWarning(FileModel):
    """A warning of Vault's that doesn't stop an apply."""

    path: str = Field(description="Path of the call; * stands for anything.")
    contains: str = Field(min_length=8, description="Words of the warning.")


class PkiMount(FileModel):
    """One PKI mount. Maps without a key of ours hold Vault's own fields; a map that is absent is left alone,
    and a field that is absent from a map has Vault's default."""

    description: str = Field("", description="Text that Vault shows of it.")
    exclusive: bool = Field(False, description="Its roles are all in the file; --prune removes others.")
    tune: dict[str, Any] = Field(default_factory=dict, description="Vault's fields of sys/mounts/PATH/tune.")
    cluster: dict[str, Any] | None = Field(None, description="Vault's fields of config/cluster.")
    urls: dict[str, Any] | None = Field(None, description="Vault's fields of config/urls.")
    crl: dict[str, Any] | None = Field(None, description="Vault's fields of config/crl.")
    auto_tidy: dict[str, Any] | None = Field(None, description="Vault's fields of config/auto-tidy.")
    acme: dict[str, Any] | None = Field(
        None, description="Vault's fields of config/acme; left alone where absent, and off in a new mount."
    )
    default_issuer: Name | None = Field(None, description="Authority that signs where no other is named.")
    roles: dict[Name, dict[str, Any]] = Field(
        default_factory=dict, description="Vault's fields of each role, by its name."
    )


class Foundation(FileModel):
    """Part that a person applies: write access to it is access to everything."""

    audit: dict[MountPath, AuditDevice] = Field(default_factory=dict, description="Audit devices by path.")
    mounts: dict[MountPath, PkiMount] = Field(
        default_factory=dict, description="PKI mounts of roots, by path."
    )
    authorities: dict[Name, Authority] = Field(default_factory=dict, description="Roots by name.")
    policies: dict[Name, PolicyText] = Field(default_factory=dict, description="Policies by name.")
    auth: dict[MountPath, AuthMount] = Field(default_factory=dict, description="Auth methods by path.")


def _known_version(value: object) -> object:
    if value != 1 or isinstance(value, bool):
        raise ValueError("is no version that this vault-issuer reads; write version: 1, or take a newer one")
    return value


class PkiFile(FileModel):
    """The file. `foundation` is one part, everything beside it the other."""

    version: Annotated[Literal[1], BeforeValidator(_known_version)] = Field(
        1, description="Version of this format."
    )
    prefix: str | None = Field(
        None,
        min_length=2,
        description="Policies and auth roles whose names begin so are the file's alone; it ends with a "
        "separator (- _ .), or is followed by one.",
    )
    foreign_prefixes: tuple[Annotated[str, Field(min_length=2)], ...] = Field(
        (),
        description="Prefixes of other files that begin with this one's, such as team-b- where it is team-: "
        "what has them is left alone.",
    )
    expect_warnings: tuple[ExpectedWarning, ...] = Field((), description="Warnings that don't stop an apply.")
    foundation: Foundation = Field(Foundation(), description="Part that a person applies.")
    mounts: dict[MountPath, PkiMount] = Field(default_factory=dict, description="PKI mounts by path.")
    authorities: dict[Name, Authority] = Field(default_factory=dict, description="CAs by name.")

    def all_mounts(self) -> Iterator[tuple[Part, str, PkiMount]]:
        """Yield every PKI mount with its part and path."""
        for path, mount in self.foundation.mounts.items():
            yield Part.FOUNDATION, path, mount
        for path, mount in self.mounts.items():
            yield Part.AUTOMATION, path, mount

    def all_authorities(self) -> Iterator[tuple[Part, str, Authority]]:
        """Yield every authority with its part and name."""
        for name, authority in self.foundation.authorities.items():
            yield Part.FOUNDATION, name, authority
        for name, authority in self.authorities.items():
            yield Part.AUTOMATION, name, authority


def path_in_file(part: Part, *path: str | int) -> Path:
    """Return the path of a value in the file from its path in a part."""
    return (Part.FOUNDATION.value, *path) if part is Part.FOUNDATION else path
