"""`spec.vault`: cert-manager's own fields, name for name, so that an Issuer works after changing its kind.

The models accept what cert-manager v1.21's CRD and webhook accept together
(`deploy/crds/cert-manager.io_issuers.yaml`, `internal/apis/certmanager/validation/issuer.go`), except that
the content of `caBundle` is checked only when the connection is made. Text is unbounded, as there.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import Field

from issuer.api.model import ApiModel, OptionalBytes, OptionalText, RequiredText, Rule, TextList
from issuer.api.secrets import SecretKeySelector

AuthMethodName = Literal["tokenSecretRef", "appRole", "clientCertificate", "kubernetes", "aws"]

DEFAULT_APP_ROLE_PATH: Final = "approle"
DEFAULT_CLIENT_CERTIFICATE_PATH: Final = "/v1/auth/cert"
DEFAULT_KUBERNETES_PATH: Final = "/v1/auth/kubernetes"
DEFAULT_AWS_PATH: Final = "/v1/auth/aws"
DEFAULT_TOKEN_KEY: Final = "token"  # noqa: S105 - the name of a Secret's entry
DEFAULT_CERTIFICATE_KEY: Final = "tls.crt"
DEFAULT_PRIVATE_KEY_KEY: Final = "tls.key"

_DOTS: Final = "(^|/)[.][.](/|$)"


def _no_dots(attribute: str, field: str, *, optional: bool) -> Rule:
    """Refuse paths that climb, as cert-manager does: no segment may be '..'."""
    cel = f"!self.{field}.matches('{_DOTS}')"
    return Rule(
        cel=f"!has(self.{field}) || {cel}" if optional else cel,
        holds=lambda model: ".." not in (getattr(model, attribute) or "").split("/"),
        message=f"{field} must not contain '..' path segments; write the full path",
        field=field,
    )


def _named(attribute: str, field: str, what: str) -> Rule:
    """Refuse an optional reference to a Secret without its name."""
    return Rule(
        cel=f"!has(self.{field}) || size(self.{field}.name) > 0",
        holds=lambda model: getattr(model, attribute) is None or bool(getattr(model, attribute).name),
        message=f"{field}.name must name the Secret that holds the {what}",
        field=field,
    )


class ServiceAccountRef(ApiModel):
    """Points to a ServiceAccount for which a short-lived token is requested."""

    name: RequiredText = Field(description="Name of the ServiceAccount.")
    audiences: TextList = Field(
        default=(),
        description=(
            "Audiences the token gets besides the two it always has: the Vault server's address and "
            "vault://namespace/issuer (vault://issuer for a cluster issuer)."
        ),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class AppRoleAuth(ApiModel):
    """Login by AppRole: a role ID, written here or kept in a Secret, and a secret ID kept in a Secret."""

    rules: ClassVar[tuple[Rule, ...]] = (
        _no_dots("path", "path", optional=False),
        Rule(
            cel="(has(self.roleId) && size(self.roleId) > 0) != has(self.roleIdSecretRef)",
            holds=lambda auth: (auth.role_id is not None) != (auth.role_id_secret_ref is not None),
            message="give exactly one of roleId and roleIdSecretRef",
        ),
        _named("role_id_secret_ref", "roleIdSecretRef", "role ID"),
        _named("secret_ref", "secretRef", "secret ID"),
    )
    path: str = Field(
        description='Where the AppRole method is mounted, without "auth/". Empty means "approle".'
    )
    role_id: OptionalText = Field(default=None, description="The role ID Vault gave for the role.")
    role_id_secret_ref: SecretKeySelector | None = Field(
        default=None, description="The Secret entry that holds the role ID, in place of roleId."
    )
    secret_ref: SecretKeySelector | None = Field(
        default=None,
        description=(
            "The Secret entry that holds the secret ID. Left out for a role with bind_secret_id=false, whose "
            "role ID alone logs in."
        ),
    )

    @property
    def mount(self) -> str:
        """The auth mount, or its default."""
        return self.path or DEFAULT_APP_ROLE_PATH


class ClientCertificateAuth(ApiModel):
    """Login by TLS client certificate."""

    rules: ClassVar[tuple[Rule, ...]] = (_no_dots("mount_path", "mountPath", optional=True),)
    mount_path: OptionalText = Field(
        default=None, description='Full path of the method\'s mount; the default is "/v1/auth/cert".'
    )
    secret_name: OptionalText = Field(
        default=None,
        description=(
            "Secret of type kubernetes.io/tls whose certificate and key log in. "
            "Without it the connection's own client certificate is used."
        ),
    )
    name: OptionalText = Field(
        default=None,
        description="Vault's certificate role to log in to. Without it any matching role may be used.",
    )

    @property
    def mount(self) -> str:
        """The auth mount, or its default."""
        return self.mount_path or DEFAULT_CLIENT_CERTIFICATE_PATH


class KubernetesAuth(ApiModel):
    """Login by a ServiceAccount's token."""

    rules: ClassVar[tuple[Rule, ...]] = (
        _no_dots("mount_path", "mountPath", optional=True),
        Rule(
            cel="(has(self.secretRef) && size(self.secretRef.name) > 0) != has(self.serviceAccountRef)",
            holds=lambda auth: (auth.secret_ref is not None) != (auth.service_account_ref is not None),
            message="give exactly one of secretRef and serviceAccountRef",
        ),
    )
    mount_path: OptionalText = Field(
        default=None, description='Full path of the method\'s mount; the default is "/v1/auth/kubernetes".'
    )
    role: RequiredText = Field(description="The Vault role to log in as.")
    secret_ref_: SecretKeySelector | None = Field(
        default=None,
        alias="secretRef",
        description='Secret entry that holds a ServiceAccount\'s token; the default key is "token".',
    )
    service_account_ref: ServiceAccountRef | None = Field(
        default=None,
        description="ServiceAccount for which a token of ten minutes is requested at each login.",
    )

    @property
    def secret_ref(self) -> SecretKeySelector | None:
        """The Secret that holds the token. An empty name, which cert-manager writes itself, means none."""
        return self.secret_ref_ if self.secret_ref_ and self.secret_ref_.name else None

    @property
    def mount(self) -> str:
        """The auth mount, or its default."""
        return self.mount_path or DEFAULT_KUBERNETES_PATH


class AWSAuth(ApiModel):
    """Login by an AWS IAM identity."""

    rules: ClassVar[tuple[Rule, ...]] = (
        _no_dots("mount_path", "mountPath", optional=True),
        Rule(
            cel="!has(self.serviceAccountRef) || (has(self.iamRoleArn) && size(self.iamRoleArn) > 0)",
            holds=lambda auth: auth.service_account_ref is None or auth.iam_role_arn is not None,
            message="serviceAccountRef needs iamRoleArn, the AWS role to assume with its token",
        ),
    )
    mount_path: OptionalText = Field(
        default=None, description='Full path of the method\'s mount; the default is "/v1/auth/aws".'
    )
    role: RequiredText = Field(description="The Vault role to log in as.")
    region: OptionalText = Field(
        default=None,
        description="AWS region to sign for. The default is the environment's, or us-east-1.",
    )
    service_account_ref: ServiceAccountRef | None = Field(
        default=None, description="ServiceAccount whose token is exchanged for AWS credentials (IRSA)."
    )
    iam_role_arn: OptionalText = Field(
        default=None, description="ARN of the AWS role to assume; needed beside serviceAccountRef."
    )
    vault_header_value: OptionalText = Field(
        default=None, description="Server ID put into the signed request, if the method asks for one."
    )

    @property
    def mount(self) -> str:
        """The auth mount, or its default."""
        return self.mount_path or DEFAULT_AWS_PATH


class VaultAuth(ApiModel):
    """The way to log in to Vault. With several methods given, the first in cert-manager's order counts."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=(
                "has(self.tokenSecretRef) || has(self.appRole) || has(self.clientCertificate) || "
                "has(self.kubernetes) || has(self.aws)"
            ),
            holds=lambda auth: bool(auth.given()),
            message="give one of tokenSecretRef, appRole, clientCertificate, kubernetes, aws",
        ),
    )
    token_secret_ref: SecretKeySelector | None = Field(
        default=None, description='Secret entry that holds a Vault token; the default key is "token".'
    )
    app_role: AppRoleAuth | None = Field(default=None, description="Log in by AppRole.")
    client_certificate: ClientCertificateAuth | None = Field(
        default=None, description="Log in by TLS client certificate."
    )
    kubernetes: KubernetesAuth | None = Field(default=None, description="Log in by a ServiceAccount's token.")
    aws: AWSAuth | None = Field(default=None, description="Log in by an AWS IAM identity.")

    def given(self) -> tuple[AuthMethodName, ...]:
        """The methods that are set, in cert-manager's order (`internal/vault/vault.go`, setToken)."""
        methods: tuple[tuple[AuthMethodName, ApiModel | None], ...] = (
            ("tokenSecretRef", self.token_secret_ref),
            ("appRole", self.app_role),
            ("clientCertificate", self.client_certificate),
            ("kubernetes", self.kubernetes),
            ("aws", self.aws),
        )
        return tuple(name for name, method in methods if method is not None)

    def chosen(self) -> tuple[AuthMethodName, tuple[AuthMethodName, ...]]:
        """Return the method that counts, and those that are set beside it and ignored."""
        first, *ignored = self.given()
        return first, tuple(ignored)


class VaultSpec(ApiModel):
    """The address of Vault, the way to log in, and the path that signs."""

    rules: ClassVar[tuple[Rule, ...]] = (
        _no_dots("path", "path", optional=False),
        Rule(
            cel="!has(self.caBundle) || !has(self.caBundleSecretRef)",
            holds=lambda vault: vault.ca_bundle is None or vault.ca_bundle_secret_ref is None,
            message="caBundle and caBundleSecretRef exclude each other; keep one",
        ),
        Rule(
            cel="has(self.clientCertSecretRef) == has(self.clientKeySecretRef)",
            holds=lambda vault: (
                (vault.client_cert_secret_ref is None) == (vault.client_key_secret_ref is None)
            ),
            message="clientCertSecretRef and clientKeySecretRef belong together; give both or neither",
        ),
    )
    auth: VaultAuth = Field(description="How to log in to Vault.")
    server: RequiredText = Field(
        description='Vault\'s address, for example "https://vault.example.com:8200".'
    )
    server_name: OptionalText = Field(
        default=None, description="Name the server's certificate must carry, if it isn't the address's host."
    )
    path: RequiredText = Field(description='The path that signs, for example "pki_int/sign/my-role".')
    namespace: OptionalText = Field(
        default=None, description="Vault namespace to work in, where Vault has them."
    )
    ca_bundle: OptionalBytes = Field(
        default=None,
        description=(
            "PEM bundle of the CAs to trust for Vault's TLS, in base64. "
            "With neither this nor caBundleSecretRef, the controller's system CAs are trusted."
        ),
    )
    ca_bundle_secret_ref: SecretKeySelector | None = Field(
        default=None,
        description='Secret entry that holds the PEM bundle of CAs to trust; the default key is "ca.crt".',
    )
    client_cert_secret_ref: SecretKeySelector | None = Field(
        default=None,
        description='Secret entry with the PEM client certificate for TLS; the default key is "tls.crt".',
    )
    client_key_secret_ref: SecretKeySelector | None = Field(
        default=None,
        description='Secret entry with the PEM key of that client certificate; the default key is "tls.key".',
    )
