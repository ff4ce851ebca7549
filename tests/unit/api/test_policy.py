"""A policy of approver-policy is read as it is, and the API server refuses what compiling refuses."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.api.policy import PolicySpec, PolicyStatus, SpecError

EVERY_FIELD: dict[str, Any] = {
    "allowed": {
        "commonName": {"value": "*", "required": True, "validations": [{"rule": "true", "message": "m"}]},
        **{
            field: {"values": ["*"], "required": False, "validations": [{"rule": "true"}]}
            for field in ("dnsNames", "ipAddresses", "uris", "emailAddresses")
        },
        "isCA": True,
        "usages": ["server auth", "s/mime"],
        "subject": {
            **{
                field: {"values": ["*"]}
                for field in (
                    *("organizations", "countries", "organizationalUnits", "localities", "provinces"),
                    *("streetAddresses", "postalCodes"),
                )
            },
            "serialNumber": {"value": "1"},
            "otherAttributes": [{"oid": "1.2.3", "values": ["*"]}],
        },
        "otherNames": [{"oid": "1.2.3", "required": True, "validations": [{"rule": "true"}]}],
    },
    "constraints": {
        "minDuration": "1h",
        "maxDuration": "24h",
        "privateKey": {"algorithm": "RSA", "minSize": 2048, "maxSize": 4096},
    },
    "plugins": {"rego": {"values": {"a": "b"}}},
    "selector": {
        "issuerRef": {"name": "*", "kind": "Vault*", "group": "vault-issuer.io"},
        "namespace": {"matchNames": ["a-*"], "matchLabels": {"team": "a"}},
    },
}


def test_every_field_is_known_and_comes_back_as_it_was() -> None:
    spec = PolicySpec.parse(EVERY_FIELD, strict=True)
    written = spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    assert written == {**EVERY_FIELD, "allowed": written["allowed"]}
    assert written["allowed"]["dnsNames"] == EVERY_FIELD["allowed"]["dnsNames"]
    assert set(written["allowed"]) == set(EVERY_FIELD["allowed"])


@pytest.mark.parametrize("part", ["allowed", "constraints", "plugins"])
def test_empty_and_null_parts_are_taken(part: str) -> None:
    PolicySpec.parse({"selector": {}, part: {}})
    PolicySpec.parse({"selector": {}, part: None})


def test_an_absent_list_and_an_empty_one_are_told_apart() -> None:
    def values(given: dict[str, object]) -> object:
        allowed = PolicySpec.parse({"selector": {}, "allowed": {"dnsNames": given}}).allowed
        assert allowed is not None
        assert allowed.dns_names is not None
        return allowed.dns_names.values

    assert values({}) is None
    assert values({"values": None}) is None
    assert values({"values": []}) == ()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({}, "spec.selector: is required"),
        ({"selector": {}, "allowed": {"isCA": "true"}}, "spec.allowed.isCA"),
        ({"selector": {}, "allowed": {"usages": ["x"]}}, "spec.allowed.usages.0"),
        ({"selector": {}, "allowed": {"otherNames": [{}]}}, "spec.allowed.otherNames.0.oid: is required"),
        (
            {"selector": {}, "constraints": {"privateKey": {"minSize": "1"}}},
            "minSize: must be a whole number",
        ),
    ],
)
def test_what_the_schema_refuses_is_refused(spec: dict[str, object], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        PolicySpec.parse(spec)


def test_unknown_fields_are_dropped_or_refused() -> None:
    assert PolicySpec.parse({"selector": {}, "other": 1}) == PolicySpec.parse({"selector": {}})
    with pytest.raises(SpecError, match=r"spec\.other: is not a known field"):
        PolicySpec.parse({"selector": {}, "other": 1}, strict=True)


def test_a_status_is_conditions() -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "observedGeneration": 2}
    assert PolicyStatus.parse({"conditions": [ready]}).to_json() == {"conditions": [ready]}
