"""Policies, auth methods and audit devices of `pki.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from issuer.pki.file.base import FileModel, MountPath, Name, RolePath

SECRET_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "kubernetes": frozenset({"token_reviewer_jwt"}),
    "jwt": frozenset({"oidc_client_secret"}),
    "approle": frozenset(),
    "cert": frozenset(),
}
"""Fields of auth methods' config that Vault keeps to itself, by type."""
PROVIDER: Final = "provider_config"
"""Field of jwt's config: a map whose keys depend on the provider that it names."""
PLAIN_OF_PROVIDER: Final = frozenset(
    {
        *("provider", "domain", "fetch_groups", "fetch_user_info", "groups_recurse_max_depth"),
        *("gsuite_admin_impersonate", "impersonate_principal", "user_custom_schemas"),
    }
)
"""Keys of that map that hold no secret; any other may, such as gsuite_service_account.

Source: https://developer.hashicorp.com/vault/docs/auth/jwt/oidc-providers
"""

OLD_NAMES: Final[Mapping[str, str]] = {
    "bound_cidr_list": "secret_id_bound_cidrs",
    "bound_cidrs": "token_bound_cidrs",
    "lease": "token_ttl",
    "max_ttl": "token_max_ttl",
    "num_uses": "token_num_uses",
    "period": "token_period",
    "policies": "token_policies",
    "ttl": "token_ttl",
}
"""Older names of fields of auth methods' roles, which Vault still takes."""


class Grants(FileModel):
    """Paths that a generated policy allows: `MOUNT/ROLE` for signing, `MOUNT` for the rest."""

    sign: tuple[RolePath, ...] = Field((), description="Roles that sign requests, as MOUNT/ROLE.")
    issue: tuple[RolePath, ...] = Field((), description="Roles by which Vault makes the key; MOUNT/ROLE.")
    revoke: tuple[MountPath, ...] = Field((), description="Mounts whose certificates may be revoked.")
    read: tuple[MountPath, ...] = Field((), description="Mounts whose CAs, chains and CRLs may be read.")
    sign_intermediate: tuple[MountPath, ...] = Field((), description="Mounts whose CA may sign other CAs.")
    protect: tuple[MountPath, ...] = Field(
        (), description="Mounts on which every path that issues, signs, imports or removes is denied."
    )


class PolicyText(FileModel):
    """One policy: written out, or generated from grants."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["text"]}, {"required": ["generate"]}]}
    )

    text: str | None = Field(None, description="Rules in Vault's language, HCL or JSON.")
    generate: Grants | None = Field(None, description="Grants from which the rules are made.")

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.text is None) == (self.generate is None):
            raise ValueError("needs either text or generate")
        return self


class AuthMount(FileModel):
    """One auth method with its roles. `config` and roles hold Vault's own fields."""

    type: Literal["kubernetes", "approle", "cert", "jwt"] = Field(description="Type of the method.")
    description: str = Field("", description="Text that Vault shows of it.")
    tune: dict[str, Any] = Field(default_factory=dict, description="Vault's fields of sys/auth/PATH/tune.")
    config: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="Vault's fields of auth/PATH/config."
    )
    roles: dict[Name, dict[str, Any]] = Field(
        default_factory=dict,
        repr=False,
        description="Vault's fields of each role (of certs/NAME for type cert), by name.",
    )


class AuditDevice(FileModel):
    """One audit device. OpenBao takes none by API: there its presence is checked."""

    type: str = Field("file", description="file, syslog or socket.")
    description: str = Field("", description="Text that Vault shows of it.")
    options: dict[str, str] = Field(default_factory=dict, description="Vault's options of the type.")
