"""config/ is the chart with default values: the same objects, whichever way they come."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.chart import CHART, REGISTRY, is_hook, render_text
from testbed.cluster import REPOSITORY
from testbed.kube import documents, load
from tests.chart.conftest import Object, of_kind, the_deployment
from tools.manifests import made, main

CONFIG = REPOSITORY / "config"
HELMS_OWN = {"helm.sh/chart", "app.kubernetes.io/managed-by"}
BASES = sorted(path.parent.relative_to(CONFIG) for path in CONFIG.rglob("kustomization.yaml"))


def kustomize(directory: Path) -> list[Object]:
    """What `kubectl kustomize` makes of a directory."""
    text = _kept(directory) if directory.is_relative_to(CONFIG) else _kustomized(directory)
    return [one for one in documents(text) if one]


def _kustomized(directory: Path) -> str:
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run([kubectl, "kustomize", str(directory)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "kustomize warns"
    return done.stdout


_kept = cache(_kustomized)  # no test changes a folder of the clone


def charts(values: Object | None = None) -> list[Object]:
    """The chart's objects but for hooks, with the image's name alone, which overlays of config/ set."""
    text = render_text(values).replace(f"{REGISTRY}/", "")
    return [one for one in documents(text) if one and not is_hook(one)]


def by_name(objects: list[Object]) -> dict[tuple[Any, ...], Object]:
    """Objects by what they are, without the labels that only Helm sets."""
    found = {}
    for one in objects:
        meta = one["metadata"]
        labels = {key: value for key, value in (meta.get("labels") or {}).items() if key not in HELMS_OWN}
        found[one["kind"], meta.get("namespace"), meta["name"]] = {
            **one,
            "metadata": {**meta, "labels": labels},
        }
    assert len(found) == len(objects)
    return found


def test_what_is_made_from_the_chart_is_up_to_date() -> None:
    assert main(["--check"]) == 0, "run `make manifests`"


def test_nothing_made_is_left_behind() -> None:
    there = {
        path
        for folder in ("adopt", "rbac", "admission", "manager", "canary", "monitoring", "pki-job")
        for path in (CONFIG / folder).rglob("*.yaml")
    }
    assert there - set(made()) == {
        path for path in there if path.name in ("kustomization.yaml", "names.yaml")
    }


def test_the_default_base_is_the_chart() -> None:
    chart = charts() + load(CHART / "crds")
    ours = by_name(kustomize(CONFIG / "default"))
    namespace = ours.pop(("Namespace", None, "vault-issuer-system"))
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert ours == by_name(chart)


COMPONENTS: dict[str, Object] = {
    "admission": {"admissionPolicy": {"enabled": True}},
    "rbac/optional": {"revocation": {"enabled": True, "allNamespaces": True}},
    "monitoring": {
        "metrics": {"podMonitor": {"enabled": True}},
        "monitoring": {"rules": {"enabled": True}, "dashboard": {"enabled": True}},
    },
}


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_is_the_chart_with_its_values(component: str, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    text = {
        "resources": [relative(CONFIG / "default", overlay)],
        "components": [relative(CONFIG / component, overlay)],
    }
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(text))
    chart = charts(COMPONENTS[component])
    ours = by_name(kustomize(overlay))
    assert {key: ours[key] for key in by_name(chart)} == by_name(chart)


def test_the_adopt_component_has_the_charts_rights_and_arguments(tmp_path: Path) -> None:
    text = {
        "resources": [relative(CONFIG / "default", tmp_path)],
        "components": [relative(CONFIG / one, tmp_path) for one in ("admission", "adopt")],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(text))
    values = {"adopt": {"stepIssuer": True}, "admissionPolicy": {"enabled": True}}
    chart, ours = by_name(charts(values)), by_name(kustomize(tmp_path))
    deployment = ("Deployment", "vault-issuer-system", "vault-issuer")
    arguments = [
        one.pop(deployment)["spec"]["template"]["spec"]["containers"][0]["args"] for one in (chart, ours)
    ]
    assert sorted(arguments[0]) == sorted(arguments[1])
    assert {key: ours[key] for key in chart} == chart


def test_an_overlay_sets_the_image(tmp_path: Path) -> None:
    image = {"name": "vault-issuer", "newName": "registry.example.com/pki/vault-issuer", "newTag": "9"}
    text = {"resources": [relative(CONFIG / "default", tmp_path)], "images": [image]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(text))
    (container,) = the_deployment(kustomize(tmp_path))["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/pki/vault-issuer:9"


def test_an_overlay_with_another_namespace_leaves_nothing_behind(tmp_path: Path) -> None:
    components = ["admission", "adopt", "canary/prober", "monitoring", "rbac/optional"]
    text = {
        "namespace": "elsewhere",
        "resources": [relative(CONFIG / "default", tmp_path)],
        "components": [relative(CONFIG / one, tmp_path) for one in components],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(text))
    moved = kustomize(tmp_path)
    assert "vault-issuer-system" not in json.dumps(moved)
    (container,) = the_deployment(moved)["spec"]["template"]["spec"]["containers"]
    assert not [one for one in container["args"] if "-namespace" in one]
    (name,) = [one["name"] for one in container["env"] if "valueFrom" in one]
    assert name == "POD_NAMESPACE", "the command's default for both namespaces"


def test_the_admission_policy_still_finds_the_controller_under_a_name_prefix(tmp_path: Path) -> None:
    text = {
        "namePrefix": "lab-",
        "resources": [relative(CONFIG / "default", tmp_path)],
        "components": [relative(CONFIG / "admission", tmp_path)],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(text))
    named = by_name(kustomize(tmp_path))
    binding = named[("ValidatingAdmissionPolicyBinding", None, "lab-vault-issuer")]["spec"]
    # parameterNotFoundAction is Allow: a name that nothing has would switch the policy off without a word.
    assert ("ClusterRoleBinding", None, binding["paramRef"]["name"]) in named
    assert ("ValidatingAdmissionPolicy", None, binding["policyName"]) in named


def relative(target: Path, start: Path) -> str:
    """kustomize takes relative folders only."""
    return str(Path(*[".."] * len(start.resolve().parts[1:])) / target.resolve().relative_to("/"))


@pytest.mark.parametrize("base", BASES, ids=str)
def test_every_base_builds_and_takes_in_every_file_beside_it(base: Path) -> None:
    directory = CONFIG / base
    kustomization = yaml.safe_load((directory / "kustomization.yaml").read_text())
    if kustomization["kind"] == "Kustomization":
        assert kustomize(directory)
    listed = {*kustomization.get("resources", ()), *kustomization.get("configurations", ())}
    listed |= {file for one in kustomization.get("configMapGenerator", ()) for file in one["files"]}
    # Applied where Argo CD is, not with the layers; and, by themselves, for replicas that share the work,
    # where Secrets are not named, and for roots in ConfigMaps.
    alone = {
        "application.yaml",
        "argocd-cm.yaml",
        "sharding.yaml",
        "cluster-issuer-secrets.yaml",
        "trust.yaml",
        "trust-bundles.yaml",
    }
    assert {path.name for path in directory.glob("*.yaml")} - {"kustomization.yaml"} - alone <= listed


def test_samples_hold_an_issuer_a_policy_and_a_certificate() -> None:
    kinds = {one["kind"] for one in kustomize(CONFIG / "samples")}
    assert {"VaultClusterIssuer", "CertificateRequestPolicy", "Certificate"} <= kinds
    assert of_kind(kustomize(CONFIG / "gitops" / "01-issuers"), "CertificateRequestPolicy")
