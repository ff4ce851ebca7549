"""Helm installs, upgrades and removes the chart on a real API server; the Deployment's controller works.

Pods need a node, which the testbed lacks: what hooks run is run here, as their accounts.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from issuer.requests.finalizer import FINALIZER
from testbed.builds import HELM, HELM_3, OLDEST, PROMETHEUS_OPERATOR, Build, crds_of
from testbed.chart import CHART, REGISTRY, is_hook, render, run_helm
from testbed.cluster import Options, Testbed
from testbed.controller import ControllerProcess, deployed
from testbed.delivered import Delivered
from testbed.errors import HTTPError
from testbed.forking import run_command
from testbed.kube import Object, load
from testbed.labca import setup_pki
from testbed.samples import API_VERSION, certificate, kubernetes_auth, policy, vault_spec
from testbed.vaultpki import DOMAIN, PkiLayout, setup_kubernetes_auth, setup_kubernetes_role
from tests.chart.usual import DIGITS, GIVEN, USUAL
from tests.integration.support.canaries import Probed
from tests.integration.support.common import CERT_MANAGER, REQUEST, request_object, wait_ready
from tests.integration.support.waiting import wait_until
from tests.sizes import sampled

NAMESPACE = "pki-system"
VALUES = "values"
"""A namespace that takes pods in their node's network, too."""
RELEASE = "pki"
NAME = "pki-vault-issuer"
CRD = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """A cluster with cert-manager and nothing of ours, and a namespace that takes only restricted pods."""
    with Testbed(Options(approver=False, data_dir=tmp_path_factory.mktemp("chart"))) as running:
        meta = {"name": NAMESPACE, "labels": RESTRICTED}
        running.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        running.create_namespace("shop")
        setup_kubernetes_auth(running)
        yield running


@pytest.fixture(scope="module")
def layout(bed: Testbed) -> PkiLayout:
    """The PKI in its OpenBao, and the login that the chart's ServiceAccount may have."""
    found = setup_pki(bed.vault)
    setup_kubernetes_role(bed.vault, found.policy, audience="vault://vault", namespace=NAMESPACE)
    return found


def helm(
    bed: Testbed, which: Build, folder: Path, *words: str, values: Mapping[str, Any] | None = None
) -> str:
    """Run Helm against the testbed, as its administrator."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump({**(values or {}), "image": {"registry": REGISTRY}}))
    more = [f"--values={file}"] if values is not None else []
    return run_helm([*words, f"--namespace={NAMESPACE}", *more], which, bed.kubeconfig)


@pytest.mark.parametrize("which", sampled([HELM, HELM_3], HELM), ids=lambda one: one.name)
def test_one_command_installs_issues_upgrades_and_leaves_what_was_issued(
    bed: Testbed, layout: PkiLayout, which: Build, tmp_path: Path
) -> None:
    values: dict[str, Any] = {
        "issuers": [{"name": "vault", "spec": {"vault": vault_spec(bed, kubernetes_auth())}}],
        "starterPolicy": {"enabled": True, "dnsNames": [f"*.{DOMAIN}"]},
    }
    helm(bed, which, tmp_path, "install", RELEASE, str(CHART), "--no-hooks", values=values)
    name = f"web-{which.name}"
    with ControllerProcess(bed, install=deployed(bed, NAMESPACE, NAME)):
        uid = wait_ready(bed, "vault")["metadata"]["uid"]
        bed.kube.apply(certificate(name, "shop", "vault", (f"{name}.{DOMAIN}",)))
        bed.kube.wait(CERT_MANAGER, "Certificate", name, "shop")
    secret = bed.kube.get("v1", "Secret", f"{name}-tls", "shop")
    Delivered.from_secret(secret).verify(layout.root_pem, f"{name}.{DOMAIN}")

    values["controller"] = {"workers": 8}
    values["canary"] = {"enabled": True, "issuers": [{"name": "vault", "dnsName": f"canary.{DOMAIN}"}]}
    values["policies"] = [{"name": "more", "spec": policy("more", {"dnsNames": {"values": ["*"]}})["spec"]}]
    helm(bed, which, tmp_path, "upgrade", RELEASE, str(CHART), "--no-hooks", values=values)
    assert "--workers=8" in deployed(bed, NAMESPACE, NAME).arguments
    with ControllerProcess(bed, install=deployed(bed, NAMESPACE, NAME)) as one:
        wait_until(
            lambda: Probed(one, "vault").successes(),
            lambda: f"its canary had no success: {Probed(one, 'vault').told()}",
        )
        bed.kube.wait(CERT_MANAGER, "Certificate", f"{NAME}-canary-vault", NAMESPACE)
        bed.kube.apply(certificate(f"{name}-2", "shop", "vault", (f"{name}-2.{DOMAIN}",)))
        bed.kube.wait(CERT_MANAGER, "Certificate", f"{name}-2", "shop")
    assert wait_ready(bed, "vault")["metadata"]["uid"] == uid
    assert bed.kube.find(API_VERSION, "CertificateRequestPolicy", "more")

    helm(bed, which, tmp_path, "uninstall", RELEASE, "--no-hooks")
    for crd in load(CHART / "crds"):
        assert bed.kube.find(*CRD, crd["metadata"]["name"])
    assert bed.kube.get("v1", "Secret", f"{name}-tls", "shop")["data"] == secret["data"]
    assert bed.kube.find(API_VERSION, "VaultClusterIssuer", "vault") is None
    assert bed.kube.find("rbac.authorization.k8s.io/v1", "ClusterRole", NAME) is None


def pods() -> dict[str, Object]:
    """The spec of every pod that the chart makes, hooks and test included."""
    found = {}
    for one in render(
        {"revocation": {"enabled": True, "allNamespaces": True}}, release=RELEASE, namespace=NAMESPACE
    ):
        if one["kind"] in ("Deployment", "Job"):
            found[f"{one['kind']} {one['metadata']['name']}"] = one["spec"]["template"]["spec"]
        elif one["kind"] == "Pod":
            found[f"Pod {one['metadata']['name']}"] = one["spec"]
    return found


@pytest.mark.parametrize("name", pods())
def test_a_restricted_namespace_takes_the_pod(bed: Testbed, name: str) -> None:
    spec = pods()[name]
    spec["restartPolicy"] = "Always" if name.startswith("Deployment") else spec["restartPolicy"]
    admit(bed, spec)
    loose = deepcopy(spec)
    del loose["containers"][0]["securityContext"]["capabilities"]
    with pytest.raises(HTTPError) as caught:
        admit(bed, loose)
    assert "restricted" in str(caught.value.body)


@pytest.fixture(scope="module")
def every_kind(bed: Testbed) -> None:
    """All that the chart makes is served: our kinds, and the monitors and rules of Prometheus' operator.

    What admission asks for is there: the RuntimeClasses and the PriorityClass that the values name.
    """
    crds_there(bed)
    for kind in ("podmonitors", "servicemonitors", "prometheusrules"):
        bed.install_crds(crds_of(PROMETHEUS_OPERATOR) / f"monitoring.coreos.com_{kind}.yaml")
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": "runsc"}
    priority = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1}
    bed.kube.apply(
        [
            *({**runtime, "metadata": {"name": one["runtimeClassName"]}} for one in (USUAL, DIGITS)),
            {**priority, "metadata": {"name": DIGITS["priorityClassName"]}},
        ]
    )


@pytest.mark.usefixtures("every_kind")
@pytest.mark.parametrize("name", GIVEN)
def test_the_api_server_takes_every_value(bed: Testbed, name: str) -> None:
    values = GIVEN[name]
    if OLDEST and values is DIGITS:  # the chart refuses it there: a Service's name has to begin with a letter
        values = {**values, "fullnameOverride": "lettered"}
    made = render(values, release=name, namespace=VALUES)
    for space in sorted({one["metadata"].get("namespace", VALUES) for one in made}):
        bed.create_namespace(space)
    for one in made:
        if one["kind"] == "Pod":  # its account is made before, as Helm does
            meta = {"name": one["spec"]["serviceAccountName"], "namespace": VALUES}
            bed.kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
        query = {"dryRun": "All", "fieldValidation": "Strict"}
        space = one["metadata"].get("namespace")
        path = bed.kube.path(one["apiVersion"], one["kind"], None, space, **query)
        bed.kube.http.call("POST", path, one)


@pytest.mark.usefixtures("every_kind")
def test_a_monitor_that_no_operator_would_read_is_refused(bed: Testbed) -> None:
    values = {"metrics": {"serviceMonitor": {"enabled": True, "relabelings": [{"action": "never"}]}}}
    (monitor,) = [one for one in render(values, namespace=VALUES) if one["kind"] == "ServiceMonitor"]
    path = bed.kube.path(monitor["apiVersion"], monitor["kind"], None, VALUES, dryRun="All")
    with pytest.raises(HTTPError) as caught:
        bed.kube.http.call("POST", path, monitor)
    assert "relabelings" in str(caught.value.body)


PODS = "restricted-pods"


def admit(bed: Testbed, spec: Object) -> None:
    """Have the API server's admission look at a pod, without making it."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    bed.kube.apply(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PODS, "labels": RESTRICTED}},
            {**account, "metadata": {"name": spec["serviceAccountName"], "namespace": PODS}},
        ]
    )
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": PODS}, "spec": spec}
    path = bed.kube.path("v1", "Pod", None, PODS, dryRun="All", fieldValidation="Strict")
    bed.kube.http.call("POST", path, pod)


class Hook:
    """A hook of the chart: its account and rights in the cluster, and what its pod runs."""

    def __init__(self, bed: Testbed, name: str, values: Mapping[str, Any]) -> None:
        every = render(values, release=RELEASE, namespace=NAMESPACE)
        mine = [one for one in every if is_hook(one) and one["metadata"]["name"].startswith(f"{NAME}-{name}")]
        self._bed = bed
        self._account = f"{NAME}-{name}"
        (pod,) = [one for one in mine if one["kind"] in ("Job", "Pod")]
        spec = pod["spec"] if pod["kind"] == "Pod" else pod["spec"]["template"]["spec"]
        self.arguments: list[str] = spec["containers"][0]["args"]
        bed.kube.apply([one for one in mine if one is not pod])

    def run(self, arguments: Sequence[str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run what its pod runs, or these arguments, as its account."""
        kubeconfig = self._bed.service_account_kubeconfig(NAMESPACE, self._account)
        return run_command(*(arguments or self.arguments), f"--kubeconfig={kubeconfig}")


def crds_there(bed: Testbed) -> list[Object]:
    """Our CRDs, as Helm makes them at an install."""
    bed.install_crds(CHART / "crds")
    return load(CHART / "crds")


def test_the_hook_brings_crds_to_this_version_and_touches_no_others(bed: Testbed) -> None:
    crds = crds_there(bed)
    (current,) = [one for one in crds if one["spec"]["names"]["kind"] == "VaultClusterIssuer"]
    older = deepcopy(current)
    spec = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["approval"]
    spec.pop("x-kubernetes-validations", None)
    bed.kube.apply(older, manager="helm")
    hook = Hook(bed, "crds", {})
    done = hook.run()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("applied: ") == 5
    assert (
        bed.kube.get(*CRD, current["metadata"]["name"])["spec"]["versions"][0]["schema"]
        == (current["spec"]["versions"][0]["schema"])
    )
    bare = bed.kube_as(NAMESPACE, f"{NAME}-crds")
    with pytest.raises(HTTPError, match="403"):
        bare.patch(*CRD, "certificates.cert-manager.io", {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(HTTPError, match="403"):
        bare.delete(*CRD, current["metadata"]["name"])


def test_without_rights_the_hook_says_what_is_missing(bed: Testbed) -> None:
    crds_there(bed)
    kubeconfig = bed.service_account_kubeconfig("shop", "nobody")
    done = run_command("crds", "--apply", f"--kubeconfig={kubeconfig}")
    assert done.returncode == 1
    assert "patch on customresourcedefinitions" in done.stderr


LEADER = "leader"


def held_by(bed: Testbed, ready: str) -> None:
    """The Lease as a pod's replica holds it; no node runs the pod, so what kubelet would write is written."""
    meta = {"name": LEADER, "namespace": NAMESPACE}
    spec = bed.kube.get("apps/v1", "Deployment", NAME, NAMESPACE)["spec"]["template"]["spec"]
    lease = {"name": NAME, "namespace": NAMESPACE}
    bed.kube.apply(
        [
            {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec},
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": lease,
                "spec": {"holderIdentity": f"{LEADER}_1f"},
            },
        ]
    )
    conditions = {"status": {"conditions": [{"type": "Ready", "status": ready}]}}
    bed.kube.patch("v1", "Pod", LEADER, conditions, NAMESPACE, "status")


def test_helm_test_tells_whether_controller_and_issuers_are_ready(
    bed: Testbed, layout: PkiLayout, tmp_path: Path
) -> None:
    spec = {"vault": vault_spec(bed, kubernetes_auth())}
    values = {
        "issuers": [{"name": "vault", "spec": spec}, {"name": "other", "namespace": "shop", "spec": spec}],
        "hooks": {"timeout": 5},
    }
    helm(bed, HELM, tmp_path, "install", RELEASE, str(CHART), "--no-hooks", values=values)
    try:
        hook = Hook(bed, "test", values)
        with ControllerProcess(bed, install=deployed(bed, NAMESPACE, NAME)) as controller:
            wait_ready(bed, "vault")
            service = f"http://{NAME}-metrics.{NAMESPACE}.svc:9402"
            address = f"http://127.0.0.1:{controller.metrics_port}"
            here = [one.replace(service, address) for one in hook.arguments]
            assert here != hook.arguments
            held_by(bed, "False")
            assert "holds it and is not Ready" in hook.run(here).stdout
            held_by(bed, "True")
            done = hook.run(here)
        # No ServiceAccount of the namespace may be used for that one.
        assert done.returncode == 1
        lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
        assert lines.pop("VaultIssuer/shop/other") not in ("ready", "no controller has looked at it yet")
        assert set(lines.values()) == {"ready"}
        assert len(lines) == 3
    finally:
        bed.kube.delete("v1", "Pod", LEADER, NAMESPACE)
        bed.kube.delete("coordination.k8s.io/v1", "Lease", NAME, NAMESPACE)
        helm(bed, HELM, tmp_path, "uninstall", RELEASE, "--no-hooks")


def test_the_hook_of_an_uninstall_takes_the_finalizers_off(bed: Testbed) -> None:
    marked = request_object("marked", "shop", "vault")
    marked["metadata"]["finalizers"] = [FINALIZER]
    bed.kube.create(marked)
    done = Hook(bed, "release", {"revocation": {"enabled": True, "allNamespaces": True}}).run()
    assert done.returncode == 0, done.stderr
    assert not bed.kube.get(CERT_MANAGER, REQUEST, "marked", "shop")["metadata"].get("finalizers")
