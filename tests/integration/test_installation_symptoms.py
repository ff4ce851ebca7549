"""What docs/troubleshooting.md says of an installation that hangs, seen with real Helm on a real API server.

The testbed has no nodes, so a hook's pod never runs: just what the page is about.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.builds import HELM, HELM_3, Build
from testbed.chart import CHART, REGISTRY, RELEASE, ChartError, run_helm
from testbed.cluster import SYSTEM_NAMESPACE, Options, Testbed
from testbed.kube import load
from tests.sizes import sampled

CRD = "apiextensions.k8s.io/v1", "CustomResourceDefinition"


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """A cluster with cert-manager's CRDs and nothing of ours."""
    data = tmp_path_factory.mktemp("installation")
    with Testbed(Options(approver=False, vault=False, data_dir=data)) as running:
        running.create_namespace(SYSTEM_NAMESPACE)
        yield running


@pytest.fixture(autouse=True)
def bare(bed: Testbed) -> Iterator[None]:
    """Nothing of a release stays."""
    yield
    for which in (HELM, HELM_3):
        helm(bed, which, "uninstall", "--no-hooks", "--ignore-not-found")
    for crd in load(CHART / "crds"):
        bed.kube.remove(*CRD, crd["metadata"]["name"])


def helm(bed: Testbed, which: Build, command: str, *words: str) -> str:
    """Run Helm on the release; ChartError when it fails."""
    chart = [] if command == "uninstall" else [str(CHART), f"--set=image.registry={REGISTRY}"]
    return run_helm(
        [command, RELEASE, *chart, f"--namespace={SYSTEM_NAMESPACE}", *words], which, bed.kubeconfig
    )


@pytest.mark.parametrize("which", sampled([HELM, HELM_3], HELM), ids=lambda one: one.name)
def test_an_install_whose_hook_never_runs_says_so_and_upgrade_install_goes_on(
    bed: Testbed, which: Build
) -> None:
    with pytest.raises(ChartError, match="pre-install"):
        helm(bed, which, "install", "--timeout=3s")
    with pytest.raises(ChartError, match=r"cannot re-?use a name that is still in use"):
        helm(bed, which, "install", "--timeout=3s")
    helm(bed, which, "upgrade", "--install", "--no-hooks")
    assert bed.kube.find("apps/v1", "Deployment", RELEASE, SYSTEM_NAMESPACE)


def test_what_belongs_to_somebody_else_is_a_conflict_with_an_option_around_it(bed: Testbed) -> None:
    for crd in load(CHART / "crds"):
        crd["spec"]["names"]["categories"] = ["of-somebody-else"]
        bed.kube.apply(crd, manager="somebody-else")
    bed.kubectl("apply", "--server-side", "-k", str(CHART.parents[1] / "config" / "manager"))
    with pytest.raises(ChartError, match="conflict"):
        helm(bed, HELM, "install", "--no-hooks")
    again = ["--install", "--no-hooks", "--skip-crds"]
    with pytest.raises(ChartError, match="cannot be imported into the current release: invalid ownership"):
        helm(bed, HELM, "upgrade", *again)
    helm(bed, HELM, "upgrade", *again, "--take-ownership", "--force-conflicts")
