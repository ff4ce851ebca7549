"""Values: what the chart doesn't know is refused, what it tells is right, and every one is documented."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from issuer.api.crd import custom_resource_definitions
from issuer.api.group import GROUP
from issuer.explain.policies import unknown_fields
from issuer.manifests.documents import Document
from issuer.manifests.rbac import bound_groups
from issuer.policy.compiled import compile_policy
from testbed.builds import HELM, HELM_3, Build
from testbed.chart import CHART, REGISTRY, ChartError, render, render_text, run_helm
from testbed.kube import documents
from tests.chart.conftest import EVERY, FULL, ISSUER, POLICY, USERS, Object, of_kind
from tests.sizes import sampled

HELMS = [HELM, HELM_3]


def refused(values: Object, which: Build = HELM) -> str:
    """What Helm says against the values."""
    with pytest.raises(ChartError) as caught:
        render(values, which=which)
    return str(caught.value)


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_helm_lint_has_no_complaint(which: Build, tmp_path: Path) -> None:
    for name, values in EVERY.items():
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(values))
        told = run_helm(["lint", "--strict", f"--values={file}", str(CHART)], which)
        assert "0 chart(s) failed" in told
        assert [line for line in told.splitlines() if line.startswith("[")] == []


@pytest.mark.parametrize("name", EVERY)
def test_helm_3_and_helm_4_render_the_same(name: str) -> None:
    def every(which: Build) -> list[str]:
        return sorted(json.dumps(one, sort_keys=True) for one in render(EVERY[name], which=which))

    assert every(HELM) == every(HELM_3)


def test_the_packaged_chart_is_the_chart(tmp_path: Path) -> None:
    run_helm(["package", str(CHART), f"--destination={tmp_path}"])
    (package,) = tmp_path.glob("vault-issuer-*.tgz")
    assert render_text(FULL, chart=package) == render_text(FULL)
    crds = documents(run_helm(["show", "crds", str(package)]))
    assert {one["spec"]["group"] for one in crds} == {GROUP}
    assert len(crds) == len(custom_resource_definitions())


def paths(tree: Any, *path: str) -> list[tuple[str, ...]]:
    """The path of every mapping in the defaults."""
    if not isinstance(tree, dict):
        return []
    return [path, *(found for key, value in tree.items() for found in paths(value, *path, key))]


FREE = {
    "commonLabels",
    "commonAnnotations",
    "podLabels",
    "podAnnotations",
    "deploymentLabels",
    "deploymentAnnotations",
    "nodeSelector",
    "affinity",
    "annotations",
    "labels",
    "alertLabels",
    "requests",
    "limits",
    "tlsConfig",  # the Prometheus operator's
    "global",
}
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
MAPPINGS = [path for path in paths(DEFAULTS) if not path or path[-1] not in FREE]


@cache
def told_of_typos() -> str:
    """What Helm says against a value that nobody knows in every mapping at once: a line for each."""
    values: Object = {}
    for path in MAPPINGS:
        mapping = values
        for key in path:
            mapping = mapping.setdefault(key, {})
        mapping["typo"] = "x"
    return refused(values)


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: ".".join(path) or "top")
def test_an_unknown_value_is_refused_at_every_level(path: tuple[str, ...]) -> None:
    place = "".join(f"/{key}" for key in path)
    assert f"at '{place}': additional properties 'typo' not allowed" in told_of_typos()


def without(spec: Object, **more: Any) -> Object:
    return {**spec, **more}


@pytest.mark.parametrize(
    ("values", "about"),
    [
        ({"issuers": [{"name": "a", "spec": without(ISSUER, approvel="External")}]}, "approvel"),
        ({"issuers": [{"name": "a", "spec": {"vault": {"server": "x"}}}]}, "path"),
        ({"issuers": [{"name": "a", "spec": without(ISSUER, approval="Sometimes")}]}, "approval"),
        ({"issuers": [{"name": "Not A Name", "spec": ISSUER}]}, "name"),
        ({"policies": [{"name": "a", "spec": without(POLICY, alowed={})}]}, "alowed"),
        ({"policies": [{"name": "a", "spec": POLICY, "users": [{"kind": "Robot", "name": "a"}]}]}, "kind"),
        (
            {"policies": [{"name": "a", "spec": POLICY, "users": [{"kind": "ServiceAccount", "name": "a"}]}]},
            "namespace",
        ),
        ({"namespacedIssuers": {"allowedServers": ["https://vault.example.com"]}}, "allowedServers"),
        ({"namespacedIssuers": {"allowedServers": [""]}}, "allowedServers"),
        ({"backends": [{"name": "example", "group": "example.test"}]}, "resources"),
        ({"backends": [{"name": "a,b", "group": "example.test", "resources": ["examples"]}]}, "name"),
        ({"backends": [{"name": "a", "group": "*", "resources": ["examples"]}]}, "group"),
        ({"backends": [{"name": "a", "group": "example.test", "resources": ["*"]}]}, "resources"),
        ({"namespaceAccess": [{"namespace": "a", "serviceAccounts": []}]}, "serviceAccounts"),
        ({"namespaceAccess": [{"namespace": "a"}]}, "namespaceAccess"),
        ({"starterPolicy": {"enabled": True}}, "dnsNames"),
        ({"canary": {"enabled": True}}, "issuers"),
        ({"canary": {"issuers": [{"name": "vault"}]}}, "dnsName"),
        ({"canary": {"issuers": [{"name": "vault", "dnsName": "*.example.com"}]}}, "dnsName"),
        ({"canary": {"duration": "an hour"}}, "duration"),
        ({"controller": None}, "controller"),
        ({"controller": {"workers": None}}, "workers"),
        ({"controller": {"shards": None}}, "shards"),
        ({"rbac": {"create": None}}, "create"),
        ({"approval": {"enabled": None}}, "enabled"),
        ({"image": {"repository": None}}, "repository"),
        ({"monitoring": {"rules": {"gap": None}}}, "gap"),
        ({"replicas": 2}, "replicas"),
        ({"replicaCount": -1}, "replicaCount"),
        ({"strategy": {"type": "Slowly"}}, "strategy"),
        ({"strategy": None}, "strategy"),
        ({"namespaceOverride": "Signing"}, "namespaceOverride"),
        ({"openshift": "perhaps"}, "openshift"),
        ({"ipFamilies": ["IPv5"]}, "ipFamilies"),
        ({"extraObjects": [{"kind": "ConfigMap"}]}, "extraObjects"),
        ({"extraContainers": [{"image": "x"}]}, "extraContainers"),
        ({"hostAliases": [{"hostnames": ["x"]}]}, "hostAliases"),
        ({"imagePullSecrets": ["pull"]}, "imagePullSecrets"),
        ({"controller": {"logLevel": "loud"}}, "logLevel"),
        ({"controller": {"extraArgs": ["controller"]}}, "extraArgs"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"image": {"registry": "registry.example.com/"}}, "registry"),
        ({"image": {"registry": "https://registry.example.com"}}, "registry"),
        ({"image": {"registry": " "}}, "registry"),
        ({"global": {"imageRegistry": "a b"}}, "imageRegistry"),
        ({"image": {"repository": "/vault-issuer"}}, "repository"),
        ({"image": {"repository": "Vault-Issuer"}}, "repository"),
        ({"image": {"tag": "a b"}}, "tag"),
        ({"commonLabels": {"app.kubernetes.io/name": "x"}}, "commonLabels"),
        ({"podLabels": {"app.kubernetes.io/component": "x"}}, "podLabels"),
        ({"hooks": {"podLabels": {"app.kubernetes.io/component": "x"}}}, "podLabels"),
        ({"deploymentLabels": {"helm.sh/chart": "x"}}, "deploymentLabels"),
        ({"commonLabels": {"team": "not a label"}}, "commonLabels"),
        ({"networkPolicy": {"egress": [{"prots": [{"port": 443}]}]}}, "prots"),
        ({"networkPolicy": {"metricsFrom": [{"podSelektor": {}}]}}, "podSelektor"),
        ({"networkPolicy": {"metricsFrom": [{}]}}, "metricsFrom"),
        ({"statusPage": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "exept": []}}]}}, "exept"),
        ({"tolerations": [{"key": "a", "operater": "Exists"}]}, "operater"),
        ({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "when": "x"}]}, "when"),
        ({"metrics": {"podMonitor": {"relabelings": [{"source_labels": ["a"]}]}}}, "source_labels"),
        ({"metrics": {"podMonitor": {"enabled": True, "scrapeTimeout": "1m"}}}, "scrapeTimeout"),
        ({"metrics": {"podMonitor": {"enabled": True, "scrapeTimeout": "30s1ms"}}}, "scrapeTimeout"),
        ({"metrics": {"podMonitor": {"interval": "30"}}}, "interval"),
        ({"metrics": {"podMonitor": {"interval": "30s1m"}}}, "interval"),
        (
            {"metrics": {"serviceMonitor": {"enabled": True}, "service": {"enabled": False}}},
            "metrics.podMonitor",
        ),
        (
            {"metrics": {"serviceMonitor": {"enabled": True}, "tls": {"secretName": "metrics-tls"}}},
            "authorization",
        ),
        ({"podSecurityContext": None}, "podSecurityContext"),
        ({"containerSecurityContext": None}, "containerSecurityContext"),
        ({"metrics": {"port": 80}}, "port"),
        ({"monitoring": {"rules": {"gap": "5"}}}, "gap"),
        ({"monitoring": {"rules": {"disabled": ["VaultIssuerTypo"]}}}, "disabled"),
        ({"monitoring": {"rules": {"failures": {"objective": 100}}}}, "objective"),
        ({"statusPage": {"enabled": True, "address": "127.0.0.1:80"}}, "address"),
        ({"statusPage": {"enabled": True, "address": "nowhere"}}, "address"),
        ({"statusPage": {"enabled": True, "address": ":9403"}}, "statusPage.tls.secretName"),
        ({"tracing": {"endpoint": "collector:4318"}}, "endpoint"),
        ({"tracing": {"endpoint": "http://me:secret@collector:4318"}}, "endpoint"),
        ({"hooks": {"timeout": 0}}, "timeout"),
    ],
    ids=lambda one: one if isinstance(one, str) else None,
)
@pytest.mark.parametrize("which", sampled(HELMS, HELM), ids=lambda one: one.name)
def test_wrong_values_are_refused_and_named(values: Object, about: str, which: Build) -> None:
    assert about in refused(values, which)


def test_a_service_account_that_is_not_made_needs_a_name() -> None:
    assert "serviceAccount.name" in refused({"serviceAccount": {"create": False}})


def test_every_value_has_a_line_in_the_readme() -> None:
    text = (CHART / "README.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \| .* \| ?(.*) \|$", text, re.MULTILINE)
    documented, told = {name for name, _ in rows}, {name for name, meaning in rows if meaning}
    parents = {".".join(path) for path in paths(DEFAULTS) if path}

    def leaves(tree: Any, path: str) -> set[str]:
        if not isinstance(tree, dict) or not tree:
            return {path}
        return {leaf for key, value in tree.items() for leaf in leaves(value, f"{path}.{key}".lstrip("."))}

    assert leaves(DEFAULTS, "") <= documented
    assert documented <= leaves(DEFAULTS, "") | parents
    for leaf in leaves(DEFAULTS, ""):
        steps = leaf.split(".")
        assert {".".join(steps[: count + 1]) for count in range(len(steps))} & told, f"{leaf} has no comment"


def test_issuers_and_policies_are_made_with_who_may_use_them() -> None:
    objects = render({"policies": FULL["policies"], "issuers": FULL["issuers"]})
    cluster, own = of_kind(objects, "VaultClusterIssuer") + of_kind(objects, "VaultIssuer")
    assert cluster["spec"] == own["spec"] == ISSUER
    assert "namespace" not in cluster["metadata"]
    assert own["metadata"]["namespace"] == "team-a"
    (policy,) = of_kind(objects, "CertificateRequestPolicy")
    assert policy["spec"] == POLICY
    (role,) = [one for one in of_kind(objects, "ClusterRole") if one["metadata"]["name"].endswith("-use")]
    assert role["rules"][0]["resourceNames"] == [policy["metadata"]["name"]]
    (binding,) = [
        one for one in of_kind(objects, "ClusterRoleBinding") if one["metadata"]["name"].endswith("-use")
    ]
    assert [(one["kind"], one["name"]) for one in binding["subjects"]] == [
        (one["kind"], one["name"]) for one in USERS
    ]


def test_a_policy_without_users_is_bound_to_nobody() -> None:
    objects = render({"policies": [{"name": "web", "spec": POLICY}]})
    assert not [
        one
        for one in of_kind(objects, "ClusterRoleBinding", "ClusterRole")
        if one["metadata"]["name"].endswith("-use")
    ]


def test_the_bounds_of_renewal_loops_are_settable() -> None:
    values = {"renewalLoop": {"certificates": 7, "window": 60, "longest": 120}}
    (deployment,) = of_kind(render(values), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    given = [one for one in container["args"] if one.startswith("--renewal-loop-")]
    assert given == [f"--renewal-loop-{name}={value}" for name, value in values["renewalLoop"].items()]


def test_a_hooks_objects_are_gone_when_it_has_worked() -> None:
    for one in render(FULL):
        annotations = one["metadata"].get("annotations") or {}
        if "helm.sh/hook" in annotations:
            assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"


def notes(values: Object, tmp_path: Path) -> str:
    """What `helm install` tells at its end."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({"image": {"registry": REGISTRY}, **values}))
    told = run_helm(
        ["install", "vault-issuer", str(CHART), "--namespace=pki", "--dry-run=client", f"--values={file}"]
    )
    return told.partition("NOTES:")[2]


def test_the_notes_tell_the_next_step(tmp_path: Path) -> None:
    first = notes({}, tmp_path)
    for missing in ("issuers       none", "policies      none", "cert-manager  not found"):
        assert missing in first
    issuer, policy, role, binding = sample(first)
    assert render({"issuers": [{"name": issuer["metadata"]["name"], "spec": issuer["spec"]}]})
    assert compile_policy("lab", policy["spec"]).selector.issuer
    assert unknown_fields(policy["spec"]) == []
    documents = [Document("notes", one) for one in (policy, role, binding)]
    assert bound_groups(documents, "lab") == {"vault-issuer.io"}
    assert [one["kind"] for one in sample(notes({"policies": [], "issuers": FULL["issuers"]}, tmp_path))] == [
        *("CertificateRequestPolicy", "ClusterRole", "ClusterRoleBinding")
    ]
    starter = {"starterPolicy": {"enabled": True, "dnsNames": ["a.example.com"]}}
    assert [one["kind"] for one in sample(notes(starter, tmp_path))] == ["VaultClusterIssuer"]
    second = notes(FULL, tmp_path)
    assert (
        "vault-issuer canary VaultClusterIssuer/vault --dns-name canary.lab.example.com -n canaries" in second
    )
    assert "helm test vault-issuer -n pki" in second
    assert "kubectl apply" not in second
    assert "none in these values" not in second
    assert "every Secret of the cluster" in second


def sample(told: str) -> list[Object]:
    """The objects that the notes have piped to kubectl, as a shell would read them."""
    shown = re.search(r"^kubectl apply -f - <<'YAML'\n(.*?)^YAML$", told, re.DOTALL | re.MULTILINE)
    assert shown is not None
    return [one for one in yaml.safe_load_all(shown[1]) if one]


def test_the_starter_policy_limits_the_lifetime_only_where_asked_to() -> None:
    def constraints(**more: str) -> Object:
        starter = {"enabled": True, "dnsNames": ["*.lab.example.com"], **more}
        (policy,) = of_kind(render({"starterPolicy": starter}), "CertificateRequestPolicy")
        return cast(Object, policy["spec"]["constraints"])

    assert "maxDuration" not in constraints()
    assert constraints(maxDuration="2160h")["maxDuration"] == "2160h"
    with pytest.raises(ChartError, match="maxDuration"):
        constraints(maxDuration="90d")


def test_the_notes_warn_of_a_status_page_that_everybody_reaches(tmp_path: Path) -> None:
    told = "statusPage.from is empty"
    exposed = {"enabled": True, "address": ":9403", "tls": {"secretName": "status-tls"}}
    assert told in notes({"statusPage": exposed}, tmp_path)
    assert told not in notes({"statusPage": {**exposed, "from": [{"podSelector": {}}]}}, tmp_path)
    assert told not in notes({"statusPage": {"enabled": True}}, tmp_path)
    assert told not in notes({"statusPage": {**exposed, "enabled": False}}, tmp_path)
