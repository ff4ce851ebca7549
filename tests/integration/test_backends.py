"""A backend from another distribution: issues beside Vault where the operator names it, and only there."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from testbed.chart import render
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess, Install
from testbed.forking import vault_issuer
from testbed.kube import Object, load
from testbed.processes import free_port
from testbed.samples import EVERYBODY, certificate, policy, use_binding
from testbed.vaultpki import DOMAIN, PkiLayout, setup_token
from tests.builders import csr_pem
from tests.ca import TestCA, pem
from tests.integration.support.common import (
    ADMISSION,
    CERT_MANAGER,
    cluster_issuer_with_token,
    condition,
    delete_issuer,
    ready,
    request,
    request_object,
    wait_answer,
    wait_issued,
    wait_ready,
)
from tests.integration.support.signing_requests import ask, decide, wait_signed
from tests.integration.test_status_page import fetch, until
from tests.unit.docs.pages import blocks

EXAMPLE = REPOSITORY / "tests" / "example_backend"
PAGE = REPOSITORY / "docs" / "write-a-backend.md"
GROUP, VERSION = "example.test", "example.test/v1"
TEAM = "backends"
VAULT = "beside"
SECRET = "example-ca"
# The values of the chart, and an issuer with a Certificate, as the page has them.
[VALUES], SHOWN = (list(yaml.safe_load_all(one)) for one in blocks(PAGE, "yaml"))
CRDS = load(EXAMPLE / "crds.yaml")
# Who installs the chart makes these; the rest of it stands for the process that a test starts.
GRANTED = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
GUARD = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


@dataclass(frozen=True, slots=True)
class Installed:
    """A cluster with the example's CRDs, its CA's Secrets and a policy; and the distribution's folder."""

    bed: Testbed
    ca: TestCA
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which Python finds the distribution."""
        return {"PYTHONPATH": str(self.folder)}

    def issuer(self, kind: str, name: str = "ca") -> Object:
        """Apply an issuer that signs with that CA."""
        namespace = {"namespace": TEAM} if kind == "ExampleIssuer" else {}
        found: Object = {
            "apiVersion": VERSION,
            "kind": kind,
            "metadata": {"name": name, **namespace},
            "spec": {"caSecretName": SECRET},
        }
        self.bed.kube.apply(found)
        return found

    def wait_ready(self, kind: str, name: str = "ca") -> Object:
        """Wait until that issuer is Ready."""
        return self.bed.kube.wait(VERSION, kind, name, TEAM if kind == "ExampleIssuer" else None)

    def request(self, name: str, kind: str, csr: bytes | None = None) -> None:
        """Create a CertificateRequest for an issuer `ca` of that kind."""
        made = request_object(name, TEAM, "ca", kind=kind, csr=csr)
        made["spec"]["issuerRef"]["group"] = GROUP
        self.bed.kube.create(made)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `vault-issuer WORDS --backends example`, as an administrator."""
        return subprocess.run(
            [vault_issuer(), *words, "--backends", "example", f"--kubeconfig={self.bed.kubeconfig}"],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(self.bed.directory), **self.environment},
        )

    def told(self, codes: set[int], *words: str) -> Any:
        """Return a command's JSON, after it ended with one of these codes."""
        done = self.run(*words, "-o", "json")
        assert done.returncode in codes, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def installed(
    bed: Testbed, layout: PkiLayout, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installed]:
    """All but the controller; taken away in the end."""
    found = Installed(bed, TestCA.make(datetime.now(UTC)), install(tmp_path_factory.mktemp("example")))
    key = found.ca.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    bed.create_namespace(TEAM)
    bed.kube.apply(CRDS)
    for crd in CRDS:
        bed.kube.wait(crd["apiVersion"], crd["kind"], crd["metadata"]["name"], until="Established")
    for namespace in (SYSTEM_NAMESPACE, TEAM):
        bed.kube.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "kubernetes.io/tls",
                "metadata": {"name": SECRET, "namespace": namespace},
                "stringData": {"tls.crt": pem(found.ca.intermediate), "tls.key": key},
            }
        )
    names = {"values": [f"*.{DOMAIN}"]}
    allowed = {"dnsNames": names, "usages": ["digital signature", "key encipherment", "server auth"]}
    bed.kube.apply(
        [
            policy("example", allowed, selector={"issuerRef": {"group": GROUP}}),
            *use_binding("example", [EVERYBODY]),
        ]
    )
    cluster_issuer_with_token(bed, VAULT, setup_token(bed.vault, layout.policy))
    yield found
    delete_issuer(bed, VAULT)
    for one in bed.kube.list(CERT_MANAGER, "Certificate", TEAM):
        bed.kube.delete(CERT_MANAGER, "Certificate", one["metadata"]["name"], TEAM)
    bed.kube.delete("vault-issuer.io/v1alpha1", "CertificateRequestPolicy", "example")
    for crd in CRDS:
        bed.kube.delete(crd["apiVersion"], crd["kind"], crd["metadata"]["name"])


def install(folder: Path) -> Path:
    """Install the example's distribution into a folder of its own, as `pip install --target` does."""
    source = folder / "source"
    shutil.copytree(EXAMPLE, source)
    target = folder / "site"
    words = ["--no-deps", "--no-build-isolation", "--offline", f"--target={target}", str(source)]
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "pip", "install", f"--python={sys.executable}", *words], check=True)
    return target


@dataclass(frozen=True, slots=True)
class Serving:
    """A controller that has loaded the example."""

    process: ControllerProcess
    page: str


@pytest.fixture(scope="module")
def serving(installed: Installed) -> Iterator[Serving]:
    """One controller with the rights, admission policy and arguments that the chart gives for `backends`."""
    bed, port = installed.bed, free_port()
    chart = render(
        {
            **VALUES,
            "admissionPolicy": {"enabled": True},
            "clusterIssuers": {"secrets": [*VALUES["clusterIssuers"]["secrets"], f"{VAULT}-token"]},
        }
    )
    bed.kube.apply([one for one in chart if one["kind"] in (*GRANTED, *GUARD)])
    [deployment] = [one for one in chart if one["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    arguments = pod["containers"][0]["args"]
    assert "--backends=example" in arguments
    page = f"127.0.0.1:{port}"
    with ControllerProcess(
        bed,
        ["--issuer-check-period=2", f"--status-address={page}"],
        install=Install(SYSTEM_NAMESPACE, pod["serviceAccountName"], arguments),
        env=installed.environment,
    ) as process:
        wait_ready(bed, VAULT)
        for kind in ("ExampleIssuer", "ExampleClusterIssuer"):
            installed.issuer(kind)
            installed.wait_ready(kind)
        yield Serving(process, f"http://{page}")
    bed.kube.apply(ADMISSION)


def test_without_the_flag_its_issuers_and_requests_are_left_alone(installed: Installed) -> None:
    bed = installed.bed
    with ControllerProcess(bed, ["--issuer-check-period=2"], env=installed.environment) as controller:
        installed.issuer("ExampleClusterIssuer", "ignored")
        installed.request("ignored", "ExampleClusterIssuer")
        request(bed, "seen", TEAM, VAULT)
        wait_ready(bed, VAULT)
        wait_issued(bed, "seen", TEAM)
        log = controller.log.read_text()
    assert "status" not in bed.kube.get(VERSION, "ExampleClusterIssuer", "ignored")
    found = bed.kube.get(CERT_MANAGER, "CertificateRequest", "ignored", TEAM)
    assert not condition(found, "Ready")
    assert "backend loaded" not in log
    bed.kube.delete(CERT_MANAGER, "CertificateRequest", "ignored", TEAM)
    bed.kube.delete(VERSION, "ExampleClusterIssuer", "ignored")


def test_both_kinds_issue_for_cert_manager_beside_vault(installed: Installed, serving: Serving) -> None:
    bed = installed.bed
    issuers = {"ExampleIssuer": "ca", "ExampleClusterIssuer": "ca", "VaultClusterIssuer": VAULT}
    for kind, issuer in issuers.items():
        name = kind.lower()
        made = certificate(name, TEAM, issuer, (f"{name}.{DOMAIN}",), kind=kind)
        made["spec"]["issuerRef"]["group"] = "vault-issuer.io" if issuer == VAULT else GROUP
        bed.kube.apply(made)
    for kind in issuers:
        bed.kube.wait(CERT_MANAGER, "Certificate", kind.lower(), TEAM)
    for kind in ("ExampleIssuer", "ExampleClusterIssuer"):
        leaf = x509.load_pem_x509_certificate(delivered(bed, kind.lower()))
        leaf.verify_directly_issued_by(installed.ca.intermediate)
        status = installed.wait_ready(kind)["status"]
        assert set(status) == {"conditions", "caNotAfter"}
        assert ready({"status": status})["message"] == "example is ready to sign"
    log = [json.loads(line) for line in serving.process.log.read_text().splitlines() if line[:1] == "{"]
    [loaded] = [line for line in log if line["event"] == "backend loaded"]
    assert (loaded["distribution"], loaded["version"]) == ("vault-issuer-example-backend", "0.1.0")
    assert loaded["file"] == str(installed.folder / "example_backend.py")


def test_the_pages_issuer_and_certificate_are_served(installed: Installed, serving: Serving) -> None:
    installed.bed.kube.apply(SHOWN)
    installed.bed.kube.wait(CERT_MANAGER, "Certificate", "web", TEAM)


def delivered(bed: Testbed, name: str) -> bytes:
    """Return the first certificate of a Certificate's Secret, in PEM."""
    return base64.b64decode(bed.kube.get("v1", "Secret", f"{name}-tls", TEAM)["data"]["tls.crt"])


def test_policies_deny_and_the_ca_refuses_as_for_every_issuer(installed: Installed, serving: Serving) -> None:
    bed = installed.bed
    installed.request("denied", "ExampleIssuer", csr_pem("www.example.com"))
    installed.request("refused", "ExampleIssuer", csr_pem())
    denied = wait_answer(bed, "denied", TEAM, "Denied")
    assert condition(denied, "Denied")["status"] == "True"
    refused = wait_answer(bed, "refused", TEAM, "Failed")
    assert "NoNames: the request names nothing" in ready(refused)["message"]
    found = installed.told({1}, "explain", "denied", "-n", TEAM)
    assert "www.example.com" in json.dumps(found)


@pytest.mark.parametrize("signer", [f"exampleissuers.{GROUP}/{TEAM}.ca", f"exampleclusterissuers.{GROUP}/ca"])
def test_a_csr_of_kubernetes_is_signed_by_its_signer_name(
    installed: Installed, serving: Serving, signer: str
) -> None:
    name = f"example-{signer.partition('.')[0]}"
    ask(installed.bed.kube, name, signer)
    decide(installed.bed, name)
    [leaf, *_] = wait_signed(installed.bed, name)
    leaf.verify_directly_issued_by(installed.ca.intermediate)


def test_commands_and_the_page_know_its_issuers(installed: Installed, serving: Serving) -> None:
    bed = installed.bed
    installed.request("shown", "ExampleIssuer")
    wait_issued(bed, "shown", TEAM)
    page = until(lambda: fetch(serving.page), lambda _, text: "ExampleClusterIssuer" in text)
    assert f"{TEAM}/ca" in page
    overview = json.dumps(installed.told({0, 1}, "status"))
    assert "ExampleIssuer" in overview
    inspected = installed.told({0}, "inspect", "shown", "-n", TEAM)
    assert inspected["request"]["name"] == "shown"
    explained = json.dumps(installed.told({0}, "explain", "shown", "-n", TEAM))
    assert "ExampleIssuer" in explained
    canary = installed.run(
        "canary", f"ExampleIssuer/{TEAM}/ca", f"--dns-name=canary.{DOMAIN}", f"--namespace={TEAM}"
    )
    assert canary.returncode == 0, canary.stdout + canary.stderr
