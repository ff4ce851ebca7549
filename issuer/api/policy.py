"""The policies that users write: `CertificateRequestPolicy`, field for field approver-policy's v1alpha1.

A policy of approver-policy works after changing its `apiVersion` and the groups in its selector. So the
schema accepts what that one's accepts, and durations stay text here: errors inside a policy are found when it
is compiled (`issuer.policy.compiled`), all at once, and reported in its status. Source: approver-policy's API
reference (https://cert-manager.io/docs/policy/approval/approver-policy/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue

from issuer.api.group import POLICY_KIND
from issuer.api.issuers import Condition
from issuer.api.model import ApiModel, SpecError, TextList, parse_model
from issuer.duration import MAX_LENGTH, PATTERN

__all__ = [
    "AllowedText",
    "AllowedTexts",
    "CertificateRequestPolicy",
    "PolicySpec",
    "PolicyStatus",
    "SpecError",
    "TypedTexts",
    "ValidationRule",
]

_WILDCARDS: Final = "Accepts wildcards (*), each any run of characters."

Usage = Literal[
    "signing",
    "digital signature",
    "content commitment",
    "key encipherment",
    "key agreement",
    "data encipherment",
    "cert sign",
    "crl sign",
    "encipher only",
    "decipher only",
    "any",
    "server auth",
    "client auth",
    "code signing",
    "email protection",
    "s/mime",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "timestamping",
    "ocsp signing",
    "microsoft sgc",
    "netscape sgc",
]


def _some_tuple(value: object) -> object:
    # The API server drops nulls, so a null list is an absent one.
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else value


def _list_by(key: str) -> dict[str, Any]:
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def _is_duration(field: str) -> tuple[str, str, str | None]:
    """Return a rule as `_refused` takes it: approver-policy, too, can't use a duration that Go can't read."""
    message = (
        f"{field} must be a duration such as 2160h, 1h30m or 90s; a day is 24h, since there is no unit for it"
    )
    return f"!has(self.{field}) || self.{field}.matches('{PATTERN}')", message, field


def _refused(*rules: tuple[str, str, str | None]) -> ConfigDict:
    """Return rules that let the API server refuse a policy at once; `compile_policy` refuses it for them,
    too."""
    entries: list[JsonValue] = []
    for rule, message, field in rules:
        entry: dict[str, JsonValue] = {"rule": rule, "message": message}
        entries.append(entry | {"fieldPath": f".{field}"} if field else entry)
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": entries})


class ValidationRule(ApiModel):
    """One rule in the Common Expression Language."""

    rule: str = Field(
        description=(
            "CEL that must be true: self is the value, cr.name and cr.namespace are the request's, "
            "cr.username and cr.groups the requester's. "
            "For example self.endsWith('.' + cr.namespace + '.svc')."
        )
    )
    message: str | None = Field(
        default=None, description="What people are told when the rule fails. The default names the rule."
    )


Rules = Annotated[tuple[ValidationRule, ...], BeforeValidator(_some_tuple)]


class _Allowed(ApiModel):
    required: bool | None = Field(
        default=None, description="Whether a request must have it. The default is false."
    )
    validations: Rules = Field(
        default=(),
        description="Rules that every value must pass, beside what the patterns say.",
        json_schema_extra=_list_by("rule"),
    )


class AllowedText(_Allowed):
    """The value that a field may hold. With neither value nor validations it must be empty."""

    value: str | None = Field(default=None, description=f"Pattern of the value. {_WILDCARDS}")


class AllowedTexts(_Allowed):
    """The values that a field may hold. With neither values nor validations it must be empty."""

    values: TextList | None = Field(
        default=None, description=f"Patterns; each value must match one. {_WILDCARDS}"
    )


class TypedTexts(AllowedTexts):
    """The values of one object identifier. With neither values nor validations they must be empty."""

    oid: str = Field(description='Dotted object identifier, for example "1.3.6.1.4.1.311.20.2.3".')


TypedList = Annotated[tuple[TypedTexts, ...], BeforeValidator(_some_tuple)]


class AllowedSubject(ApiModel):
    """The attributes that the subject may have."""

    organizations: AllowedTexts | None = Field(default=None, description="Organizations (O).")
    countries: AllowedTexts | None = Field(default=None, description="Countries (C).")
    organizational_units: AllowedTexts | None = Field(default=None, description="Units (OU).")
    localities: AllowedTexts | None = Field(default=None, description="Localities (L).")
    provinces: AllowedTexts | None = Field(default=None, description="States or provinces (ST).")
    street_addresses: AllowedTexts | None = Field(default=None, description="Street addresses (STREET).")
    postal_codes: AllowedTexts | None = Field(default=None, description="Postal codes.")
    serial_number: AllowedText | None = Field(
        default=None, description="Serial number of the subject (not the certificate's)."
    )
    other_attributes: TypedList = Field(
        default=(),
        description="Other attributes by object identifier. One that is not listed is denied.",
        json_schema_extra=_list_by("oid"),
    )


class Allowed(ApiModel):
    """The values that a request may hold. Those that are not allowed are denied."""

    common_name: AllowedText | None = Field(default=None, description="The subject's common name.")
    dns_names: AllowedTexts | None = Field(default=None, description="DNS names.")
    ip_addresses: AllowedTexts | None = Field(
        default=None, description="IP addresses as text; IPv4 inside IPv6 is judged as IPv4."
    )
    uris: AllowedTexts | None = Field(default=None, description="URIs, as they are written.")
    email_addresses: AllowedTexts | None = Field(default=None, description="E-mail addresses.")
    is_ca: bool | None = Field(
        default=None, alias="isCA", description="Whether a CA may be asked for. The default is false."
    )
    usages: Annotated[
        tuple[Usage, ...] | None, BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)
    ] = Field(default=None, description="Usages that spec.usages may list. Without it, none.")
    subject: AllowedSubject | None = Field(
        default=None, description="Attributes of the subject. Without it, none but the common name."
    )
    other_names: TypedList = Field(
        default=(),
        description="otherName values by object identifier. One that is not listed is denied.",
        json_schema_extra=_list_by("oid"),
    )


class KeyConstraints(ApiModel):
    """Bounds of the key."""

    model_config = _refused(
        (
            "!has(self.minSize) || !has(self.maxSize) || self.minSize <= self.maxSize",
            "maxSize is smaller than minSize; no key could satisfy both",
            "maxSize",
        ),
        (
            (
                "(!has(self.minSize) || (self.minSize >= 0 && self.minSize <= 8192)) && "
                "(!has(self.maxSize) || (self.maxSize >= 0 && self.maxSize <= 8192))"
            ),
            "minSize and maxSize must be between 0 and 8192",
            None,
        ),
        (
            (
                "!has(self.algorithm) || self.algorithm != 'Ed25519' || "
                "(!has(self.minSize) && !has(self.maxSize))"
            ),
            "Ed25519 keys have one size; drop minSize and maxSize",
            "algorithm",
        ),
    )
    algorithm: Literal["RSA", "ECDSA", "Ed25519"] | None = Field(
        default=None, description="Kind of key. Any without it."
    )
    min_size: int | None = Field(default=None, description="Smallest size in bits, included.")
    max_size: int | None = Field(default=None, description="Largest size in bits, included.")


class Constraints(ApiModel):
    """Conditions that a request must satisfy, whatever it holds."""

    model_config = _refused(_is_duration("minDuration"), _is_duration("maxDuration"))
    min_duration: str | None = Field(
        default=None,
        description="Shortest duration, included, for example 1h. A request without one is denied.",
        json_schema_extra={"maxLength": MAX_LENGTH},
    )
    max_duration: str | None = Field(
        default=None,
        description="Longest duration, included, for example 2160h. A request without one is denied.",
        json_schema_extra={"maxLength": MAX_LENGTH},
    )
    private_key: KeyConstraints | None = Field(default=None, description="What the key must be.")


class PluginData(ApiModel):
    """Configuration of a plugin of approver-policy. There are none here."""

    values: dict[str, str] | None = Field(default=None, description="Settings of the plugin.")


class IssuerSelector(ApiModel):
    """The issuers whose requests the policy is for. Empty, it is for all."""

    name: str | None = Field(default=None, description=f"Name of the issuer. {_WILDCARDS}")
    kind: str | None = Field(default=None, description=f"Kind of the issuer. {_WILDCARDS}")
    group: str | None = Field(default=None, description=f"API group of the issuer. {_WILDCARDS}")


class NamespaceSelector(ApiModel):
    """The namespaces whose requests the policy is for. Empty, it is for all."""

    match_names: Annotated[tuple[str, ...], BeforeValidator(_some_tuple)] = Field(
        default=(), description=f"Names of namespaces; one must match. {_WILDCARDS}"
    )
    match_labels: dict[str, str] | None = Field(
        default=None, description="Labels that the namespace must have, all of them."
    )


class Selector(ApiModel):
    """The requests that the policy is for: those that all selectors given match."""

    issuer_ref: IssuerSelector | None = Field(default=None, description="By the issuer the request names.")
    namespace: NamespaceSelector | None = Field(default=None, description="By the request's namespace.")


class PolicySpec(ApiModel):
    """The values that requests may hold, and the requests it is about."""

    model_config = _refused(
        (
            "!has(self.plugins) || size(self.plugins) == 0",
            "plugins of approver-policy don't run here; drop plugins, or leave such policies there",
            "plugins",
        ),
        (
            "has(self.selector.issuerRef) || has(self.selector.__namespace__)",
            "selector needs issuerRef or namespace; write `issuerRef: {}` to match every issuer",
            "selector",
        ),
    )
    allowed: Allowed | None = Field(
        default=None, description="What requests may hold. Without it, nothing that can be left out."
    )
    constraints: Constraints | None = Field(
        default=None, description="What requests must satisfy. Without it, nothing more."
    )
    plugins: dict[str, PluginData] | None = Field(
        default=None, description="Plugins of approver-policy. None can be used here."
    )
    selector: Selector = Field(description="Which requests the policy is for.")

    @classmethod
    def parse(cls, spec: Mapping[str, Any], *, strict: bool = False) -> PolicySpec:
        """Read the `spec` of a policy object.

        Unknown fields are left out, as the API server has pruned them already; `strict` refuses them, for
        YAML that no server has seen. Raises SpecError with one line a bad field. Errors inside a field (a bad
        rule or duration) are for `compile_policy` to find.
        """
        return parse_model(cls, spec, "spec", strict=strict)


class PolicyStatus(ApiModel):
    """The controller's findings about a policy."""

    conditions: Annotated[tuple[Condition, ...], Field(strict=False)] = Field(
        default=(),
        max_length=16,
        description="Conditions by type. The policy is used while Ready is True.",
        json_schema_extra=_list_by("type"),
    )

    @classmethod
    def parse(cls, status: Mapping[str, Any]) -> PolicyStatus:
        """Read the `status` of a policy object. Raises SpecError."""
        return parse_model(cls, status, "status", strict=False)

    def to_json(self) -> dict[str, Any]:
        """Return the status as the API server wants it: unset fields are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


class CertificateRequestPolicy(ApiModel):
    """Says what certificate requests may hold: what it doesn't allow, it denies."""

    KIND: ClassVar[str] = POLICY_KIND

    api_version: str = Field(description="Version of this API that the object is written in.")
    kind: str = Field(description="Kind of the object.")
    metadata: dict[str, Any] = Field(description="Name, labels and what else every object has.")
    spec: PolicySpec = Field(description="What is allowed, and for which requests.")
    status: PolicyStatus = Field(
        default=PolicyStatus(), description="What the controller found; it alone writes it."
    )
