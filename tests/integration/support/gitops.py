"""Layers applied as Flux and Argo CD apply them.

Flux's part is its own code (testbed/go/gitops). Argo CD's takes a newer Go: what its documentation says of
waves and hooks is done by kubectl. Source: https://argo-cd.readthedocs.io/en/stable/user-guide/sync-waves/
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from testbed.cluster import REPOSITORY, Testbed
from testbed.gitops import ask
from testbed.kube import Object
from tests.chart.test_config import kustomize

CONFIG = REPOSITORY / "config"
_ARGO = "argocd.argoproj.io"


def up_to(target: Path, folder: Path) -> str:
    """Return the relative path by which a kustomization in `folder` names another folder."""
    return str(Path(*[".."] * len(folder.resolve().parts[1:]), target.relative_to("/")))


def overlay(base: Path, folder: Path, kind: str, values: dict[str, str]) -> Path:
    """Make an overlay of a base with other values at paths of its issuer's spec: what users change there."""
    folder.mkdir()
    patch = [{"op": "replace", "path": f"/spec/{path}", "value": value} for path, value in values.items()]
    kustomization: dict[str, Any] = {
        "resources": [up_to(base, folder)],
        "patches": [{"target": {"kind": kind}, "patch": yaml.safe_dump(patch)}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder


def with_this_vault(bed: Testbed, base: Path, folder: Path) -> Path:
    """Make an overlay of a base with this testbed's Vault in its issuer."""
    return overlay(base, folder, "VaultClusterIssuer", {"vault/server": bed.vault.addr})


def copied(layer: Path, folder: Path) -> Path:
    """Copy the layer that has pki.yaml, so that its file can be changed."""
    shutil.copytree(layer, folder)
    place = folder / "kustomization.yaml"
    text = yaml.safe_load(place.read_text())
    text["components"] = [up_to((layer / one).resolve(), folder) for one in text["components"]]
    place.write_text(yaml.safe_dump(text))
    return folder


@dataclass(slots=True)
class FluxLayer:
    """One Kustomization of config/gitops/flux, reconciled by Flux's own code from a folder of ours."""

    bed: Testbed
    name: str
    _before: list[Object] = field(default_factory=list)

    def reconcile(self, folder: Path) -> str:
        """Apply, prune and wait; return a line for each object that was applied or deleted."""
        (found,) = [
            one for one in kustomize(CONFIG / "gitops" / "flux") if one["metadata"]["name"] == self.name
        ]
        objects = kustomize(folder)
        question = {
            "kubeconfig": str(self.bed.kubeconfig),
            "kustomization": found,
            "objects": objects,
            "before": self._before,
        }
        told = ask("flux-apply", question)
        self._before = objects
        return told


def argo_sync(bed: Testbed, folder: Path) -> None:
    """Sync an Application: each wave is applied when the hooks of the one before are done."""
    waves: dict[int, list[Object]] = {}
    for one in kustomize(folder):
        wave = one["metadata"].get("annotations", {}).get(f"{_ARGO}/sync-wave", "0")
        waves.setdefault(int(wave), []).append(one)
    for _, objects in sorted(waves.items()):
        hooks = [one for one in objects if f"{_ARGO}/hook" in one["metadata"].get("annotations", {})]
        for hook in hooks:
            assert hook["metadata"]["annotations"][f"{_ARGO}/hook-delete-policy"] == "BeforeHookCreation"
            meta = hook["metadata"]
            bed.kubectl("delete", hook["kind"], meta["name"], "-n", meta["namespace"], "--ignore-not-found")
        # CRDs first, as Argo CD does.
        for some in ([one for one in objects if one["kind"] == "CustomResourceDefinition"], objects):
            words = ("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-")
            if some:
                bed.kubectl(*words, stdin=yaml.safe_dump_all(some))
        for hook in hooks:
            meta = hook["metadata"]
            bed.kube.wait(hook["apiVersion"], hook["kind"], meta["name"], meta["namespace"], until="Complete")
