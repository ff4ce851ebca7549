"""Ways to get a token, in `agent.yaml`. Credentials lie in files, read anew for each login."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from issuer.agent.config.files import AbsolutePath
from issuer.manifests.checked import StrictModel, TextLike

RoleName = Annotated[
    str,
    TextLike(
        r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
        "must be the AppRole's name, of letters, digits, dots, hyphens and underscores: not its path or ID",
    ),
]


class TokenFile(StrictModel):
    """A token that something else keeps in a file."""

    file: AbsolutePath


class AppRoleLogin(StrictModel):
    """AppRole: its role ID, and where secret IDs come from, tried in the order of the fields below.

    Without any of them the role ID alone logs in, as for a role with `bind_secret_id=false`.
    """

    role_id: str | None = None
    role_id_file: AbsolutePath | None = None
    role_name: RoleName | None = Field(
        default=None,
        description="The AppRole's name: the agent makes the next secret ID for itself, one ahead.",
    )
    wrapped_secret_id_file: AbsolutePath | None = Field(
        default=None, description="Wrapping token of the first secret ID; it works once."
    )
    secret_id_file: AbsolutePath | None = None
    mount: str = "approle"

    @model_validator(mode="after")
    def _enough(self) -> AppRoleLogin:
        if (self.role_id is None) == (self.role_id_file is None):
            raise ValueError("needs roleId or roleIdFile, and not both")
        return self


class CertificateFiles(StrictModel):
    """A TLS client certificate, such as one that this agent keeps; read anew for each login."""

    certificate_file: AbsolutePath
    key_file: AbsolutePath
    role: str | None = None
    mount: str = "cert"


class JwtFile(StrictModel):
    """A JWT in a file: of a ServiceAccount (Kubernetes), or of any other issuer (JWT)."""

    role: str
    file: AbsolutePath
    mount: str


class LoginChoice(StrictModel):
    """One way to log in; a certificate beside AppRole is the way back when its secret IDs are lost."""

    token: TokenFile | None = None
    app_role: AppRoleLogin | None = None
    certificate: CertificateFiles | None = None
    kubernetes: JwtFile | None = None
    jwt: JwtFile | None = None

    @model_validator(mode="before")
    @classmethod
    def _mounts(cls, data: Any) -> Any:
        """Fill in each method's usual mount."""
        if not isinstance(data, dict):
            return data
        filled = dict(data)
        for name in ("kubernetes", "jwt"):
            if isinstance(filled.get(name), dict):
                filled[name] = {"mount": name, **filled[name]}
        return filled

    @model_validator(mode="after")
    def _one(self) -> LoginChoice:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1 and given != ["app_role", "certificate"]:
            raise ValueError(
                "needs exactly one of token, appRole, certificate, kubernetes and jwt, or appRole with "
                "certificate as its way back"
            )
        return self


class VaultServer(StrictModel):
    """The server, as `vault` and `bao` know it, and the login. Credentials go only to `server`."""

    server: str = Field(examples=["https://vault.example.com:8200"])
    ca_file: AbsolutePath | None = Field(
        default=None, description="CAs that its certificate is trusted by; without it, the system's."
    )
    server_name: str | None = None
    namespace: str | None = None
    login: LoginChoice | None = Field(
        default=None, description="May be left out if only CA chains are kept: these need no token."
    )
