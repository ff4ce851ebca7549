"""Pods run under Pod Security `restricted`, with no more than they need, and end without losing work."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer

from issuer import __version__
from issuer.cli.main import app
from issuer.servers.allowed import AllowedServers
from testbed.builds import HELM, HELM_3
from testbed.chart import REGISTRY, ChartError, render
from tests.chart.conftest import BARE, FULL, Object, of_kind, pod_specs, the_deployment


def test_every_pod_is_restricted(rendered: list[Object]) -> None:
    found = pod_specs(rendered)
    assert found
    for spec in found.values():
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]["memory"]


def test_service_accounts_hand_out_no_token_by_themselves(rendered: list[Object]) -> None:
    accounts = of_kind(rendered, "ServiceAccount")
    assert all(one["automountServiceAccountToken"] is False for one in accounts)


def test_who_may_reach_the_metrics_is_joined_by_the_pod_of_helm_test() -> None:
    rendered = render(FULL)
    (policy,) = [
        one
        for one in of_kind(rendered, "NetworkPolicy")
        if one["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "controller"
    ]
    metrics = {"port": "metrics", "protocol": "TCP"}
    (peers,) = [rule["from"] for rule in policy["spec"]["ingress"] if rule["ports"] == [metrics]]
    (test,) = [one for one in of_kind(rendered, "Pod") if one["metadata"]["name"].endswith("-test")]
    wanted = [one["podSelector"]["matchLabels"] for one in peers if "podSelector" in one]
    assert any(one.items() <= test["metadata"]["labels"].items() for one in wanted)
    assert {"namespaceSelector": {}} in peers


def test_users_and_groups_can_be_left_to_the_cluster() -> None:
    nothing = {"runAsUser": None, "runAsGroup": None, "fsGroup": None}
    for name, spec in pod_specs(render({"podSecurityContext": nothing})).items():
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }, name


def test_kubernetes_waits_longer_than_the_controller_takes_to_end(rendered: list[Object]) -> None:
    spec = the_deployment(rendered)["spec"]["template"]["spec"]
    grace = next(word for word in spec["containers"][0]["args"] if word.startswith("--shutdown-grace="))
    assert spec["terminationGracePeriodSeconds"] >= float(grace.partition("=")[2]) + 9


def test_the_command_takes_every_argument_of_every_pod(rendered: list[Object]) -> None:
    for spec in pod_specs(rendered).values():
        (container,) = spec["containers"]
        assert "command" not in container  # the image's entry point, without a shell
        parse(list(container["args"]))


def test_servers_that_vault_issuers_may_use_reach_the_controller() -> None:
    def servers(values: Object) -> list[str]:
        (container,) = the_deployment(render(values))["spec"]["template"]["spec"]["containers"]
        return [one.partition("=")[2] for one in container["args"] if one.startswith("--allowed-servers=")]

    wanted = FULL["namespacedIssuers"]["allowedServers"]
    assert servers(FULL) == wanted
    assert AllowedServers.parse(servers(FULL))
    assert servers({}) == []


def test_a_backend_from_elsewhere_is_named_and_its_kinds_are_granted() -> None:
    objects = render(FULL)
    (container,) = the_deployment(objects)["spec"]["template"]["spec"]["containers"]
    assert "--backends=example" in container["args"]
    rules = [rule for obj in objects if obj["kind"] == "ClusterRole" for rule in obj["rules"]]
    granted = {
        (resource, verb)
        for rule in rules
        if rule.get("apiGroups") == ["example.test"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    kinds = ("exampleissuers", "exampleclusterissuers")
    reads = {(kind, verb) for kind in kinds for verb in ("get", "list", "watch")}
    assert granted == reads | {(f"{kind}/status", "update") for kind in kinds}
    signers = {"exampleissuers.example.test/*", "exampleclusterissuers.example.test/*"}
    named = [set(rule["resourceNames"]) for rule in rules if rule["verbs"] in (["approve"], ["sign"])]
    assert len(named) == 2
    assert all(signers < names for names in named)
    policies = [obj for obj in objects if obj["kind"] == "ValidatingAdmissionPolicy"]
    assert [one["expression"] for one in policies[0]["spec"]["variables"] if one["name"] == "groups"] == [
        '["vault-issuer.io","example.test"]'
    ]


def test_an_argument_that_the_command_lacks_would_be_noticed() -> None:
    for words in (["controller", "--typo"], ["revocation", "release", "--typo"], ["typo"]):
        with pytest.raises(Exception, match="typo"):
            parse(words)


def parse(words: list[str]) -> None:
    """Parse a command line down to its last sub-command, running nothing; raises Typer's usage errors."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("vault-issuer", words)
    while hasattr(context.command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, found, rest = context.command.resolve_command(context, rest)
        context = found.make_context(name, rest, parent=context)


def test_two_replicas_that_are_spread_and_not_evicted_together() -> None:
    objects = render()
    deployment = the_deployment(objects)
    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    (budget,) = of_kind(objects, "PodDisruptionBudget")
    (service,) = of_kind(objects, "Service")
    (policy,) = of_kind(objects, "NetworkPolicy")
    for selector in (
        *(one["labelSelector"]["matchLabels"] for one in spread),
        deployment["spec"]["selector"]["matchLabels"],
        budget["spec"]["selector"]["matchLabels"],
        policy["spec"]["podSelector"]["matchLabels"],
        service["spec"]["selector"],
    ):
        assert selector.items() <= labels.items()


def test_a_hooks_pod_is_not_taken_for_a_controller() -> None:
    objects = render(FULL)
    selector = the_deployment(objects)["spec"]["selector"]["matchLabels"]
    for one in of_kind(objects, "Job", "Pod"):
        meta = one["spec"]["template"]["metadata"] if one["kind"] == "Job" else one["metadata"]
        assert not selector.items() <= meta["labels"].items()


def test_probes_ask_the_port_that_the_controller_listens_on() -> None:
    for values, port in (({}, 9402), (BARE, 8080)):
        (container,) = the_deployment(render(values))["spec"]["template"]["spec"]["containers"]
        assert f"--metrics-address=:{port}" in container["args"]
        assert container["ports"] == [{"name": "metrics", "containerPort": port}]
        paths = {
            name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert paths["readinessProbe"] == {"path": "/readyz", "port": "metrics"}
        assert paths["startupProbe"] == paths["livenessProbe"] == {"path": "/healthz", "port": "metrics"}


def test_a_single_replica_is_not_kept_from_being_drained() -> None:
    assert not of_kind(render({"replicaCount": 1}), "PodDisruptionBudget")


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ({}, f"{REGISTRY}/vault-issuer:{__version__}"),
        ({"registry": "registry.example.com:5000", "tag": "1"}, "registry.example.com:5000/vault-issuer:1"),
        ({"tag": "1", "digest": "sha256:" + "a" * 64}, f"{REGISTRY}/vault-issuer@sha256:" + "a" * 64),
    ],
)
def test_one_image_for_every_pod(image: Object, wanted: str) -> None:
    objects = render({"image": image, "revocation": {"enabled": True, "allNamespaces": True}})
    found = {spec["containers"][0]["image"] for spec in pod_specs(objects).values()}
    assert found == {wanted}


def test_nothing_is_rendered_without_a_registry() -> None:
    for which in (HELM, HELM_3):
        with pytest.raises(ChartError, match="make image"):
            render({"image": {"registry": ""}}, which=which)
    shared = {"image": {"registry": ""}, "global": {"imageRegistry": "mirror.example.com"}}
    (spec, *_) = pod_specs(render(shared)).values()
    assert spec["containers"][0]["image"].startswith("mirror.example.com/vault-issuer:")


def test_values_reach_the_pods() -> None:
    spec = the_deployment(render(FULL))["spec"]["template"]
    pod, (container,) = spec["spec"], spec["spec"]["containers"]
    assert pod["priorityClassName"] == "system-cluster-critical"
    assert pod["terminationGracePeriodSeconds"] == 51
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert pod["volumes"][-1]["name"] == container["volumeMounts"][-1]["name"] == "v"
    assert container["args"][-1] == "--workers=8"
    assert {"name": "HTTPS_PROXY", "value": "http://proxy.example.com"} in container["env"]
    assert spec["metadata"]["labels"] | {"tier": "infra", "team": "pki"} == spec["metadata"]["labels"]
    assert spec["metadata"]["annotations"]["example.com/scrape"] == "true"


def test_names_follow_the_release() -> None:
    for release, values, wanted in (
        ("vault-issuer", {}, "vault-issuer"),
        ("pki", {}, "pki-vault-issuer"),
        ("pki", {"fullnameOverride": "signer"}, "signer"),
    ):
        objects = render(values, release=release, namespace="somewhere")
        assert the_deployment(objects)["metadata"]["name"] == wanted
        (container,) = the_deployment(objects)["spec"]["template"]["spec"]["containers"]
        assert f"--lease-name={wanted}" in container["args"]
        cluster_wide = of_kind(objects, "ClusterRole", "ClusterRoleBinding")
        assert all(re.match(rf"{wanted}(-|$)", one["metadata"]["name"]) for one in cluster_wide)
