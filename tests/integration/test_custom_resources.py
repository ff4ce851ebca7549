"""What the API server itself does with our custom resources, and what kubectl shows of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from cryptography import x509

from testbed import samples
from testbed.cluster import REPOSITORY, Testbed
from testbed.controller import ControllerProcess
from testbed.errors import HTTPError
from testbed.samples import API_VERSION, GROUP
from testbed.vaultpki import PkiLayout, setup_token
from tests.integration.support.scope import Scope, sweep


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """One controller for this module."""
    with ControllerProcess(bed, ["--issuer-check-period=2"]) as one:
        yield one
    sweep(bed)


def token(scope: Scope) -> dict[str, Any]:
    """``spec.vault.auth`` with a token."""
    return {"tokenSecretRef": scope.reference("token")}


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``change`` laid over it."""
    both = dict(base)
    for key, value in change.items():
        old = both.get(key)
        both[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


REFERENCE = {"name": "somewhere", "key": "data"}
CONTRADICTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "delay without revocation": ("spec.revocation.delay", {"revocation": {"delay": "1h"}}),
    "a delay that is none": (
        "spec.revocation.delay",
        {"revocation": {"policy": "OnDelete", "delay": "1 week"}},
    ),
    "an unknown policy": ("spec.revocation.policy", {"revocation": {"policy": "Sometimes"}}),
    "a burst of no rate": ("spec.rateLimit.burst", {"rateLimit": {"burst": 5, "concurrent": 2}}),
    "a limit of nothing": ("spec.rateLimit", {"rateLimit": {}}),
    "a rate of zero": ("spec.rateLimit.perSecond", {"rateLimit": {"perSecond": 0}}),
    "a CA path that signs leaves": (
        "spec.certificateAuthority.path",
        {"certificateAuthority": {"path": "pki_int/sign/lab"}},
    ),
    "a CA path that climbs": (
        "spec.certificateAuthority.path",
        {"certificateAuthority": {"path": "pki/../root/sign-intermediate"}},
    ),
    "an unknown approval": ("spec.approval", {"approval": "Nobody"}),
    "an unknown verification": ("spec.verification", {"verification": "None"}),
    "an unknown rule for the CA's end": ("spec.caExpiry", {"caExpiry": "Ignore"}),
    "no trusted CA": ("spec.trustedCA", {"trustedCA": {}}),
    "a trusted CA twice": (
        "spec.trustedCA",
        {"trustedCA": {"sha256": ["ab" * 32], "secretRef": REFERENCE}},
    ),
    "a short fingerprint": ("spec.trustedCA.sha256", {"trustedCA": {"sha256": ["ab" * 31]}}),
    "a fingerprint with some colons": (
        "spec.trustedCA.sha256",
        {"trustedCA": {"sha256": [f"ab:{'ab' * 31}"]}},
    ),
    "a trusted CA in no Secret": (
        "spec.trustedCA.secretRef",
        {"trustedCA": {"secretRef": {"name": ""}}},
    ),
    "two CA bundles": ("caBundleSecretRef", {"vault": {"caBundleSecretRef": REFERENCE}}),
    "a client certificate without key": (
        "clientKeySecretRef",
        {"vault": {"clientCertSecretRef": REFERENCE}},
    ),
    "a path that climbs": ("spec.vault.path", {"vault": {"path": "pki_int/../sys/sign/lab"}}),
    "two tokens for one login": (
        "spec.vault.auth.kubernetes",
        {
            "vault": {
                "auth": {
                    "kubernetes": {
                        "role": "a",
                        "secretRef": REFERENCE,
                        "serviceAccountRef": {"name": "vault-login"},
                    }
                }
            }
        },
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_the_api_server_refuses_contradictions_and_names_the_field(scope: Scope, case: str) -> None:
    field, change = CONTRADICTIONS[case]
    issuer = scope.issuer(token(scope))
    with pytest.raises(HTTPError) as refused:
        scope.bed.kube.create({**issuer, "spec": merged(issuer["spec"], change)})
    assert refused.value.status == 422
    assert field in message(refused.value)


def test_the_api_server_refuses_an_issuer_without_a_login(scope: Scope) -> None:
    with pytest.raises(HTTPError) as refused:
        scope.bed.kube.create(scope.issuer({}))
    assert "spec.vault.auth: " in message(refused.value)
    assert "tokenSecretRef" in message(refused.value)


def test_the_api_server_refuses_a_policys_duration_that_go_cannot_read(bed: Testbed) -> None:
    """As `90d`, which no policy could be evaluated by; what Go reads is taken, odd or not."""
    policy = samples.policy("durations", {})
    for text in ("2160h", "1h30m", ".5h", "1.h", "100\u00b5s", "0", "+1h"):
        bed.kube.create(merged(policy, {"spec": {"constraints": {"maxDuration": text}}}))
        bed.kube.delete(API_VERSION, policy["kind"], "durations")
    for field in ("minDuration", "maxDuration"):
        for text in ("90d", "1w", "1 h", "24", "", "h", "1h2"):
            with pytest.raises(HTTPError) as refused:
                bed.kube.create(merged(policy, {"spec": {"constraints": {field: text}}}))
            assert refused.value.status == 422
            assert f"spec.constraints.{field}" in message(refused.value)
            assert "a day is 24h" in message(refused.value)


def test_a_policy_whose_issuer_is_not_there_says_so_until_it_comes(scope: Scope) -> None:
    reference = {"group": GROUP, "kind": scope.kind, "name": scope.name}
    scope.bed.kube.apply(samples.policy(scope.name, {}, selector={"issuerRef": reference}))
    missing = wait_policy(scope, "IssuerNotFound")
    assert f'name "{scope.name}"' in missing["message"]
    assert missing["status"] == "True"
    scope.apply(token(scope))
    wait_policy(scope, "Ready")
    scope.bed.kube.delete(API_VERSION, scope.kind, scope.name, scope.namespace if not scope.cluster else None)
    wait_policy(scope, "IssuerNotFound")
    scope.bed.kube.delete(API_VERSION, "CertificateRequestPolicy", scope.name)


def wait_policy(scope: Scope, reason: str) -> dict[str, Any]:
    """Return the Ready condition of the scope's policy, once it has this reason."""

    def says(policy: dict[str, Any]) -> bool:
        return any(one["reason"] == reason for one in (policy.get("status") or {}).get("conditions") or ())

    found = scope.bed.kube.wait(API_VERSION, "CertificateRequestPolicy", scope.name, until=says)
    (condition,) = found["status"]["conditions"]
    return cast(dict[str, Any], condition)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("spec.vault.servername", {"vault": {"servername": "vault.example.test"}}),
        (
            "spec.vault.auth.tokenSecretRef.namespace",
            {"vault": {"auth": {"tokenSecretRef": {"namespace": "x"}}}},
        ),
        ("spec.ratelimit", {"ratelimit": {"perSecond": 1}}),
    ],
)
def test_unknown_fields_are_refused_under_strict_validation(
    scope: Scope, field: str, change: dict[str, Any]
) -> None:
    issuer = scope.issuer(token(scope))
    unknown = {**issuer, "spec": merged(issuer["spec"], change)}
    with pytest.raises(HTTPError) as refused:
        scope.bed.kube.create(unknown, validation="Strict")
    assert f'unknown field "{field}"' in message(refused.value)


def test_kubectl_shows_the_state_in_columns(scope: Scope, layout: PkiLayout, tmp_path: Path) -> None:
    plural = "vaultclusterissuers" if scope.cluster else "vaultissuers"
    where = ["get", plural, scope.name, f"--namespace={scope.namespace}", f"--cache-dir={tmp_path}"]
    scope.apply(token(scope))
    scope.wait_reason("SecretNotFound")
    heading, row = rows(scope.bed.kubectl(*where))
    assert heading == ["NAME", "READY", "REASON", "CA EXPIRY", "AGE"]
    assert row[:3] == [scope.name, "False", "SecretNotFound"]
    scope.store(token=setup_token(scope.bed.vault, layout.policy))
    scope.wait_ready()
    heading, row = rows(scope.bed.kubectl(*where, "--output=wide"))
    assert heading == ["NAME", "READY", "REASON", "CA EXPIRY", "MESSAGE", "AGE"]
    assert row[:3] == [scope.name, "True", "Ready"]
    assert row[3].startswith("20")
    assert layout.sign_path in row[4]


def rows(table: str) -> list[list[str]]:
    """The cells of what kubectl printed; columns are at least two spaces apart."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table.splitlines()]


def test_the_status_tells_which_ca_signs(scope: Scope, layout: PkiLayout) -> None:
    scope.store(token=setup_token(scope.bed.vault, layout.policy))
    scope.apply(token(scope))
    scope.wait_ready()
    namespace = None if scope.cluster else scope.namespace
    status = scope.bed.kube.get(API_VERSION, scope.kind, scope.name, namespace)["status"]
    signing = x509.load_pem_x509_certificate(layout.intermediate_pem.encode())
    assert status["caSubject"] == signing.subject.rfc4514_string()
    assert int(status["caSerial"].replace(":", ""), 16) == signing.serial_number
    assert status["caNotAfter"] == f"{signing.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"


def test_issuers_are_in_cert_managers_category(scope: Scope, tmp_path: Path) -> None:
    scope.bed.kube.create(scope.issuer(token(scope)))
    shown = scope.bed.kubectl(
        "get",
        "cert-manager",
        f"--namespace={scope.namespace}",
        "--output=name",
        f"--cache-dir={tmp_path}",
    )
    assert f"{scope.kind.lower()}.vault-issuer.io/{scope.name}" in shown.split()


def test_the_kustomize_base_applies(bed: Testbed, tmp_path: Path) -> None:
    base = REPOSITORY / "config" / "crd"
    told = bed.kubectl("apply", "-k", str(base), f"--cache-dir={tmp_path}")
    for name in ("vaultissuers", "vaultclusterissuers", "stepissuers", "stepclusterissuers"):
        assert f"customresourcedefinition.apiextensions.k8s.io/{name}.vault-issuer.io" in told
    assert "unchanged" in bed.kubectl("apply", "-k", str(base), f"--cache-dir={tmp_path}")
    bed.install_crds()


def message(error: HTTPError) -> str:
    """What the API server said."""
    assert isinstance(error.body, dict)
    return str(error.body["message"])


def test_every_sample_is_accepted_under_strict_validation(bed: Testbed) -> None:
    samples = REPOSITORY / "config" / "samples"
    bed.kubectl("apply", "--dry-run=server", "--validate=strict", "-k", str(samples))
    there = {one.name for one in samples.glob("*.yaml")} - {"kustomization.yaml"}
    assert there == set(yaml.safe_load((samples / "kustomization.yaml").read_text())["resources"])
