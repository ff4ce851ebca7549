"""`vault-issuer policy explain --cluster` says what the controller then does, and its advice works."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.forking import run_command
from testbed.samples import CERT_MANAGER_ACCOUNT, certificate, policy, use_binding
from testbed.vaultpki import PkiLayout, setup_token
from tests.integration.support.common import (
    CERT_MANAGER,
    LAB,
    REQUEST,
    cluster_issuer_with_token,
    condition,
    delete_issuer,
    only_policies,
    wait_answer,
    wait_issued,
    wait_ready,
)

ISSUER = "explained"


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """One controller and one issuer for this module."""
    with ControllerProcess(bed) as one:
        cluster_issuer_with_token(bed, ISSUER, setup_token(bed.vault, layout.policy))
        wait_ready(bed, ISSUER)
        yield one
        delete_issuer(bed, ISSUER)


def explain(bed: Testbed, file: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the command as an administrator of the cluster."""
    words = ("policy", "explain", "--cluster", f"--kubeconfig={bed.kubeconfig}", "-f")
    return run_command(*words, file, *more)


def decided(bed: Testbed, file: Path) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON."""
    done = explain(bed, file, "-o", "json")
    return done.returncode, json.loads(done.stdout)


def test_its_decision_is_the_controllers_and_its_advice_works(
    bed: Testbed, namespace: str, tmp_path: Path
) -> None:
    file = tmp_path / "certificate.yaml"
    wanted = certificate(
        "web", namespace, ISSUER, ("web.lab.example.test",), subject={"organizations": ["Lab"]}
    )
    file.write_text(yaml.safe_dump(wanted))
    with only_policies(bed):
        code, told = decided(bed, file)
        assert (code, told["decision"], told["policies"]) == (2, "Unprocessed", [])
        bed.kube.apply(wanted)
        wait_answer(bed, "web-1", namespace, "Pending")

        bed.kube.apply(policy("explained", LAB))
        code, told = decided(bed, file)
        assert (code, told["policies"][0]["reason"]) == (2, "rbac")
        assert "kind: RoleBinding" in explain(bed, file).stdout

        bed.kube.apply(use_binding("explained", [CERT_MANAGER_ACCOUNT]))
        code, told = decided(bed, file)
        [violation] = told["policies"][0]["violations"]
        assert (code, told["decision"]) == (1, "Denied")
        assert violation["field"].startswith("spec.allowed.subject.organizations")
        denied = condition(wait_answer(bed, "web-1", namespace, "Denied"), "Denied")
        assert violation["field"] in denied["message"]

        allowed = {**LAB, "subject": {"organizations": {"values": ["Lab"]}}}
        bed.kube.apply(policy("explained", allowed))
        code, told = decided(bed, file)
        assert (code, told["decision"], told["policy"]) == (0, "Approved", "explained")
        bed.kube.delete(CERT_MANAGER, REQUEST, "web-1", namespace)
        bed.kube.delete(CERT_MANAGER, "Certificate", "web", namespace)
        bed.kube.apply({**wanted, "metadata": {"name": "again", "namespace": namespace}})
        wait_issued(bed, "again-1", namespace)


def test_a_request_of_the_cluster_is_explained_with_the_requester_it_was_stamped_with(
    bed: Testbed, namespace: str, tmp_path: Path
) -> None:
    with only_policies(bed, policy("explained", LAB), *use_binding("explained", [CERT_MANAGER_ACCOUNT])):
        bed.kube.apply(certificate("mine", namespace, ISSUER, ("mine.lab.example.test",)))
        issued = wait_issued(bed, "mine-1", namespace)
        file = tmp_path / "request.yaml"
        file.write_text(yaml.safe_dump(issued))
        code, told = decided(bed, file)
    assert (code, told["policy"]) == (0, "explained")


def test_the_policies_of_a_cluster_are_linted_beside_what_it_has(bed: Testbed, namespace: str) -> None:
    def selecting(name: str, issuer: str) -> dict[str, Any]:
        return policy(name, LAB, selector={"issuerRef": {"group": "vault-issuer.io", "name": issuer}})

    bound = use_binding("fits", [CERT_MANAGER_ACCOUNT])
    with only_policies(bed, selecting("fits", ISSUER), selecting("typo", namespace), *bound):
        done = run_command("policy", "lint", "--cluster", f"--kubeconfig={bed.kubeconfig}", "-o", "json")
    findings = json.loads(done.stdout)["findings"]
    found = [(one["policy"], one["message"]) for one in findings if one["level"] == "warning"]
    assert done.returncode == 0
    assert ("typo", "selects no issuer that exists") in found
    assert any(name == "typo" and "nobody but administrators" in message for name, message in found)
    assert {name for name, _ in found} == {"typo"}


def test_trust_shows_the_root_of_an_issuer_and_of_its_mount(bed: Testbed, layout: PkiLayout) -> None:
    root = x509.load_pem_x509_certificate(layout.root_pem.encode()).fingerprint(SHA256()).hex()
    home = f"--cluster-resource-namespace={SYSTEM_NAMESPACE}"
    by_issuer = ("--issuer", f"VaultClusterIssuer/{ISSUER}", f"--kubeconfig={bed.kubeconfig}", home)
    url = f"{bed.vault.addr}/v1/{layout.mount}/ca_chain"
    for source in (by_issuer, (url,)):
        done = run_command("trust", "show", *source, "--sha256", root, "-o", "pem")
        assert (done.stdout.strip(), done.returncode) == (layout.root_pem.strip(), 0), done.stderr
