"""The canary's part of the chart, and config/canary: what is made, where, and that both are the same."""

from __future__ import annotations

from pathlib import Path

import yaml

from issuer.controller.canary.target import CanaryOptions
from issuer.endpoint.address import EndpointAddress
from issuer.policy.compiled import compile_policy
from issuer.requests.issuers import IssuerKey
from testbed.chart import is_hook, render
from tests.chart.conftest import FULL, Object, of_kind, the_deployment
from tests.chart.test_config import CONFIG, by_name, charts, kustomize, relative
from tools.manifests import CANARY

NAMESPACES = {"canaries", "team-c"}


def canary_objects(values: Object, *kinds: str) -> list[Object]:
    return [one for one in of_kind(render(values), *kinds) if "-canary" in one["metadata"]["name"]]


def options(deployment: Object, name: str) -> list[str]:
    """The values of one of the controller's options."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return [one.partition("=")[2] for one in container["args"] if one.startswith(f"--{name}=")]


def test_it_is_off_by_default() -> None:
    assert canary_objects({}, "Role", "Certificate", "CertificateRequestPolicy") == []
    assert options(the_deployment(render()), "canary") == []


def test_the_arguments_are_the_canaries_that_the_values_name() -> None:
    deployment = the_deployment(render(FULL))
    (namespace,) = options(deployment, "canary-namespace")
    (timeout,), (duration,) = (options(deployment, f"canary-{one}") for one in ("timeout", "duration"))
    read = CanaryOptions(
        options(deployment, "canary"),
        namespace,
        options(deployment, "canary-dns-name"),
        options(deployment, "canary-endpoint"),
        duration,
        float(timeout),
    )
    cluster, own = read.targets()
    assert cluster.issuer == IssuerKey("VaultClusterIssuer", "", "vault")
    assert (cluster.namespace, cluster.dns_name) == ("canaries", "canary.lab.example.com")
    assert cluster.endpoint == EndpointAddress("canary.pki.svc", 8443)
    assert own.issuer == IssuerKey("VaultIssuer", "team-c", "vault")
    assert (own.namespace, own.endpoint) == ("team-c", None)
    assert options(deployment, "canary-period") == ["300"]


def test_the_controller_may_write_requests_in_the_canarys_namespaces_alone() -> None:
    made = [
        one
        for one in of_kind(render(FULL), "Role", "ClusterRole")
        if not is_hook(one)
        for rule in one["rules"]
        if "certificaterequests" in rule["resources"] and "create" in rule["verbs"]
    ]
    assert {one["kind"] for one in made} == {"Role"}
    assert {one["metadata"]["namespace"] for one in made} == NAMESPACES
    assert all(one["rules"][0]["verbs"] == ["create", "delete"] for one in made)


def test_each_policy_allows_its_canarys_name_to_its_askers_in_its_namespace() -> None:
    policies = {
        one["spec"]["selector"]["namespace"]["matchNames"][0]: one
        for one in canary_objects(FULL, "CertificateRequestPolicy")
    }
    assert policies.keys() == NAMESPACES
    for one in policies.values():
        compile_policy(one["metadata"]["name"], one["spec"])
    assert policies["team-c"]["spec"]["allowed"]["dnsNames"]["values"] == ["canary.c.example.com"]
    assert policies["team-c"]["spec"]["selector"]["issuerRef"]["kind"] == "VaultIssuer"
    bindings = [
        one for one in canary_objects(FULL, "RoleBinding") if one["metadata"]["name"].endswith("-use")
    ]
    assert {one["metadata"]["namespace"] for one in bindings} == NAMESPACES
    for one in bindings:
        assert [subject["name"] for subject in one["subjects"]] == ["vault-issuer", "cert-manager"]


def test_certificate_and_policy_can_be_left_out() -> None:
    bare = {**CANARY, "certificate": {"enabled": False}, "policy": {"enabled": False}}
    assert canary_objects({"canary": bare}, "Certificate", "CertificateRequestPolicy") == []
    own = {**CANARY, "certificate": {"enabled": False}}
    (binding,) = [
        one for one in canary_objects({"canary": own}, "RoleBinding") if "-use" in one["metadata"]["name"]
    ]
    assert [one["name"] for one in binding["subjects"]] == ["vault-issuer"]


def test_the_certificate_lives_two_hours_and_is_renewed_every_hour() -> None:
    (certificate,) = canary_objects({"canary": CANARY}, "Certificate")
    spec = certificate["spec"]
    assert (spec["duration"], spec["renewBefore"]) == ("2h", "1h")
    assert spec["secretName"] == f"{certificate['metadata']['name']}-tls"


def test_the_kustomize_component_is_the_chart_with_a_canary(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    text = {
        "resources": [relative(CONFIG / "default", overlay), relative(CONFIG / "canary", overlay)],
        "components": [relative(CONFIG / "canary" / "prober", overlay)],
    }
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(text))
    chart, ours = (
        by_name(objects)
        for objects in (
            charts({"canary": CANARY}),
            kustomize(overlay),
        )
    )
    for found in (*chart.values(), *ours.values()):
        if found["kind"] == "Deployment":
            found["spec"]["template"]["spec"]["containers"][0]["args"].sort()
    assert {key: ours[key] for key in chart} == chart
