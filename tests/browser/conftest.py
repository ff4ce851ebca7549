"""A real cluster with something of everything, a controller that serves the page, and a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed.chromium import Page, chromium, find_chromium
from testbed.cluster import Options, Testbed
from testbed.controller import ControllerProcess, grant_issuer_access
from testbed.labca import setup_pki
from testbed.processes import free_port
from testbed.samples import API_VERSION
from testbed.scene import certificates, edge_certificates, prepare
from testbed.vaultpki import setup_kubernetes_auth
from tests.builders import csr_pem
from tests.integration.support.common import CERT_MANAGER, request, wait_answer


@pytest.fixture(scope="session")
def program() -> str:
    """The browser; without one the tests are skipped before anything else is started."""
    found = find_chromium()
    if found is None:
        pytest.skip("there is no Chromium: `make test-browser` installs Debian's, as root")
    return found


@dataclass
class World:
    """The cluster, and where the page is."""

    bed: Testbed
    controller: ControllerProcess
    url: str


@pytest.fixture(scope="session")
def world(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Issuers, requests of every outcome, Certificates, and the page on loopback."""
    with Testbed(Options(approver=False, data_dir=tmp_path_factory.mktemp("testbed"))) as bed:
        bed.install_crds()
        setup_kubernetes_auth(bed)
        prepare(bed, setup_pki(bed.vault))
        grant_issuer_access(bed, "edge", secrets=["edge-token"])
        port = free_port()
        arguments = ["--issuer-check-period=2", f"--status-address=127.0.0.1:{port}"]
        with ControllerProcess(bed, arguments) as controller:
            for name in ("vault", "legacy"):
                until = "Ready" if name == "vault" else "Ready=False"
                bed.kube.wait(API_VERSION, "VaultClusterIssuer", name, until=until)
            bed.kube.apply([*certificates(6), *edge_certificates()])
            for one in ("web-1", "api-1"):
                bed.kube.wait(CERT_MANAGER, "Certificate", one, "shop" if one == "web-1" else "payments")
            request(bed, "denied", "shop", "vault", csr=csr_pem("www.example.com"))
            wait_answer(bed, "denied", "shop", "Denied")
            for number in range(3):
                request(bed, f"waits-{number}", "payments", "legacy")
            wait_answer(bed, "waits-2", "payments", "Pending")
            yield World(bed, controller, f"http://127.0.0.1:{port}")


@pytest.fixture
async def page(program: str, tmp_path: Path) -> AsyncIterator[Page]:
    """A tab of 1,280 pixels in a browser of its own."""
    async with chromium(program, tmp_path) as browser:
        tab = await browser.page()
        await tab.size(1280)
        yield tab
