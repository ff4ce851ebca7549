"""The Helm chart: rendered, checked, and what of it the testbed runs its controller with."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from testbed.builds import HELM, KUBE_APISERVER, Build, build
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE
from testbed.errors import TestbedError
from testbed.kube import Object, SafeLoader

CHART = REPOSITORY / "charts" / "vault-issuer"
RELEASE = "vault-issuer"
REGISTRY = "registry.example.com"
"""A registry for charts that are rendered, and installed where no image is pulled."""
KUBERNETES = KUBE_APISERVER.version


class ChartError(TestbedError):
    """Helm refused; the text is what it said."""


@cache
def helm(which: Build = HELM) -> Path:
    """Helm's command, built if it isn't there yet (three minutes)."""
    return build(which) / which.program


def run_helm(arguments: Sequence[str], which: Build = HELM, kubeconfig: Path | None = None) -> str:
    """What Helm printed; ChartError when it fails. Without ``kubeconfig`` it reaches no cluster."""
    with tempfile.TemporaryDirectory() as home:
        folders = {f"HELM_{name}_HOME": f"{home}/{name.lower()}" for name in ("CACHE", "CONFIG", "DATA")}
        done = subprocess.run(
            [helm(which), *arguments],
            stdin=subprocess.DEVNULL,  # nobody would see what it asks for
            capture_output=True,
            text=True,
            check=False,
            env={
                "HOME": home,
                "PATH": "/usr/bin:/bin",
                **folders,
                "GOGC": "off",  # it ends at 80 MB; looking for garbage took a sixth of its time
                "KUBECONFIG": str(kubeconfig or "/dev/null"),
            },
        )
    if done.returncode:
        raise ChartError(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def render_text(
    values: Mapping[str, Any] | None = None,
    *,
    release: str = RELEASE,
    namespace: str = SYSTEM_NAMESPACE,
    which: Build = HELM,
    chart: Path = CHART,
    kubernetes: str = KUBERNETES,
) -> str:
    """Return the chart as `helm template` prints it for a version of Kubernetes.

    Raises ChartError where the values are refused. An image's registry, which the chart asks for, is
    added where the values have no `image.registry`.
    """
    given = dict(values or {})
    text = json.dumps(given | {"image": {"registry": REGISTRY, **given.get("image", {})}})
    # Another chart is one that a test may change.
    template = _template if chart == CHART else _template.__wrapped__
    return template(text, release, namespace, which, chart, kubernetes)


@cache
def _template(values: str, release: str, namespace: str, which: Build, chart: Path, kubernetes: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(values)
        file.flush()
        words = ["template", release, str(chart), f"--namespace={namespace}", f"--values={file.name}"]
        # Without a cluster Helm takes the version it was released with, which our builds don't know.
        return run_helm([*words, f"--kube-version={kubernetes}"], which)


def render(values: Mapping[str, Any] | None = None, **options: Any) -> list[Object]:
    """The chart's objects, hooks and tests among them. Options are those of `render_text`.

    Raises ChartError where a mapping has a key twice: Helm takes the last of them, kustomize and Flux refuse.
    """
    return [one for one in yaml.load_all(render_text(values, **options), _Loader) if one]


class _Loader(SafeLoader):  # type: ignore[misc]
    """A loader for which a key that stands twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping. Raises ChartError."""
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        if len(found) != len(node.value):
            keys = [key.value for key, _ in node.value]
            raise ChartError(f"stands twice: {', '.join({one for one in keys if keys.count(one) > 1})}")
        return found


def is_hook(item: Object) -> bool:
    """Whether Helm makes it at some event only, as a part of no release."""
    return "helm.sh/hook" in (item["metadata"].get("annotations") or {})
