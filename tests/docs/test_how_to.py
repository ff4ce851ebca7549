"""The how-to pages, typed one after the other as they stand, on a cluster that docs/install.md set up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.samples import API_VERSION
from testbed.vaultpki import PkiLayout
from tests.builders import csr_pem
from tests.docs.conftest import MakeShell
from tests.docs.console import RUN, console
from tests.docs.shell import Shell
from tests.unit.docs.pages import blocks

DOCS = REPOSITORY / "docs"
SAMPLES = REPOSITORY / "config" / "samples"
POLICY = "CertificateRequestPolicy"
SAMPLE = next(yaml.safe_load_all((SAMPLES / "policy.yaml").read_text()))["metadata"]["name"]


def typed(shell: Shell, page: str) -> None:
    """Type every block of a page that is ours to run."""
    for block in console(DOCS / page):
        if block.ours:
            shell.type(block)


@pytest.fixture(scope="module")
def installed(bed: Testbed, layout: PkiLayout, terminal: MakeShell) -> Iterator[None]:
    """docs/install.md, and the sample's issuer with a controller that makes it Ready."""
    with ControllerProcess(bed, ["--issuer-check-period=2"]):
        typed(terminal(), "install.md")
        issuer = next(yaml.safe_load_all((SAMPLES / "issuer.yaml").read_text()))
        issuer["spec"]["vault"]["server"] = bed.vault.addr
        bed.kube.apply(issuer)
        bed.kube.wait(API_VERSION, "VaultClusterIssuer", "vault")
        bed.kube.wait(API_VERSION, POLICY, SAMPLE)
        yield


def only_sample(bed: Testbed, *, wanted: bool = True) -> None:
    """Delete the other pages' policies; with `wanted` the one of install.md is there."""
    for one in bed.kube.list(API_VERSION, POLICY):
        bed.kube.delete(API_VERSION, POLICY, one["metadata"]["name"])
    if wanted:
        bed.kube.apply(SAMPLES / "policy.yaml")
        bed.kube.wait(API_VERSION, POLICY, SAMPLE)


def certificate(name: str, namespace: str, host: str, **spec: Any) -> dict[str, Any]:
    """A Certificate as the pages have them."""
    more = {
        "secretName": f"{name}-tls",
        "dnsNames": [host],
        "duration": "24h",
        "usages": ["digital signature", "key encipherment", "server auth"],
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
    }
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            **more,
            "issuerRef": {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": "vault"},
            **spec,
        },
    }


def write_a_policy(bed: Testbed, folder: Path) -> None:
    """Nobody has a policy yet."""
    only_sample(bed, wanted=False)


def waiting_request(bed: Testbed, folder: Path) -> None:
    """A Certificate that waits, as nobody may use the one policy there is."""
    only_sample(bed, wanted=False)
    spec = {
        "selector": {"issuerRef": {"group": "vault-issuer.io", "name": "vault"}},
        "allowed": {
            "dnsNames": {"values": ["*.lab.example.com"]},
            "usages": ["digital signature", "key encipherment", "server auth"],
        },
    }
    bed.create_namespace("shop")
    bed.kube.apply({"apiVersion": API_VERSION, "kind": POLICY, "metadata": {"name": "api"}, "spec": spec})
    bed.kube.wait(API_VERSION, POLICY, "api")
    for one in bed.kube.list("cert-manager.io/v1", "CertificateRequest", "shop"):
        bed.kube.delete("cert-manager.io/v1", "CertificateRequest", one["metadata"]["name"], "shop")
    bed.kube.apply(certificate("api", "shop", "api.lab.example.com"))
    bed.kube.wait("cert-manager.io/v1", "CertificateRequest", "api-1", "shop", until="Ready=False")


def policy(bed: Testbed, folder: Path) -> None:
    """The files that docs/policy.md speaks of, and the request that it asks the cluster about."""
    only_sample(bed)
    shown = blocks(DOCS / "policy.md", "yaml")
    (folder / "policies").mkdir()
    (folder / "requests").mkdir()
    (folder / "policies" / "web.yaml").write_text(shown[0])
    (folder / "web.yaml").write_text(shown[0])
    (folder / "cases.yaml").write_text(shown[2])
    asked = certificate("web", "team-a", "x.team-a.lab.example.com", subject={"organizations": ["Other"]})
    asked["spec"]["issuerRef"]["name"] = "demo"
    (folder / "certificate.yaml").write_text(yaml.safe_dump(asked))
    fine = {**asked, "spec": {**asked["spec"], "subject": {"organizations": ["Example Lab"]}}}
    (folder / "requests" / "web.yaml").write_text(yaml.safe_dump(fine))
    (folder / "requests" / "other-organization.yaml").write_text(yaml.safe_dump(fine))
    (folder / "web.csr").write_bytes(csr_pem("x.team-a.lab.example.com"))
    bed.create_namespace("team-a")
    bed.kube.apply(certificate("web", "team-a", "web.lab.example.com"))
    bed.kube.wait("cert-manager.io/v1", "CertificateRequest", "web-1", "team-a")


def migrate(bed: Testbed, folder: Path) -> None:
    """The page's example as a folder of manifests."""
    (folder / "manifests").mkdir()
    (folder / "manifests" / "all.yaml").write_text(blocks(DOCS / "migrate.md", "yaml")[0])


def status_page(bed: Testbed, folder: Path) -> None:
    """Who is to read the page."""
    bed.service_account_token(SYSTEM_NAMESPACE, "status-reader")


def nothing(bed: Testbed, folder: Path) -> None:
    """Install.md is enough."""
    only_sample(bed)


PREPARED: dict[str, Callable[[Testbed, Path], None]] = {
    "write-a-policy.md": write_a_policy,
    "waiting-request.md": waiting_request,
    "policy.md": policy,
    "migrate.md": migrate,
    "status-page.md": status_page,
}
ELSEWHERE = {
    "tutorial.md",
    "quick-start.md",
    "install.md",
    "auth.md",
    "ca-compromise.md",
    "first-ca.md",
    "existing-ca.md",
}  # have tests of their own, or run first


@pytest.mark.parametrize("page", [page for page in RUN if page not in ELSEWHERE])
def test_the_page_runs_as_it_stands(bed: Testbed, installed: None, terminal: MakeShell, page: str) -> None:
    shell = terminal()
    PREPARED.get(page, nothing)(bed, shell.folder)
    typed(shell, page)
