"""The kustomize bases and GitOps layers apply cleanly, in turn, and what they hold becomes Ready."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from issuer.cli.main import app
from testbed.builds import ARGO_CD, STEP_ISSUER, crds_of
from testbed.chart import render
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Options, Testbed
from testbed.controller import SERVICE_ACCOUNT, ControllerProcess, Install
from testbed.delivered import Delivered
from testbed.errors import HTTPError
from testbed.gitops import flux_health
from testbed.kube import Object, load
from testbed.stepca import PROVISIONER, StepCA
from testbed.stepissuer import API_VERSION as STEP_API
from testbed.vaultpki import reviewer_token
from tests.integration.support.canaries import Probed
from tests.integration.support.common import (
    CERT_MANAGER,
    request_object,
    secret,
    set_condition,
    wait_issued,
)
from tests.integration.support.gitops import FluxLayer, argo_sync, copied, overlay, up_to, with_this_vault
from tests.integration.support.job_pods import JobPods, job_pods
from tests.integration.support.waiting import wait_until
from tests.sizes import LONGER

CONFIG = REPOSITORY / "config"
OURS = "vault-issuer.io/v1alpha1"


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """A cluster with cert-manager and an empty Vault, and nothing of ours."""
    with Testbed(Options(approver=False, data_dir=tmp_path_factory.mktemp("gitops"))) as running:
        yield running


LAYERS = CONFIG / "gitops"
PKI = LAYERS / "00-foundations" / "pki"


@pytest.fixture(scope="module")
def foundation(bed: Testbed, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a person applies of the layers' pki.yaml, with this testbed's API server in it."""
    config = {
        "kubernetes_host": bed.server,
        "kubernetes_ca_cert": bed.ca_file.read_text(),
        "token_reviewer_jwt": reviewer_token(bed.kube),
    }
    overlay = tmp_path_factory.mktemp("pki") / "testbed.yaml"
    overlay.write_text(yaml.safe_dump({"foundation": {"auth": {"kubernetes": {"config": config}}}}))
    words = ["pki", "apply", "--yes", "--part", "foundation", "-f", str(PKI / "pki.yaml"), "-f", str(overlay)]
    ran = CliRunner().invoke(app, words, env={**server(bed), "VAULT_TOKEN": bed.vault.token})
    assert ran.exit_code == 0, ran.output


def server(bed: Testbed) -> dict[str, str]:
    """Variables that name the testbed's Vault."""
    return {"VAULT_ADDR": bed.vault.addr, "VAULT_CACERT": str(bed.vault.ca_file), "BAO_TOKEN": ""}


def apply(bed: Testbed, directory: Path) -> None:
    """What Flux and Argo CD do with a folder: server-side, unknown fields refused."""
    bed.kubectl("apply", "--server-side", "--validate=strict", "-k", str(directory))


def as_its_deployment_says(bed: Testbed) -> ControllerProcess:
    """The controller with the arguments and rights of the Deployment that was applied."""
    deployment = bed.kube.get("apps/v1", "Deployment", SERVICE_ACCOUNT, SYSTEM_NAMESPACE)
    spec = deployment["spec"]["template"]["spec"]
    install = Install(SYSTEM_NAMESPACE, spec["serviceAccountName"], spec["containers"][0]["args"])
    return ControllerProcess(bed, install=install)


@pytest.fixture(scope="module")
def controller(bed: Testbed, foundation: None) -> Iterator[ControllerProcess]:
    """Layer 00, and the controller as its Deployment says; applied twice, as GitOps does all the time."""
    apply(bed, LAYERS / "00-foundations")
    apply(bed, LAYERS / "00-foundations")
    bed.kube.apply(secret("vault-ca", SYSTEM_NAMESPACE, **{"ca.crt": bed.vault.ca_file.read_text()}))
    with as_its_deployment_says(bed) as one:
        yield one


@pytest.fixture(scope="module")
def pods(
    bed: Testbed, controller: ControllerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JobPods]:
    """Pods for the Jobs of the layers."""
    with job_pods(bed, tmp_path_factory.mktemp("pods")) as running:
        yield running


@pytest.fixture(scope="module")
def flux(bed: Testbed) -> FluxLayer:
    """The Kustomization of the Job that applies pki.yaml."""
    return FluxLayer(bed, "pki-ca")


def lab_lives(bed: Testbed) -> int:
    """Longest life of a certificate by the layers' role, in hours, as Vault has it."""
    return int(bed.vault.read("pki_int/roles/lab")["max_ttl"]) // 3600


def test_the_layers_become_ready_one_after_the_other(
    bed: Testbed, controller: ControllerProcess, pods: JobPods, flux: FluxLayer, tmp_path: Path
) -> None:
    apply(bed, with_this_vault(bed, LAYERS / "01-issuers", tmp_path / "issuers"))
    # The issuer waits for the Job: until then its mount isn't there.
    bed.kube.wait(OURS, "VaultClusterIssuer", "vault", until="Ready=False")
    before = len(bed.vault.audited("auth/kubernetes/login"))
    flux.reconcile(PKI)
    assert [one.code for one in pods.runs] == [0], pods.runs
    # The token of the Job's login is revoked: Vault has it no more.
    # The issuer's own check may log in before this reads the log.
    logins = bed.vault.audited("auth/kubernetes/login")[before:]
    roles = [one["auth"]["metadata"]["role"] for one in logins if "error" not in one]
    assert roles.count("vault-issuer-pki") == 1, roles
    holders = [
        bed.vault.call("POST", "auth/token/lookup-accessor", {"accessor": one})["data"]["policies"]
        for one in bed.vault.call("LIST", "auth/token/accessors")["data"]["keys"]
    ]
    assert [one for one in holders if "vault-issuer-pki" in one] == []
    bed.kube.wait(OURS, "VaultClusterIssuer", "vault")
    bed.kube.wait(OURS, "CertificateRequestPolicy", "lab")
    root = bed.vault.read("pki/issuer/lab-root")["certificate"]
    apply(bed, LAYERS / "02-tests")
    for name in ("test", "canary"):
        bed.kube.wait(CERT_MANAGER, "Certificate", name, "cert-test")
        found = Delivered.from_secret(bed.kube.get("v1", "Secret", f"{name}-tls", "cert-test"))
        found.verify(root, f"{name}.lab.example.com")
    # Its prober asked before there was an issuer, and asks again in five minutes; or at once when it starts.
    controller.stop()
    controller.start()
    probed = Probed(controller, "vault")
    wait_until(probed.successes, lambda: f"the canary had no success: {probed.told()}")


def test_the_samples_become_ready(bed: Testbed, controller: ControllerProcess, tmp_path: Path) -> None:
    apply(bed, with_this_vault(bed, CONFIG / "samples", tmp_path / "samples"))
    bed.kube.wait(OURS, "VaultClusterIssuer", "vault")
    bed.kube.wait(OURS, "CertificateRequestPolicy", "lab")
    bed.kube.wait(CERT_MANAGER, "Certificate", "web", "default")
    found = Delivered.from_secret(bed.kube.get("v1", "Secret", "web-tls", "default"))
    found.verify(bed.vault.read("pki/issuer/lab-root")["certificate"], "web.lab.example.com")


@LONGER
def test_flux_runs_a_job_for_each_change_and_again_for_a_revert(
    bed: Testbed, pods: JobPods, flux: FluxLayer, tmp_path: Path
) -> None:
    folder = copied(PKI, tmp_path / "pki")
    file, first = folder / "pki.yaml", (PKI / "pki.yaml").read_text()

    def reconciled(text: str) -> str:
        """Reconcile with this file, and return the name of the Job that ran for it, "" if none did."""
        file.write_text(text)
        before = len(pods.runs)
        flux.reconcile(folder)
        assert [one.code for one in pods.runs[before:]] in ([], [0]), pods.runs
        return "".join(one.job for one in pods.runs[before:])

    reconciled(first)
    assert reconciled(first) == ""
    changed = reconciled(first.replace("max_ttl: 24h", "max_ttl: 12h"))
    assert (bool(changed), lab_lives(bed)) == (True, 12)
    reverted = reconciled(first)
    assert (reverted not in ("", changed), lab_lives(bed)) == (True, 24)
    # Of another image's Job only the pod differs, which Kubernetes lets nobody change.
    other = {"images": [{"name": "vault-issuer", "newTag": "another"}]}
    place = folder / "kustomization.yaml"
    place.write_text(yaml.safe_dump({**yaml.safe_load(place.read_text()), **other}))
    assert reconciled(first) == reverted


def test_the_charts_job_uses_a_wrapped_token_up(bed: Testbed, pods: JobPods, flux: FluxLayer) -> None:
    body = {"policies": ["vault-issuer-pki"], "ttl": "10m", "no_parent": True}
    wrap = bed.vault.call("POST", "auth/token/create", body, headers={"X-Vault-Wrap-TTL": "300s"})[
        "wrap_info"
    ]
    bed.kube.apply(secret("pki-token", SYSTEM_NAMESPACE, token=wrap["token"]))
    values = {
        "enabled": True,
        "file": (PKI / "pki.yaml").read_text(),
        "server": bed.vault.addr,
        "login": {"wrappedTokenSecret": "pki-token"},
    }
    made = [one for one in render({"pki": values}) if one["metadata"]["name"].startswith("vault-issuer-pki")]
    before = len(pods.runs)
    bed.kube.apply(made)
    (job,) = [one for one in made if one["kind"] == "Job"]
    bed.kube.wait("batch/v1", "Job", job["metadata"]["name"], SYSTEM_NAMESPACE, until="Complete")
    assert [(one.job, one.code) for one in pods.runs[before:]] == [(job["metadata"]["name"], 0)], pods.runs
    assert wrap["wrapped_accessor"] not in bed.vault.call("LIST", "auth/token/accessors")["data"]["keys"]
    with pytest.raises(HTTPError):
        bed.vault.call("POST", "sys/wrapping/unwrap", {"token": wrap["token"]}, token="")


@LONGER
def test_argo_cds_own_crd_takes_every_field_of_the_applications(bed: Testbed) -> None:
    bed.install_crds(crds_of(ARGO_CD) / "application-crd.yaml")
    bed.create_namespace("argocd")
    for file in (LAYERS / "argocd" / "application.yaml", LAYERS / "chart" / "argocd" / "application.yaml"):
        (application,) = load(file)
        query = {"dryRun": "All", "fieldValidation": "Strict"}
        path = bed.kube.path(application["apiVersion"], application["kind"], None, "argocd", **query)
        bed.kube.http.call("POST", path, application)
        application["spec"]["syncPolicies"] = application["spec"].pop("syncPolicy")
        with pytest.raises(HTTPError) as caught:
            bed.kube.http.call("POST", path, application)
        assert "syncPolicies" in str(caught.value.body)


@LONGER
def test_argo_cd_runs_the_job_in_each_sync(
    bed: Testbed, controller: ControllerProcess, pods: JobPods, tmp_path: Path
) -> None:
    before = len(pods.runs)
    argo_sync(bed, with_this_vault(bed, LAYERS / "argocd", tmp_path / "argocd"))
    argo_sync(bed, tmp_path / "argocd")
    first, second = pods.runs[before:]
    assert (first.code, second.code, first.job) == (0, 0, second.job), pods.runs
    assert "Nothing to do" in second.output
    bed.kube.wait(OURS, "VaultClusterIssuer", "vault")


@pytest.mark.parametrize(
    "base", ["crd", "rbac", "manager", "default", "rbac/optional", "adopt", "canary", "canary/prober"]
)
def test_every_base_applies_to_a_cluster_that_has_it(
    bed: Testbed, controller: ControllerProcess, base: str, tmp_path: Path
) -> None:
    directory = CONFIG / base
    if yaml.safe_load((directory / "kustomization.yaml").read_text())["kind"] == "Component":
        text = {
            "resources": [up_to(CONFIG / "default", tmp_path)],
            "components": [up_to(directory, tmp_path)],
        }
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(text))
        directory = tmp_path
    words = ["apply", "--server-side", "--force-conflicts", "--validate=strict"]
    bed.kubectl(*words, "-k", str(directory))


def test_the_layers_for_step_ca_become_ready_as_flux_sees_them(
    bed: Testbed, controller: ControllerProcess, step_ca: StepCA, tmp_path: Path
) -> None:
    """Seed 004's three layers and health checks. It takes the controller's place."""
    controller.stop()
    layers = CONFIG / "gitops" / "step-ca"
    bed.create_namespace("step-ca")
    # What step-ca's chart makes.
    bed.kube.apply(secret("step-ca-provisioner-password", "step-ca", password=step_ca.password))
    changed = {"url": step_ca.url, "caBundle": step_ca.ca_bundle, "provisioner/kid": step_ca.kid}
    apply(bed, layers / "00-foundations")
    apply(bed, overlay(layers / "01-issuers", tmp_path / "issuers", "StepClusterIssuer", changed))
    apply(bed, layers / "02-tests")
    with as_its_deployment_says(bed) as beside:
        for layer in ("01-issuers", "02-tests"):
            (found,) = load(layers / "flux" / f"{layer}.yaml")
            wait_as_flux_does(bed, found["spec"])
        for name in ("test", "canary"):
            delivered_by(bed, "StepClusterIssuer", name).verify(step_ca.root_pem, f"{name}.lab.example.com")
        probed = Probed(beside, "step-ca", kind="StepClusterIssuer")
        wait_until(probed.successes, lambda: f"the canary had no success: {probed.told()}")


def test_the_layer_that_adopts_serves_step_issuers_objects_as_they_are(
    bed: Testbed, controller: ControllerProcess, step_ca: StepCA
) -> None:
    """In the place of step-issuer's release; health is told without expressions, as its users have it."""
    controller.stop()
    crds = load(crds_of(STEP_ISSUER))
    bed.kube.apply(crds)
    for one in crds:
        bed.kube.wait(one["apiVersion"], one["kind"], one["metadata"]["name"], until="Established")
    if bed.kube.find("v1", "Namespace", "step-ca") is None:
        bed.create_namespace("step-ca")
    password = "step-ca-provisioner-password"
    reference = {"name": password, "namespace": "step-ca", "key": "password"}
    bed.kube.apply(secret(password, "step-ca", password=step_ca.password))
    provisioner = {"name": PROVISIONER, "kid": step_ca.kid, "passwordRef": reference}
    spec = {"url": step_ca.url, "caBundle": step_ca.ca_bundle, "provisioner": provisioner}
    meta = {"name": "step-ca"}
    issuer = {"apiVersion": STEP_API, "kind": "StepClusterIssuer", "metadata": meta, "spec": spec}
    bed.kube.apply(issuer)
    apply(bed, CONFIG / "gitops" / "step-ca" / "00-adopt")
    asked = request_object("adopted", "default", "step-ca", kind="StepClusterIssuer", duration="1h")
    asked["spec"]["issuerRef"]["group"] = STEP_API.partition("/")[0]
    with as_its_deployment_says(bed):
        bed.kube.wait(
            STEP_API, "StepClusterIssuer", "step-ca", until=lambda obj: flux_health(obj) == "Current"
        )
        bed.kube.create(asked)
        set_condition(bed, "adopted", "default", "Approved")
        wait_issued(bed, "adopted", "default")


def wait_as_flux_does(bed: Testbed, layer: Object) -> None:
    """Wait until all that a layer's health checks name is healthy by their expressions."""
    expressions = {one["kind"]: one for one in layer["healthCheckExprs"]}
    for check in layer["healthChecks"]:
        asked = {key: expressions[check["kind"]].get(key, "") for key in ("current", "failed")}
        healthy = partial(is_healthy, expressions=asked)
        bed.kube.wait(
            check["apiVersion"], check["kind"], check["name"], check.get("namespace"), until=healthy
        )


def is_healthy(item: Object, expressions: dict[str, str]) -> bool:
    """Return True if Flux takes the object for healthy by these expressions."""
    return flux_health(item, expressions) == "Current"


def delivered_by(bed: Testbed, kind: str, name: str) -> Delivered:
    """What a Secret of the layers' tests holds once an issuer of that kind has signed it."""
    annotation = "cert-manager.io/issuer-kind"
    found = bed.kube.wait(
        "v1",
        "Secret",
        f"{name}-tls",
        "cert-test",
        until=lambda obj: obj["metadata"]["annotations"].get(annotation) == kind,
    )
    return Delivered.from_secret(found)
