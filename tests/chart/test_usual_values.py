"""Values that charts usually have do here what they do elsewhere.

That a real API server takes all of them is seen in tests/integration/test_chart.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.builds import HELM, HELM_3, Build
from testbed.chart import CHART, REGISTRY, ChartError, is_hook, render, run_helm
from tests.chart.conftest import FULL, Object, of_kind, pod_specs, the_deployment
from tests.chart.usual import GIVEN, MONITOR, SIDECAR, USUAL

HELMS = [HELM, HELM_3]
RBAC = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
MADE = ("labels", "annotations")
ALIKE = ("enabled", "namespace", "interval", "scrapeTimeout", *MADE, "relabelings", "metricRelabelings")
# By the mapping they stand in. `enabled`, a parent's condition, is nothing that an object could have.
NAMES = {
    "": (
        *("replicaCount", "imagePullSecrets", "revisionHistoryLimit", "openshift", "priorityClassName"),
        *("commonLabels", "commonAnnotations", "deploymentLabels", "deploymentAnnotations"),
        *("ipFamilyPolicy", "ipFamilies", "extraObjects", "extraContainers", "extraInitContainers"),
        *("dnsPolicy", "dnsConfig", "hostAliases", "hostNetwork", "runtimeClassName"),
    ),
    "global": ("imageRegistry", "imagePullSecrets"),
    "strategy": ("type",),
    "serviceAccount": MADE,
    "metrics.service": MADE,
    "statusPage.service": MADE,
    "startupProbe": ("failureThreshold",),
    "livenessProbe": ("initialDelaySeconds",),
    "readinessProbe": ("timeoutSeconds",),
    "rbac": ("create",),
    "podSecurityContext": ("runAsUser", "supplementalGroups"),
    "containerSecurityContext": ("appArmorProfile",),
    "hooks": ("podLabels", "podAnnotations", "resources.requests.cpu"),
    "networkPolicy": ("egress",),
    "metrics.tls": ("secretName",),
    "metrics.podMonitor": ALIKE,
    "metrics.serviceMonitor": ALIKE,
}


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    """The chart's objects with all these values."""
    return render(USUAL)


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_every_value_is_set_and_helm_lint_has_no_remark(which: Build, tmp_path: Path) -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    assert USUAL.keys() <= defaults.keys()
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(USUAL))
    told = run_helm(["lint", "--strict", f"--values={file}", str(CHART)], which)
    assert [line for line in told.splitlines() if line.startswith("[")] == []


def value(values: Object, path: str) -> object:
    """Return the value at a dotted path, None where nothing is set."""
    found: Any = values
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def test_a_real_api_server_is_given_each_unlike_its_default() -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    for path in (f"{of}.{name}".lstrip(".") for of, names in NAMES.items() for name in names):
        given = [value(one, path) for one in GIVEN.values()]
        assert [one for one in given if one not in (None, value(defaults, path))], path


def test_helm_3_and_helm_4_render_the_same() -> None:
    three, four = (
        sorted(json.dumps(one, sort_keys=True) for one in render(USUAL, which=which))
        for which in (HELM_3, HELM)
    )
    assert three == four


def test_every_pod_has_what_its_node_its_network_and_its_names_are(objects: list[Object]) -> None:
    same = ("priorityClassName", "nodeSelector", "tolerations", "dnsPolicy", "dnsConfig", "hostAliases")
    for spec in pod_specs(objects).values():
        for field in (*same, "hostNetwork", "runtimeClassName"):
            assert spec[field] == USUAL[field], field
        assert spec["imagePullSecrets"] == [{"name": "of-this-chart"}, {"name": "of-all-charts"}]
        assert spec["containers"][0]["image"].startswith("mirror.example.com/vault-issuer:")


def test_contexts_go_over_the_safe_defaults(objects: list[Object]) -> None:
    for spec in pod_specs(objects).values():
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "fsGroup": 65532,
            "supplementalGroups": [7],
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert spec["containers"][0]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "privileged": False,
            "capabilities": {"drop": ["ALL"]},
            "appArmorProfile": {"type": "RuntimeDefault"},
        }


def test_the_deployment_has_what_is_its_own(objects: list[Object]) -> None:
    deployment = the_deployment(objects)
    assert deployment["metadata"]["labels"]["example.com/l"] == "deployment"
    assert deployment["metadata"]["annotations"]["example.com/a"] == "deployment"
    spec = deployment["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"]) == (3, 1)
    assert spec["strategy"] == {"type": "Recreate"}
    pod = spec["template"]["spec"]
    assert pod["initContainers"] == [SIDECAR | {"name": "before"}]
    controller, sidecar = pod["containers"]
    assert sidecar == SIDECAR
    assert controller["startupProbe"]["failureThreshold"] == 90
    assert controller["startupProbe"]["periodSeconds"] == 1
    assert controller["livenessProbe"]["initialDelaySeconds"] == 3
    assert controller["readinessProbe"]["timeoutSeconds"] == 9


def test_a_label_of_one_object_goes_over_that_of_all() -> None:
    of_one = {"labels": {"team": "one"}, "annotations": {"example.com/owner": "one"}}
    values = {
        **FULL,
        "deploymentLabels": of_one["labels"],
        "podLabels": of_one["labels"],
        "podAnnotations": {"kubectl.kubernetes.io/default-container": "sidecar"},
        "serviceAccount": of_one,
        "metrics": {"service": of_one, "podMonitor": {"enabled": True, **of_one}},
        "monitoring": {"rules": {"enabled": True, "labels": of_one["labels"]}},
        "hooks": {"podLabels": of_one["labels"]},
    }
    objects = render(values)  # which refuses a key that stands twice
    deployment = the_deployment(objects)
    pod = deployment["spec"]["template"]["metadata"]
    assert pod["annotations"]["kubectl.kubernetes.io/default-container"] == "sidecar"
    of_one_kind = of_kind(objects, "PodMonitor", "PrometheusRule", "Pod")
    for meta in (deployment["metadata"], pod, *(one["metadata"] for one in of_one_kind)):
        assert meta["labels"]["team"] == "one"
    (role, *_) = of_kind(objects, "Role")
    assert role["metadata"]["labels"]["team"] == "pki"


def test_names_of_digits_are_names() -> None:
    values = {**FULL, "fullnameOverride": "123", "nameOverride": "7", "priorityClassName": "1"}
    more = {"controller": {"clusterResourceNamespace": "2026"}, "serviceAccount": {"name": "1e3"}}
    # An older one would refuse such a name of a Service.
    objects = render({**values, **more}, release="456", namespace="2026", kubernetes="1.36.0")
    for one in objects:
        meta = one["metadata"]
        texts = [meta["name"], meta.get("namespace", ""), *meta["labels"].values()]
        texts += [subject["name"] for subject in one.get("subjects") or []]
        texts += [subject.get("namespace", "") for subject in one.get("subjects") or []]
        texts += list((one.get("roleRef") or {}).values())
        assert [text for text in texts if not isinstance(text, str)] == [], one["kind"]
    for spec in pod_specs(objects).values():
        assert spec["priorityClassName"] == "1"
        assert isinstance(spec["serviceAccountName"], str)


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_a_service_that_an_older_kubernetes_would_refuse_is_named(which: Build) -> None:
    words = ["template", "2026", str(CHART), f"--set=image.registry={REGISTRY}"]
    run_helm([*words, "--kube-version=1.36.0"], which)
    with pytest.raises(
        ChartError, match=r"begins with a digit, as in 2026-vault-issuer: set fullnameOverride"
    ):
        run_helm([*words, "--kube-version=1.35.2"], which)
    run_helm([*words, "--kube-version=1.35.2", "--set=fullnameOverride=signer"], which)


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_what_is_null_is_left_out(which: Build) -> None:
    values = {"livenessProbe": None, "startupProbe": dict.fromkeys(("periodSeconds", "failureThreshold"))}
    spec = the_deployment(render({**values, "global": None}, which=which))["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert "livenessProbe" not in container
    assert container["startupProbe"] == {"httpGet": {"path": "/healthz", "port": "metrics"}}
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_what_is_empty_by_default_may_be_null(which: Build) -> None:
    texts = (
        "nameOverride",
        "fullnameOverride",
        "namespaceOverride",
        "priorityClassName",
        "dnsPolicy",
        "ipFamilyPolicy",
    )
    lists = (
        "tolerations",
        "imagePullSecrets",
        "issuers",
        "policies",
        "extraObjects",
        "hostAliases",
        "backends",
    )
    mappings = (
        "commonLabels",
        "commonAnnotations",
        "podLabels",
        "podAnnotations",
        "nodeSelector",
        "affinity",
    )
    values: Object = dict.fromkeys((*texts, *lists, *mappings, "deploymentLabels", "global"))
    values |= {"hooks": {"podLabels": None, "podAnnotations": None}, "networkPolicy": {"egress": None}}
    values |= {"controller": {"issuerAmbientCredentials": None}, "hostNetwork": None}
    rules: Object = {"monitoring": {"rules": {"enabled": True}}, "pki": FULL["pki"] | {"env": []}}
    values |= {
        "monitoring": {"rules": {"enabled": True, "alertLabels": None}},
        "pki": rules["pki"] | {"env": None},
    }
    assert render(values, which=which) == render(rules, which=which)


def test_as_a_part_of_another_chart_it_may_be_in_a_namespace_of_its_own() -> None:
    values = {**FULL, "metrics": {**FULL.get("metrics", {}), "podMonitor": {"enabled": True}}}
    moved = render({**values, "namespaceOverride": "signing"}, namespace="umbrella")
    assert moved == render(values, namespace="signing")


def test_a_service_monitor_finds_the_service_whatever_argo_cd_writes() -> None:
    objects = render({"metrics": {"serviceMonitor": {"enabled": True}}, "commonLabels": {"a": "b"}})
    (service,), (monitor,) = of_kind(objects, "Service"), of_kind(objects, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert "app.kubernetes.io/instance" not in wanted, "Argo CD may write its Application's name there"
    assert wanted.items() <= service["metadata"]["labels"].items()


def test_in_their_nodes_network_pods_still_resolve_the_clusters_names() -> None:
    for given, wanted in (("", "ClusterFirstWithHostNet"), ("None", "None")):
        for spec in pod_specs(render({"hostNetwork": True, "dnsPolicy": given})).values():
            assert spec["dnsPolicy"] == wanted
    assert "dnsPolicy" not in the_deployment(render())["spec"]["template"]["spec"]


def test_accounts_and_services_are_labelled_and_annotated(objects: list[Object]) -> None:
    (account,) = [
        one for one in of_kind(objects, "ServiceAccount") if one["metadata"]["name"] == "vault-issuer"
    ]
    metrics, status = sorted(of_kind(objects, "Service"), key=lambda one: str(one["metadata"]["name"]))
    for one, name in ((account, "account"), (metrics, "service"), (status, "status")):
        assert one["metadata"]["labels"]["example.com/l"] == name
        assert one["metadata"]["annotations"]["example.com/a"] == name
    for one in (metrics, status):
        for field in ("ipFamilyPolicy", "ipFamilies"):
            assert one["spec"][field] == USUAL[field]


ENDPOINTS = {"PodMonitor": "podMetricsEndpoints", "ServiceMonitor": "endpoints"}


@pytest.mark.parametrize("kind", ENDPOINTS)
def test_a_monitor_elsewhere_still_finds_our_namespace(objects: list[Object], kind: str) -> None:
    (monitor,) = of_kind(objects, kind)
    assert monitor["metadata"]["namespace"] == "monitoring"
    assert monitor["metadata"]["annotations"]["example.com/a"] == "monitor"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["vault-issuer-system"]}
    (endpoint,) = monitor["spec"][ENDPOINTS[kind]]
    for field in ("scrapeTimeout", "relabelings", "metricRelabelings"):
        assert endpoint[field] == MONITOR[field]


def test_pods_of_hooks_have_labels_annotations_resources_and_a_way_out(objects: list[Object]) -> None:
    pods = [one["spec"]["template"] for one in of_kind(objects, "Job")] + of_kind(objects, "Pod")
    assert len(pods) == 4
    policies = of_kind(objects, "NetworkPolicy")
    for pod in pods:
        meta = pod["metadata"]
        assert meta["labels"].items() >= {"team": "pki", "example.com/l": "hook"}.items()
        assert meta["annotations"].items() >= {"example.com/owner": "pki", "example.com/a": "hook"}.items()
        resources = pod["spec"]["containers"][0]["resources"]
        assert resources == {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
        (policy,) = [
            one
            for one in policies
            if one["spec"]["podSelector"]["matchLabels"].items() <= meta["labels"].items()
        ]
        assert USUAL["networkPolicy"]["egress"][0] in policy["spec"]["egress"]
        if is_hook(policy):
            assert policy["metadata"]["annotations"]["helm.sh/hook-weight"] == "-10"


def test_objects_of_your_own_are_templates(objects: list[Object]) -> None:
    names = {one["metadata"]["name"] for one in of_kind(objects, "ConfigMap")}
    assert {"vault-issuer-extra", "as-text"} <= names


def test_without_rbac_there_is_no_role_and_no_binding() -> None:
    assert of_kind(render({**FULL, "rbac": {"create": False}}), *RBAC) == []
    there = {one["kind"] for one in render({**FULL, "rbac": {"create": False}})}
    assert there == {one["kind"] for one in render(FULL)} - set(RBAC)


@pytest.mark.parametrize(
    ("wanted", "api", "left"),
    [("auto", True, True), ("auto", False, False), (False, True, False), (True, False, True)],
)
def test_openshift_chooses_users_and_groups(wanted: object, api: bool, left: bool, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({**FULL, "openshift": wanted}))
    words = ["template", "x", str(CHART), f"--values={file}", "--kube-version=1.31"]
    words += ["--api-versions=security.openshift.io/v1"] if api else []
    specs: dict[str, Any] = pod_specs([one for one in yaml.safe_load_all(run_helm(words)) if one])
    assert len(specs) == 5
    for spec in specs.values():
        chosen = {"runAsUser", "runAsGroup", "fsGroup"} & spec["securityContext"].keys()
        assert (chosen == set()) is left


def test_a_chart_may_have_this_one_as_a_part(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    (parent / "charts").mkdir(parents=True)
    (parent / "charts" / "vault-issuer").symlink_to(CHART)
    part = {"name": "vault-issuer", "version": "*", "condition": "vault-issuer.enabled"}
    chart = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [part]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(chart))

    def made(enabled: bool) -> int:
        values = {
            "vault-issuer": {"enabled": enabled},
            "global": {"imageRegistry": "m.example.com", "other": 1},
        }
        (parent / "values.yaml").write_text(yaml.safe_dump(values))
        return run_helm(["template", "x", str(parent), "--kube-version=1.31"]).count("\nkind: ")

    assert made(enabled=True) > 10
    assert made(enabled=False) == 0


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_all_charts_secrets_may_be_names_alone(which: Build) -> None:
    given = {"global": {"imagePullSecrets": ["pull", {"name": "two"}, "pull"], "imageRegistry": None}}
    for spec in pod_specs(render({**given, "imagePullSecrets": [{"name": "two"}]}, which=which)).values():
        assert spec["imagePullSecrets"] == [{"name": "two"}, {"name": "pull"}]


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_a_topology_constraint_counts_the_controllers_pods(which: Build) -> None:
    mine = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    chosen = {**mine, "labelSelector": {"matchLabels": {"a": "b"}}}
    deployment = the_deployment(render({"topologySpreadConstraints": [mine, chosen]}, which=which))
    spec = deployment["spec"]
    assert spec["template"]["spec"]["topologySpreadConstraints"] == [
        {**mine, "labelSelector": spec["selector"]},
        chosen,
    ]


@pytest.mark.parametrize(("openshift", "ports"), [(True, {53, 5353}), (False, {53})])
def test_a_way_out_includes_the_clusters_dns(openshift: bool, ports: set[int]) -> None:
    rule = {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}
    objects = render({**FULL, "openshift": openshift, "networkPolicy": {"egress": [rule]}})
    policies = of_kind(objects, "NetworkPolicy")
    assert len(policies) == 5
    for one in policies:
        dns, more = one["spec"]["egress"]
        assert {(port["port"], port["protocol"]) for port in dns["ports"]} == {
            (port, protocol) for port in ports for protocol in ("UDP", "TCP")
        }
        assert more == rule


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_times_of_monitors_are_prometheus_own(which: Build) -> None:
    long = {"enabled": True, "interval": "1m30s", "scrapeTimeout": "1m29s999ms"}
    values = {"metrics": {"podMonitor": long, "serviceMonitor": {"enabled": True, "interval": ""}}}
    objects = render(values, which=which)
    (pods,), (service,) = (of_kind(objects, kind) for kind in ENDPOINTS)
    (endpoint,) = pods["spec"]["podMetricsEndpoints"]
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == ("1m30s", "1m29s999ms")
    assert "interval" not in service["spec"]["endpoints"][0]
