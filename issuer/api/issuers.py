"""The issuers that users write: `VaultIssuer` and `VaultClusterIssuer`.

`spec.vault` is cert-manager's (see `vault`); the other fields are ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, PlainSerializer

from issuer.api.bad_answers import BadAnswersStatus
from issuer.api.group import CLUSTER_ISSUER_KIND, ISSUER_KIND
from issuer.api.model import ApiModel, OptionalDuration, OptionalText, Rule, SpecError, TextList, parse_model
from issuer.api.secrets import SecretKeySelector
from issuer.api.trust import Trust
from issuer.api.vault import VaultSpec
from issuer.text import rfc3339

__all__ = [
    "CertificateAuthority",
    "Condition",
    "IssuerObject",
    "IssuerSpec",
    "IssuerStatus",
    "RateLimit",
    "Revocation",
    "SpecError",
    "TrustedCA",
    "VaultClusterIssuer",
    "VaultClusterIssuerSpec",
    "VaultIssuer",
    "VaultIssuerSpec",
]

READY: Final = "Ready"
LONGEST_DELAY: Final = timedelta(hours=87_600)
_LONGEST_DELAY: Final = "87600h"
MAX_WARNINGS: Final = 16
MAX_SERIAL: Final = 128
MAX_MESSAGE: Final = 4096
MAX_FINGERPRINTS: Final = 16

TRUST: Final = (
    "Where the roots of the issuer's certificates are put, for those that verify them. Nowhere without it; "
    "taking it away removes what was put."
)
_FINGERPRINT: Final = "^([0-9a-fA-F]{64}|[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){31})$"
_DURATION: Final = "^([0-9]+([.][0-9]+)?(ns|us|ms|s|m|h))+$"
_SIGN_INTERMEDIATE: Final = "^([^/?#%[:space:]]+/)+(root|issuer/[^/?#%[:space:]]+)/sign-intermediate$"


Fingerprint = Annotated[str, Field(max_length=95)]


Timestamp = Annotated[datetime, Field(strict=False), PlainSerializer(rfc3339, when_used="json-unless-none")]


def _is_fingerprint(text: str) -> bool:
    return re.fullmatch(_FINGERPRINT.strip("^$"), text) is not None


def _is_sign_intermediate(path: str) -> bool:
    segments = path.split("/")
    if any(not part or any(c in "?#%" or c.isspace() for c in part) for part in segments):
        return False
    before = segments[:-1]
    root = len(before) >= 2 and before[-1] == "root"
    issuer = len(before) >= 3 and before[-2] == "issuer"
    return segments[-1] == "sign-intermediate" and (root or issuer)


class Revocation(ApiModel):
    """Conditions under which certificates are revoked at the CA."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.policy != 'Never' || !has(self.delay)",
            holds=lambda revocation: revocation.policy != "Never" or revocation.delay is None,
            message="delay has no meaning while policy is Never; set another policy, or drop delay",
            field="delay",
        ),
        Rule(
            cel=(
                f"!has(self.delay) || (self.delay.matches('{_DURATION}') && "
                f"duration(self.delay) <= duration('{_LONGEST_DELAY}'))"
            ),
            holds=lambda revocation: (
                revocation.delay is None or timedelta() <= revocation.delay <= LONGEST_DELAY
            ),
            message=f"delay must be a duration such as 72h or 30m, not negative, at most {_LONGEST_DELAY}",
            field="delay",
        ),
    )
    policy: Literal["Never", "OnDelete", "OnReplace"] = Field(
        default="Never",
        description=(
            "Never revokes nothing. OnDelete revokes when the CertificateRequest is deleted. "
            "OnReplace revokes when a newer certificate has taken the place of this one."
        ),
    )
    delay: OptionalDuration = Field(
        default=None,
        description="How long to wait before revoking, for example 24h. Revokes at once without it.",
    )


class CertificateAuthority(ApiModel):
    """The path that signs CA certificates. Requests with isCA go there, and no others."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"self.path.matches('{_SIGN_INTERMEDIATE}')",
            holds=lambda authority: _is_sign_intermediate(authority.path),
            message=(
                "path must end in root/sign-intermediate or issuer/<name>/sign-intermediate after the mount, "
                "for example pki/root/sign-intermediate, without a leading slash"
            ),
            field="path",
        ),
        Rule(
            cel="!self.path.matches('(^|/)[.][.]?(/|$)')",
            holds=lambda authority: not {".", ".."} & set(authority.path.split("/")),
            message="path must not contain '.' or '..' segments; write the full path",
            field="path",
        ),
    )
    path: str = Field(
        min_length=1,
        max_length=512,
        description='Vault\'s path that signs CA certificates, for example "pki/root/sign-intermediate".',
    )
    max_path_length: int = Field(
        default=0,
        ge=0,
        le=16,
        description="How many CAs may stand below a CA signed here. 0 means it signs leaf certificates only.",
    )


class TrustedCA(ApiModel):
    """The root or intermediate that every certificate must lead to."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="(has(self.sha256) && size(self.sha256) > 0) != has(self.secretRef)",
            holds=lambda trusted: bool(trusted.sha256) != (trusted.secret_ref is not None),
            message="give exactly one of sha256 and secretRef",
        ),
        Rule(
            cel=f"!has(self.sha256) || self.sha256.all(one, one.matches('{_FINGERPRINT}'))",
            holds=lambda trusted: all(map(_is_fingerprint, trusted.sha256)),
            message="sha256 must be 64 hex digits each, with a colon behind every second one or none",
            field="sha256",
        ),
        Rule(
            cel="!has(self.secretRef) || size(self.secretRef.name) > 0",
            holds=lambda trusted: trusted.secret_ref is None or bool(trusted.secret_ref.name),
            message="secretRef.name must name the Secret that holds the CA certificates",
            field="secretRef",
        ),
    )
    sha256: Annotated[tuple[Fingerprint, ...], Field(strict=False)] = Field(
        default=(),
        max_length=MAX_FINGERPRINTS,
        description=(
            "SHA-256 of CA certificates (their DER), in hex with or without colons, as by "
            '"openssl x509 -noout -fingerprint -sha256". One of them must stand in the chain.'
        ),
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    secret_ref: SecretKeySelector | None = Field(
        default=None,
        description=(
            "Secret entry with CA certificates in PEM, one of which must stand in the chain; the default "
            'key is "ca.crt".'
        ),
    )


class RateLimit(ApiModel):
    """Bounds of this issuer's calls to the CA's server."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.burst) || has(self.perSecond)",
            holds=lambda limit: limit.burst is None or limit.per_second is not None,
            message="burst has no meaning without perSecond; set perSecond, or drop burst",
            field="burst",
        ),
        Rule(
            cel="has(self.perSecond) || has(self.concurrent)",
            holds=lambda limit: limit.per_second is not None or limit.concurrent is not None,
            message="rateLimit limits nothing; set perSecond or concurrent, or drop rateLimit",
        ),
    )
    per_second: int | None = Field(
        default=None, ge=1, le=10_000, description="Certificates the CA is asked for in a second, on average."
    )
    burst: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Certificates the CA may be asked for at once after a pause. The default is perSecond.",
    )
    concurrent: int | None = Field(
        default=None,
        ge=1,
        le=1_000,
        description=(
            "Requests worked on at the same time, and so the most calls that are open towards it. "
            "The default is the controller's --issuer-concurrency."
        ),
    )


class IssuerSpec(ApiModel):
    """The fields of a spec that every backend shares."""

    approval: Literal["Policy", "External"] = Field(
        default="Policy",
        description=(
            "Who approves requests. Policy: this controller decides by CertificateRequestPolicies. "
            "External: another approver goes first."
        ),
    )
    verification: Literal["Standard", "Strict"] | None = Field(
        default=None,
        description=(
            "How closely a returned certificate must match the request. Standard tolerates what the CA "
            "may rightly decide (usages, subject attributes, a shorter life); Strict doesn't. "
            "The default is Strict for Vault's sign-verbatim paths and Standard for all else."
        ),
    )
    revocation: Revocation = Field(
        default=Revocation(), description="When certificates are revoked at the CA."
    )
    ca_expiry: Literal["Refuse", "Shorten"] = Field(
        default="Refuse",
        description=(
            "What happens when the CA expires before the certificate would: Refuse fails the request, "
            "Shorten issues it until the CA's end."
        ),
    )
    trusted_ca: TrustedCA | None = Field(
        default=None,
        alias="trustedCA",
        description=(
            "A root or intermediate that must stand in the chain of every certificate, as an anchor that "
            "doesn't come from the CA's server. Without it the CAs that the server names are trusted."
        ),
    )
    rate_limit: RateLimit | None = Field(
        default=None,
        description="Bounds what this issuer asks of the CA. Each active replica applies it separately.",
    )

    @classmethod
    def parse(cls, spec: Mapping[str, Any], *, strict: bool = False) -> Self:
        """Read the `spec` of an issuer object.

        Unknown fields are left out, as the API server has pruned them already; `strict` refuses them, for
        YAML that no server has seen. Raises SpecError with one line a bad field.
        """
        return parse_model(cls, spec, "spec", strict=strict)


class VaultIssuerSpec(IssuerSpec):
    """The spec of an issuer that signs through Vault, and the conditions under which it signs."""

    own_fields_first: ClassVar[bool] = True

    vault: VaultSpec = Field(
        description="The Vault (or OpenBao) that signs; the same fields as cert-manager's Vault issuer."
    )
    certificate_authority: CertificateAuthority | None = Field(
        default=None, description="Where CA certificates are signed. Without it, requests with isCA fail."
    )


class VaultClusterIssuerSpec(VaultIssuerSpec):
    """The spec of an issuer of the cluster that signs through Vault."""

    trust: Trust | None = Field(default=None, description=TRUST)


class Condition(ApiModel):
    """One condition of an issuer, as Kubernetes and cert-manager write them."""

    type: str = Field(
        min_length=1, max_length=316, description="Kind of condition; Ready is the one to look at."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Whether the condition holds.")
    reason: OptionalText = Field(
        default=None, max_length=1024, description="Short reason, one CamelCase word."
    )
    message: OptionalText = Field(
        default=None, max_length=MAX_MESSAGE, description="What is wrong and what to do about it, for people."
    )
    observed_generation: int | None = Field(
        default=None,
        description="Generation of the spec this condition was found for. An older one is out of date.",
        json_schema_extra={"format": "int64"},
    )
    last_transition_time: Timestamp | None = Field(default=None, description="When status last changed.")


class IssuerStatus(ApiModel):
    """The controller's findings about an issuer."""

    conditions: Annotated[tuple[Condition, ...], Field(strict=False)] = Field(
        default=(),
        max_length=16,
        description="Conditions by type. The issuer signs while Ready is True.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    ca_subject: OptionalText = Field(
        default=None, max_length=2048, description="Subject of the CA that signs, as RFC 4514 text."
    )
    ca_serial: OptionalText = Field(
        default=None,
        max_length=MAX_SERIAL,
        description="Serial number of that CA's certificate, in the form aa:bb:cc.",
    )
    ca_not_after: Timestamp | None = Field(
        default=None,
        description="When the first CA of the chain expires, of several chains the one that lasts longest. "
        "Certificates can't be valid longer.",
    )
    warnings: TextList = Field(
        default=(),
        max_length=MAX_WARNINGS,
        description="What doesn't stop the issuer but deserves a look, such as ignored auth methods.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    bad_answers: BadAnswersStatus | None = Field(
        default=None,
        description="Signing calls whose answers could not be delivered, while there is no good one since.",
    )

    @classmethod
    def parse(cls, status: Mapping[str, Any]) -> IssuerStatus:
        """Read the `status` of an issuer object. Raises SpecError."""
        return parse_model(cls, status, "status", strict=False)

    def to_json(self) -> dict[str, Any]:
        """Return the status as the API server wants it: unset fields are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


class IssuerObject(ApiModel):
    """The parts that every issuer object has; each kind has a `spec` of its own."""

    api_version: str = Field(description="Version of this API that the object is written in.")
    kind: str = Field(description="Kind of the object.")
    metadata: dict[str, Any] = Field(description="Name, labels and what else every object has.")
    spec: IssuerSpec = Field(description="What is wanted.")
    status: IssuerStatus = Field(
        default=IssuerStatus(), description="What the controller found; it alone writes it."
    )


class VaultIssuer(IssuerObject):
    """Signs CertificateRequests of its own namespace through Vault's PKI."""

    KIND: ClassVar[str] = ISSUER_KIND

    spec: VaultIssuerSpec = Field(description="What is wanted.")


class VaultClusterIssuer(IssuerObject):
    """Signs CertificateRequests of every namespace through Vault's PKI."""

    KIND: ClassVar[str] = CLUSTER_ISSUER_KIND

    spec: VaultClusterIssuerSpec = Field(description="What is wanted.")
