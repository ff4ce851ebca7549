"""docs/quick-start.md: every command as it stands, on a cluster and a Vault that were there before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.chart import helm
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Options, Testbed
from testbed.controller import ControllerProcess, deployed
from testbed.vaultpki import PkiLayout
from tests.docs.conftest import environment
from tests.docs.console import Block, console
from tests.docs.shell import Shell

PAGE = REPOSITORY / "docs" / "quick-start.md"


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """A cluster with cert-manager and nothing of ours."""
    with Testbed(Options(approver=False, data_dir=tmp_path_factory.mktemp("quick-start"))) as running:
        yield running


def around_helm() -> tuple[list[Block], list[Block]]:
    """The page's blocks up to the one that installs the chart, and those behind it."""
    blocks = [block for block in console(PAGE) if block.ours]
    installs = [any("helm upgrade" in step.script for step in block.steps) for block in blocks].index(True)
    return blocks[: installs + 1], blocks[installs + 1 :]


@pytest.fixture
def shell(bed: Testbed, tmp_path: Path) -> Iterator[Shell]:
    """A terminal with Helm. There is no node, so what the chart's Jobs do isn't waited for."""
    (tmp_path / "vault-ca.pem").write_text(bed.vault.ca_file.read_text())
    found = environment(bed, tmp_path)
    (tmp_path / ".bin" / "helm").symlink_to(helm())
    replaced = {
        "https://vault.example.com:8200": bed.vault.addr,
        "helm upgrade --install": "helm upgrade --install --no-hooks",
    }
    one = Shell(tmp_path, found, replaced)
    yield one
    one.close()


def test_the_quick_start_works_as_it_stands(bed: Testbed, layout: PkiLayout, shell: Shell) -> None:
    before, after = around_helm()
    for block in before:
        shell.type(block)
    with ControllerProcess(bed, install=deployed(bed, SYSTEM_NAMESPACE, "vault-issuer")):
        for block in after:
            shell.type(block)
