"""Issuer specs: what is taken, what is refused and in which words, and what the values mean then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from issuer.api.issuers import Condition, IssuerStatus, SpecError, VaultIssuerSpec
from issuer.api.vault import VaultAuth

SPECS = yaml.safe_load((Path(__file__).parent / "specs.yaml").read_text(encoding="utf-8"))
LEAST = SPECS["accepted"]["least with a token"]


def with_auth(**auth: Any) -> dict[str, Any]:
    return {"vault": {"server": "s", "path": "p", "auth": auth}}


@pytest.mark.parametrize("name", SPECS["accepted"])
def test_accepted(name: str) -> None:
    VaultIssuerSpec.parse(SPECS["accepted"][name], strict=True)


@pytest.mark.parametrize("name", SPECS["refused"])
def test_refused(name: str) -> None:
    case = SPECS["refused"][name]
    with pytest.raises(SpecError) as caught:
        VaultIssuerSpec.parse(case["spec"], strict=True)
    assert case["says"] in str(caught.value)
    assert str(caught.value).startswith("spec")


def test_defaults_are_the_documented_ones() -> None:
    spec = VaultIssuerSpec.parse(LEAST)
    assert spec.approval == "Policy"
    assert spec.verification is None
    assert (spec.revocation.policy, spec.revocation.delay) == ("Never", None)
    assert spec.certificate_authority is None
    assert spec.ca_expiry == "Refuse"
    assert spec.rate_limit is None


def test_our_own_fields_are_read() -> None:
    spec = VaultIssuerSpec.parse(SPECS["accepted"]["all of our own fields"])
    assert spec.approval == "External"
    assert spec.verification == "Strict"
    assert spec.revocation.delay == timedelta(hours=1, minutes=30)
    assert spec.certificate_authority
    assert spec.certificate_authority.max_path_length == 1
    assert spec.rate_limit
    assert (spec.rate_limit.per_second, spec.rate_limit.burst, spec.rate_limit.concurrent) == (50, 100, 8)


def test_cert_managers_fields_are_read() -> None:
    vault = VaultIssuerSpec.parse(SPECS["accepted"]["every approle field"]).vault
    assert (vault.server, vault.server_name, vault.namespace) == (
        "https://vault.test:8200",
        "vault.internal",
        "ns1/ns2",
    )
    assert vault.ca_bundle == b"-----BEGIN"
    assert vault.client_cert_secret_ref
    assert vault.client_cert_secret_ref.key == "cert.pem"
    assert vault.auth.app_role
    assert vault.auth.app_role.secret_ref
    assert (vault.auth.app_role.role_id, vault.auth.app_role.secret_ref.key) == ("1234", "secretId")


def test_every_bad_field_is_named_at_once_without_its_value() -> None:
    bad = {
        "vault": {"server": 5, "auth": {"kubernetes": {"role": "", "roel": "hunter2"}}},
        "approval": "hunter2",
    }
    with pytest.raises(SpecError) as caught:
        VaultIssuerSpec.parse(bad, strict=True)
    lines = str(caught.value).splitlines()
    for path in (
        "vault.server",
        "vault.path",
        "vault.auth.kubernetes.role",
        "vault.auth.kubernetes.roel",
        "approval",
    ):
        assert any(line.startswith(f"spec.{path}: ") for line in lines), path
    assert "hunter2" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ValidationError)
    assert "hunter2" not in str(caught.value.__cause__)


def test_many_problems_are_cut() -> None:
    with pytest.raises(SpecError, match="and 12 more"):
        VaultIssuerSpec.parse(LEAST | {f"unknown{n}": 1 for n in range(32)}, strict=True)


def test_unknown_fields_are_left_out_unless_strict() -> None:
    assert VaultIssuerSpec.parse({**LEAST, "future": 1}) == VaultIssuerSpec.parse(LEAST)


def test_empty_text_means_absent_as_in_cert_manager() -> None:
    vault = VaultIssuerSpec.parse(
        {
            "vault": {
                **LEAST["vault"],
                "namespace": "",
                "serverName": "",
                "auth": {"tokenSecretRef": {"name": "t", "key": ""}},
            }
        }
    ).vault
    assert vault.namespace is None
    assert vault.server_name is None
    assert vault.auth.token_secret_ref
    assert vault.auth.token_secret_ref.key is None


METHODS: dict[str, dict[str, Any]] = {
    "tokenSecretRef": {"name": "t"},
    "appRole": {"path": "a", "roleId": "r", "secretRef": {"name": "s"}},
    "clientCertificate": {},
    "kubernetes": {"role": "r", "secretRef": {"name": "t"}},
    "aws": {"role": "r"},
}


def test_the_first_method_in_cert_managers_order_counts() -> None:
    names = list(METHODS)
    for start in range(len(names)):
        auth = VaultIssuerSpec.parse(
            with_auth(**{name: METHODS[name] for name in reversed(names[start:])})
        ).vault.auth
        assert auth.chosen() == (names[start], tuple(names[start + 1 :]))


def test_mounts_have_cert_managers_defaults() -> None:
    auth = VaultIssuerSpec.parse(
        with_auth(**{**METHODS, "appRole": {**METHODS["appRole"], "path": ""}})
    ).vault.auth
    assert auth.app_role
    assert auth.app_role.mount == "approle"
    assert auth.client_certificate
    assert auth.client_certificate.mount == "/v1/auth/cert"
    assert auth.kubernetes
    assert auth.kubernetes.mount == "/v1/auth/kubernetes"
    assert auth.aws
    assert auth.aws.mount == "/v1/auth/aws"


def test_an_empty_secret_reference_beside_a_service_account_means_none() -> None:
    name = "kubernetes as cert-manager writes it back, with an empty secretRef"
    kubernetes = VaultIssuerSpec.parse(SPECS["accepted"][name]).vault.auth.kubernetes
    assert kubernetes
    assert kubernetes.secret_ref is None
    assert kubernetes.service_account_ref
    assert kubernetes.service_account_ref.name == "sa"


def test_specs_are_values() -> None:
    assert hash(VaultIssuerSpec.parse(LEAST)) == hash(VaultIssuerSpec.parse(LEAST))
    with pytest.raises(ValidationError):
        VaultIssuerSpec.parse(LEAST).approval = "External"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        VaultAuth()


def test_a_spec_written_out_reads_the_same() -> None:
    for data in SPECS["accepted"].values():
        spec = VaultIssuerSpec.parse(data)
        assert (
            VaultIssuerSpec.parse(spec.model_dump(mode="json", by_alias=True, exclude_none=True), strict=True)
            == spec
        )


def test_a_status_is_written_as_kubernetes_writes_it() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    ready = Condition(
        type="Ready",
        status="True",
        reason="Checked",
        message="fine",
        observed_generation=2,
        last_transition_time=moment,
    )
    status = IssuerStatus(conditions=(ready,), ca_not_after=moment, warnings=("two methods",))
    data = status.to_json()
    assert data == {
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Checked",
                "message": "fine",
                "observedGeneration": 2,
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            }
        ],
        "caNotAfter": "2026-01-02T03:04:05Z",
        "warnings": ["two methods"],
    }
    assert IssuerStatus.parse(data).to_json() == data
    assert IssuerStatus.parse({}).to_json() == {}
