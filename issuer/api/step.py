"""The issuers that sign through step-ca: `StepIssuer` and `StepClusterIssuer`.

`url`, `caBundle` and `provisioner` are step-issuer's, name for name (`certmanager.step.sm/v1beta1` of its
0.12.0, `api/v1beta1`), so that an issuer works after changing its group; the other fields are ours.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import Field

from issuer.api.group import STEP_CLUSTER_ISSUER_KIND, STEP_ISSUER_KIND
from issuer.api.issuers import TRUST, IssuerObject, IssuerSpec
from issuer.api.model import ApiModel, OptionalBytes, OptionalText, RequiredText, Rule
from issuer.api.secrets import SecretKeySelector
from issuer.api.trust import Trust


class PasswordRef(ApiModel):
    """Points to the entry of a Secret that holds a provisioner's password."""

    name: str = Field(description="Name of the Secret.")
    key: OptionalText = Field(default=None, description="Entry of the Secret's data; it has to be named.")


class ClusterPasswordRef(PasswordRef):
    """Points to the entry of a Secret that holds a provisioner's password, for issuers of the cluster."""

    namespace: OptionalText = Field(
        default=None,
        description=(
            "Namespace of the Secret. It must be the one in which the controller reads Secrets of cluster "
            "issuers, which is the default."
        ),
    )


_REF: Final = "has(self.passwordRef) && size(self.passwordRef.name) > 0"
_ENV: Final = "has(self.passwordEnv) && size(self.passwordEnv) > 0"
_FILE: Final = "has(self.passwordFile) && size(self.passwordFile) > 0"

_NAMED: Final = Rule(
    cel=f"!({_REF}) || (has(self.passwordRef.key) && size(self.passwordRef.key) > 0)",
    holds=lambda provisioner: provisioner.password is None or bool(provisioner.password.key),
    message="passwordRef.key must name the entry of the Secret",
    field="passwordRef",
)


class StepProvisioner(ApiModel):
    """The JWK provisioner whose key grants certificates."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"has(self.keyRef) || ({_REF})",
            holds=lambda provisioner: provisioner.key_ref is not None or bool(provisioner.sources),
            message="give passwordRef, or keyRef with a key that is not encrypted",
        ),
        _NAMED,
    )
    name: RequiredText = Field(max_length=256, description="Name of the provisioner in step-ca.")
    kid: RequiredText = Field(max_length=512, description="Key ID of the provisioner in step-ca.")
    password_ref: PasswordRef | None = Field(
        default=None, description="Secret entry that holds the password of the provisioner's key."
    )
    key_ref: SecretKeySelector | None = Field(
        default=None,
        description=(
            "Secret entry that holds the provisioner's private key: a JWK, or encrypted (JWE), compact as "
            'step-ca keeps it, or as JSON; the default key is "key.json". Without it the key is fetched from '
            "the CA."
        ),
    )

    @property
    def password(self) -> PasswordRef | None:
        """The Secret of the password. An empty name, as step-issuer's own clients write it, means none."""
        return self.password_ref if self.password_ref and self.password_ref.name else None

    @property
    def sources(self) -> tuple[str, ...]:
        """The fields that say where the password is."""
        return ("passwordRef",) if self.password else ()


class StepClusterProvisioner(StepProvisioner):
    """The JWK provisioner whose key grants certificates, for issuers of the cluster."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"has(self.keyRef) || ({_REF}) || ({_ENV}) || ({_FILE})",
            holds=lambda provisioner: provisioner.key_ref is not None or bool(provisioner.sources),
            message=(
                "give one of passwordRef, passwordEnv and passwordFile, or keyRef with a key that is not "
                "encrypted"
            ),
        ),
        Rule(
            cel=f"[{_REF}, {_ENV}, {_FILE}].filter(given, given).size() <= 1",
            holds=lambda provisioner: len(provisioner.sources) <= 1,
            message="passwordRef, passwordEnv and passwordFile exclude each other; keep one",
        ),
        _NAMED,
    )
    password_ref: ClusterPasswordRef | None = Field(
        default=None, description="Secret entry that holds the password of the provisioner's key."
    )
    password_env: OptionalText = Field(
        default=None,
        max_length=256,
        description=(
            "Environment variable of the controller that holds the password. Only those that its option "
            "--password-variable names are read."
        ),
    )
    password_file: OptionalText = Field(
        default=None,
        max_length=1024,
        description=(
            "File of the controller that holds the password. Only those in folders that its option "
            "--password-folder names are read."
        ),
    )

    @property
    def sources(self) -> tuple[str, ...]:
        """The fields that say where the password is."""
        given = {
            "passwordRef": self.password,
            "passwordEnv": self.password_env,
            "passwordFile": self.password_file,
        }
        return tuple(name for name, value in given.items() if value)


class StepIssuerSpec(IssuerSpec):
    """The spec of an issuer that signs through step-ca, and the conditions under which it signs."""

    own_fields_first: ClassVar[bool] = True

    url: RequiredText = Field(
        max_length=2048,
        description=(
            'Address of step-ca, for example "https://ca.example.com:9000"; without a scheme it is https. '
            "Its host must be one of the CA's own names, as tokens are made out to it."
        ),
    )
    ca_bundle: OptionalBytes = Field(
        default=None,
        description=(
            "Root of step-ca's TLS certificate, PEM or DER in base64. Without it the controller's system CAs "
            "are trusted. It is for TLS alone: ca.crt gets the root of the chain that the CA serves."
        ),
    )
    provisioner: StepProvisioner = Field(description="The JWK provisioner that grants certificates.")
    duration: Literal["Refuse", "Shorten"] = Field(
        default="Refuse",
        description=(
            "What happens to a request for a longer life than the provisioner gives, as step-ca never "
            "shortens one itself: Refuse fails it with the limit, Shorten asks for the longest life."
        ),
    )


class StepClusterIssuerSpec(StepIssuerSpec):
    """The spec of an issuer of the cluster that signs through step-ca."""

    provisioner: StepClusterProvisioner = Field(description="The JWK provisioner that grants certificates.")
    trust: Trust | None = Field(default=None, description=TRUST)


class StepIssuer(IssuerObject):
    """Signs CertificateRequests of its own namespace through step-ca."""

    KIND: ClassVar[str] = STEP_ISSUER_KIND

    spec: StepIssuerSpec = Field(description="What is wanted.")


class StepClusterIssuer(IssuerObject):
    """Signs CertificateRequests of every namespace through step-ca."""

    KIND: ClassVar[str] = STEP_CLUSTER_ISSUER_KIND

    spec: StepClusterIssuerSpec = Field(description="What is wanted.")
