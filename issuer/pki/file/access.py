"""Policies, auth methods and audit devices of `pki.yaml`."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from issuer.pki.file.base import FileModel, Name


class Grants(FileModel):
    """Paths that a generated policy allows: `MOUNT/ROLE` for signing, `MOUNT` for the rest."""

    sign: tuple[str, ...] = ()
    issue: tuple[str, ...] = ()
    revoke: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    sign_intermediate: tuple[str, ...] = Field((), description="Mounts whose CA may sign other CAs.")
    protect: tuple[str, ...] = Field(
        (), description="Mounts on which every path that issues, signs, imports or removes is denied."
    )


class PolicyText(FileModel):
    """One policy: written out, or generated from grants."""

    text: str | None = Field(None, description="Rules in Vault's language, HCL or JSON.")
    generate: Grants | None = None

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.text is None) == (self.generate is None):
            raise ValueError("needs either text or generate")
        return self


class AuthMount(FileModel):
    """One auth method with its roles. `config` and roles hold Vault's own fields."""

    type: Literal["kubernetes", "approle", "cert", "jwt"]
    description: str = ""
    tune: dict[str, Any] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict, repr=False)
    roles: dict[Name, dict[str, Any]] = Field(default_factory=dict)


class AuditDevice(FileModel):
    """One audit device. OpenBao takes none by API: there its presence is checked."""

    type: str = "file"
    description: str = ""
    options: dict[str, str] = Field(default_factory=dict)
