"""The GitOps layers, as Flux's own types, its health evaluation and Argo CD's Lua engine take them."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from issuer import __version__
from issuer.cli.main import app
from testbed.chart import render
from testbed.cluster import REPOSITORY
from testbed.gitops import ask, flux_health
from tests.chart.conftest import Object, of_kind
from tests.chart.test_config import kustomize
from tools import oci

ROOT = REPOSITORY / "config" / "gitops"
STEP_CA = ROOT / "step-ca"
both = pytest.mark.parametrize("root", [ROOT, STEP_CA], ids=["vault", "step-ca"])
LAYERS = ["00-foundations", "01-issuers", "02-tests"]
PKI = "00-foundations/pki"


@cache
def layers(root: Path) -> dict[str, Object]:
    """Flux's Kustomizations by name."""
    return {one["metadata"]["name"]: one for one in of_kind(kustomize(root / "flux"), "Kustomization")}


def test_flux_knows_every_field() -> None:
    objects = [
        one
        for folder in ("flux", "prerequisites", "chart/flux", "step-ca/flux", "step-ca/prerequisites")
        for one in kustomize(ROOT / folder)
        if one["kind"] != "Namespace"
    ]
    assert ask("decode", objects) == ""
    objects[0]["spec"]["typo"] = 1
    assert "typo" in ask("decode", objects)


def test_flux_and_argo_cd_give_the_chart_values_that_it_takes() -> None:
    (release,) = of_kind(kustomize(ROOT / "chart" / "flux"), "HelmRelease")
    (source,) = of_kind(kustomize(ROOT / "chart" / "flux"), "OCIRepository")
    assert release["spec"]["chartRef"] == {"kind": "OCIRepository", "name": source["metadata"]["name"]}
    assert source["spec"]["layerSelector"]["mediaType"] == oci.CHART
    application = yaml.safe_load((ROOT / "chart" / "argocd" / "application.yaml").read_text())
    assert application["spec"]["source"]["targetRevision"] == __version__
    for values in (release["spec"]["values"], application["spec"]["source"]["helm"]["valuesObject"]):
        assert values["image"]["registry"]
        made = render(values)
        # Both bring the CRDs themselves.
        assert [one for one in of_kind(made, "Job") if one["metadata"]["name"].endswith("-crds")] == []
    assert release["spec"]["install"]["crds"] == "Create"
    assert release["spec"]["upgrade"]["crds"] == "CreateReplace"


@both
def test_each_layer_waits_for_the_one_before_it(root: Path) -> None:
    found = layers(root)
    job = ["pki-ca"] if root == ROOT else []
    order = ["pki-prerequisites", "pki-foundations", *job, "pki-issuers", "pki-tests"]
    assert list(found) == sorted(order)
    for before, name in pairwise(order):
        assert found[name]["spec"]["dependsOn"] == [{"name": before}]


@pytest.mark.parametrize(
    ("root", "name"), [(root, name) for root in (ROOT, STEP_CA) for name in sorted(layers(root))]
)
def test_a_layer_looks_at_the_health_of_objects_it_has_and_gives_up_in_time(root: Path, name: str) -> None:
    spec = layers(root)[name]["spec"]
    path = (REPOSITORY / spec["path"]).resolve()
    held = {
        (one["apiVersion"], one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])
        for one in kustomize(path)
    }
    looked_at = {
        (one["apiVersion"], one["kind"], one.get("namespace"), one["name"])
        for one in spec.get("healthChecks", ())
    }
    assert bool(looked_at) is not spec.get("wait", False)
    assert looked_at <= held
    assert spec["timeout"]
    assert spec["retryInterval"]


@both
def test_a_layer_with_crds_is_never_pruned(root: Path) -> None:
    for one in layers(root).values():
        held = kustomize((REPOSITORY / one["spec"]["path"]).resolve())
        if of_kind(held, "CustomResourceDefinition"):
            assert one["spec"]["prune"] is False
    for file in (ROOT / "argocd" / "application.yaml", ROOT / "chart" / "argocd" / "application.yaml"):
        automated = yaml.safe_load(file.read_text())["spec"]["syncPolicy"].get("automated") or {}
        assert not automated.get("prune"), file
    application = yaml.safe_load((ROOT / "argocd" / "application.yaml").read_text())
    assert application["spec"]["syncPolicy"]["automated"]["prune"] is False


def with_status(generation: int | None, ready: str = "True") -> Object:
    """An object of generation 2, looked at in that generation; None: not at all."""
    found: Object = {"apiVersion": "a/v1", "kind": "A", "metadata": {"name": "a", "generation": 2}}
    if generation is not None:
        condition = {"type": "Ready", "status": ready, "observedGeneration": generation, "message": "why"}
        found["status"] = {"conditions": [condition]}
    return found


@pytest.mark.parametrize(
    ("root", "kind"),
    [
        (ROOT, "VaultClusterIssuer"),
        (ROOT, "CertificateRequestPolicy"),
        (ROOT, "Certificate"),
        (STEP_CA, "StepClusterIssuer"),
        (STEP_CA, "CertificateRequestPolicy"),
        (STEP_CA, "Certificate"),
    ],
)
def test_flux_waits_until_a_controller_has_found_this_generation_ready(root: Path, kind: str) -> None:
    (checks,) = [
        one
        for layer in layers(root).values()
        for one in layer["spec"].get("healthCheckExprs", ())
        if one["kind"] == kind
    ]
    exprs = {key: value for key, value in checks.items() if key not in ("apiVersion", "kind")}

    def health(item: Object) -> str:
        return flux_health(item, exprs)

    assert health(with_status(2)) == "Current"
    assert health(with_status(1)) == "InProgress"
    assert health(with_status(None)).startswith("error")  # Flux asks again
    assert health(with_status(2, "False")) == (
        "Failed" if kind == "CertificateRequestPolicy" else "InProgress"
    )


@pytest.mark.parametrize(
    "kind",
    ["VaultIssuer", "VaultClusterIssuer", "StepIssuer", "StepClusterIssuer", "CertificateRequestPolicy"],
)
def test_argo_cd_waits_until_a_controller_has_found_this_generation_ready(kind: str) -> None:
    data = yaml.safe_load((ROOT / "argocd" / "argocd-cm.yaml").read_text())["data"]
    script = data[f"resource.customizations.health.vault-issuer.io_{kind}"]

    def health(item: Object) -> tuple[str, str]:
        found = json.loads(ask("lua-health", {"script": script, "object": item}))
        return found["status"], found["message"]

    assert health(with_status(2)) == ("Healthy", "why")
    assert health(with_status(1))[0] == "Progressing"
    assert health(with_status(None)) == ("Progressing", "no controller has looked at it yet")
    broken = "Degraded" if kind == "CertificateRequestPolicy" else "Progressing"
    assert health(with_status(2, "False")) == (broken, "why")


@pytest.mark.parametrize("kind", ["StepIssuer", "StepClusterIssuer"])
def test_argo_cd_takes_an_adopted_issuer_as_its_own_crd_tells_it(kind: str) -> None:
    """step-issuer's conditions have no `observedGeneration`."""
    data = yaml.safe_load((ROOT / "argocd" / "argocd-cm.yaml").read_text())["data"]
    script = data[f"resource.customizations.health.certmanager.step.sm_{kind}"]

    def health(**status: Object) -> list[str]:
        item = {"apiVersion": "a/v1", "kind": kind, "metadata": {"name": "a", "generation": 2}, **status}
        found = json.loads(ask("lua-health", {"script": script, "object": item}))
        return [found["status"], found["message"]]

    def told(ready: str) -> Object:
        return {"conditions": [{"type": "Ready", "status": ready, "reason": "A", "message": "why"}]}

    assert health(status=told("True")) == ["Healthy", "why"]
    assert health(status=told("False")) == ["Progressing", "why"]
    assert health() == ["Progressing", "no controller has looked at it yet"]


@both
def test_argo_cd_applies_the_layers_in_waves(root: Path) -> None:
    waves = {
        (one["kind"], one["metadata"]["name"]): one["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]
        for one in kustomize(root / "argocd")
    }
    job = [(0, PKI)] if root == ROOT else []
    for wave, layer in [*job, *enumerate(LAYERS)]:
        for one in kustomize(root / layer):
            assert waves.pop((one["kind"], one["metadata"]["name"])) == str(wave)
    assert not waves


def test_step_cas_layer_leaves_nothing_of_vault_and_reads_one_secret() -> None:
    objects = kustomize(STEP_CA / "00-foundations")
    assert "vault-login" not in json.dumps(objects)
    secrets = [
        (one["metadata"].get("namespace"), rule.get("resourceNames"))
        for one in objects
        if one["kind"] in ("Role", "ClusterRole")
        for rule in one["rules"]
        if "secrets" in rule["resources"]
    ]
    assert secrets == [("step-ca", ["step-ca-provisioner-password"])]


def the_job(folder: str) -> Object:
    """The Job of pki.yaml in a layer."""
    (found,) = of_kind(kustomize(ROOT / folder), "Job")
    return found


def test_the_job_of_the_layer_is_named_by_the_hash_of_its_file() -> None:
    flux, argo = the_job(PKI), the_job("argocd")
    assert flux["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/force"] == "enabled"
    assert argo["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "Sync"
    assert argo["metadata"]["annotations"]["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"
    (file,) = of_kind(kustomize(ROOT / PKI), "ConfigMap")
    assert re.fullmatch(r"vault-issuer-pki-[a-z0-9]{10}", file["metadata"]["name"])
    for job in (flux, argo):
        assert job["metadata"]["name"] == file["metadata"]["name"]
        volumes = job["spec"]["template"]["spec"]["volumes"]
        assert file["metadata"]["name"] in [one.get("configMap", {}).get("name") for one in volumes]
        assert "ttlSecondsAfterFinished" not in job["spec"]
    # The Job of an earlier file goes, so that the file can come back.
    assert layers(ROOT)["pki-ca"]["spec"]["prune"] is True


def test_the_layers_job_may_do_what_its_file_needs_and_no_more() -> None:
    path = ROOT / PKI / "pki.yaml"
    printed = CliRunner().invoke(app, ["pki", "rights", "apply", "--part", "automation", "-f", str(path)])
    text = yaml.safe_load(path.read_text())["foundation"]["policies"]["vault-issuer-pki"]["text"]
    assert text == printed.stdout
