"""`kubectl vault-issuer` on a real cluster: requests in every state, and the whole at a glance."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess, grant_issuer_access
from testbed.forking import programs
from testbed.samples import API_VERSION, CERT_MANAGER_ACCOUNT, certificate, policy, use_binding
from testbed.vaultpki import PkiLayout, setup_token
from tests.integration.support.common import (
    CERT_MANAGER,
    LAB,
    REQUEST,
    cluster_issuer_with_token,
    delete_issuer,
    namespaced_issuer_with_token,
    only_policies,
    request,
    wait_answer,
    wait_issued,
    wait_reason,
)
from tests.integration.support.signing_requests import CLUSTER, ask, decide, wait_signed

ISSUER = "plugged"
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """One controller, with a Lease, and one issuer for this module."""
    with ControllerProcess(bed, ["--issuer-check-period=2"], leader_elect=True) as one:
        cluster_issuer_with_token(bed, ISSUER, setup_token(bed.vault, layout.policy))
        # Another test's leader may have been killed, and its Lease has to run out first.
        bed.kube.wait(API_VERSION, "VaultClusterIssuer", ISSUER)
        yield one
        delete_issuer(bed, ISSUER)


def kubectl(bed: Testbed, *words: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`kubectl vault-issuer WORDS`."""
    return plain_kubectl(bed, "vault-issuer", *words, kubeconfig=kubeconfig)


def plain_kubectl(
    bed: Testbed, *words: str, kubeconfig: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """`kubectl WORDS`, with the plugin on PATH."""
    beside = str(Path(sys.executable).parent)
    env = {
        "PATH": os.pathsep.join([str(programs()), beside, "/usr/bin", "/bin"]),
        "HOME": str(bed.directory),
        "KUBECONFIG": str(kubeconfig or bed.kubeconfig),
    }
    return subprocess.run(["kubectl", *words], env=env, capture_output=True, text=True, check=False)


def told(bed: Testbed, code: int, *words: str, kubeconfig: Path | None = None) -> Any:
    """Its JSON, after it ended with that code."""
    done = kubectl(bed, *words, "-o", "json", kubeconfig=kubeconfig)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_an_issued_request_is_shown_up_to_vaults_root(bed: Testbed, namespace: str) -> None:
    with only_policies(bed, policy("web", LAB), *use_binding("web", [CERT_MANAGER_ACCOUNT])):
        bed.kube.apply(certificate("web", namespace, ISSUER, ("web.lab.example.test",)))
        wait_issued(bed, "web-1", namespace)
        found = told(bed, 0, "inspect", "certificate/web", "-n", namespace)
        why = told(bed, 0, "explain", "web-1", "-n", namespace)
        shown = kubectl(bed, "inspect", "web-1", "-n", namespace).stdout
        bed.kube.wait(CERT_MANAGER, "Certificate", "web", namespace)
        # From here on cert-manager may delete web-1: it keeps one request of a Certificate.
        renewed = kubectl(bed, "renew", "web", "-n", namespace)
        assert renewed.returncode == 0, renewed.stdout + renewed.stderr
        wait_issued(bed, "web-2", namespace)
    assert found["request"]["name"] == "web-1"
    assert found["request"]["requester"]["username"] == "system:serviceaccount:cert-manager:cert-manager"
    assert found["decision"]["by"] == "policy"
    assert "web" in found["decision"]["message"]
    assert found["csr"]["names"] == ["DNS name web.lab.example.test"]
    assert found["specDifferences"] == found["trouble"] == found["notShown"] == []
    assert found["certificate"]["names"] == ["DNS web.lab.example.test"]
    assert found["certificate"]["authorityKeyId"]
    chain = found["chain"]
    assert (chain["holds"], chain["complete"], len(chain["certificates"])) == (True, True, 3)
    assert all(one["signature"].endswith("verified") for one in chain["certificates"])
    assert why["why"][0].startswith("it has its certificate: Issued by")
    assert found["certificate"]["serial"] in shown
    assert "PRIVATE KEY" not in shown + json.dumps(found)


def test_a_waiting_request_is_explained_and_the_advice_works(
    bed: Testbed, namespace: str, tmp_path: Path
) -> None:
    with only_policies(bed):
        request(bed, "early", namespace, ISSUER)
        wait_answer(bed, "early", namespace, "Pending")
        why = told(bed, 1, "explain", "early", "-n", namespace)
        assert "no policy applies to it" in why["why"]
        assert told(bed, 0, "inspect", "early", "-n", namespace)["certificate"] is None
        file = tmp_path / "advice.yaml"
        assert why["do"][0]["yaml"]
        file.write_text(kubectl(bed, "explain", "early", "-n", namespace, "--yaml-only").stdout)
        bed.kubectl("apply", "-f", str(file))
        wait_issued(bed, "early", namespace)
        told(bed, 0, "explain", "early", "-n", namespace)


def test_a_denied_request_names_what_no_policy_allows(bed: Testbed, namespace: str) -> None:
    other = {**LAB, "dnsNames": {"values": ["*.other.example.test"]}}
    everybody = {"kind": "Group", "name": "system:authenticated", "apiGroup": RBAC}
    with only_policies(bed, policy("other", other), *use_binding("other", [everybody])):
        request(bed, "no", namespace, ISSUER)
        wait_answer(bed, "no", namespace, "Denied")
        why = told(bed, 1, "explain", "no", "-n", namespace)
        assert why["state"]["state"] == "Denied"
        assert "no.lab.example.test" in why["do"][0]["yaml"]
        assert told(bed, 0, "inspect", "no", "-n", namespace)["decision"]["decided"] == "Denied"
        shown = kubectl(bed, "explain", "no", "-n", namespace).stdout
    assert "no.lab.example.test" in shown
    assert "What to do" in shown


def test_a_failed_request_says_what_failed(bed: Testbed, namespace: str) -> None:
    request(bed, "bad", namespace, ISSUER, isCA=True)
    wait_answer(bed, "bad", namespace, "Failed")
    why = told(bed, 1, "explain", "bad", "-n", namespace)
    assert "spec.isCA" in why["why"][0]
    assert "Make a new request" in why["do"][-1]["text"]


def test_a_kubernetes_request_is_inspected_and_explained(bed: Testbed, namespace: str) -> None:
    name = f"of-{namespace}"[:60].rstrip("-")
    ask(bed.kube, name, f"{CLUSTER}/{ISSUER}")
    why = told(bed, 1, "explain", f"csr/{name}")
    assert why["do"][0]["command"] == f"kubectl certificate approve {name}"
    decide(bed, name)
    wait_signed(bed, name)
    found = told(bed, 0, "inspect", f"csr/{name}")
    assert (found["chain"]["holds"], found["chain"]["complete"]) == (True, False)
    assert found["decision"]["by"] == "another approver"


def test_status_tells_all_and_a_broken_issuer_and_the_waiting(
    bed: Testbed, namespace: str, controller: ControllerProcess
) -> None:
    found = json.loads(kubectl(bed, "status", "-o", "json").stdout)
    issuer = next(one for one in found["issuers"] if one["name"] == ISSUER)
    assert (issuer["ready"], issuer["path"]) == (True, "pki_int/sign/lab")
    assert issuer["caNotAfter"]
    ours = [one for one in found["controllers"] if one["namespace"] == SYSTEM_NAMESPACE]
    # Replicas of other tests have left their Leases, which nobody holds.
    assert [one["leads"] for one in ours if one["lease"] == "vault-issuer"] == [True]
    assert [one["name"] for one in found["policies"]] == ["everything"]
    broken = f"broken-{namespace}"[:60].rstrip("-")
    cluster_issuer_with_token(bed, broken, "not-a-token")
    try:
        wait_reason(bed, broken, "LoginFailed")
        request(bed, "stuck", namespace, broken)
        wait_answer(bed, "stuck", namespace, "Pending")
        found = told(bed, 1, "status", "-n", namespace)
        assert found["requests"][REQUEST] == {"Issued": 0, "Waiting": 1, "Denied": 0, "Failed": 0}
        assert [one["name"] for one in found["waiting"]] == ["stuck"]
        not_ready = f'VaultClusterIssuer "{broken}" is not Ready'
        assert any(one.startswith(not_ready) for one in found["attention"])
        why = told(bed, 1, "explain", "stuck", "-n", namespace)
        assert any("is not Ready (LoginFailed)" in one for one in why["why"])
        shown = kubectl(bed, "status").stdout
        assert "Needs attention" in shown
        assert ISSUER in shown
    finally:
        delete_issuer(bed, broken)
        bed.kube.delete(CERT_MANAGER, REQUEST, "stuck", namespace)


def marks(found: Any) -> dict[str, str]:
    """The marks of an account's items."""
    return {one["name"]: one["mark"] for one in found["items"]}


def test_an_issuer_is_tried_live_part_by_part(bed: Testbed, layout: PkiLayout, namespace: str) -> None:
    found = told(bed, 0, "explain", f"VaultClusterIssuer/{ISSUER}")
    parts = ("Credentials", "Server", "Path", "Login", "Role", "Capability", "Live", "CA chain")
    assert {marks(found)[one] for one in parts} == {"ok"}, found["items"]
    assert found["live"] == {"tried": True, "notTried": "", "ok": True, "reason": "", "message": ""}
    assert told(bed, 0, "explain", "vci", ISSUER, "--no-live")["live"]["tried"] is False
    assert told(bed, 0, "inspect", f"vaultclusterissuers.vault-issuer.io/{ISSUER}")["live"]["tried"] is False
    grant_issuer_access(bed, namespace, secrets=["own-token"])
    namespaced_issuer_with_token(bed, "own", namespace, setup_token(bed.vault, layout.policy))
    bed.kube.wait(API_VERSION, "VaultIssuer", "own", namespace)
    own = told(bed, 0, "explain", "vi/own", "-n", namespace)
    assert (own["live"]["ok"], marks(own)["Login"]) == (True, "ok")
    delete_issuer(bed, "own", namespace)
    wrong = f"wrong-{namespace}"[:60].rstrip("-")
    cluster_issuer_with_token(bed, wrong, setup_token(bed.vault, layout.policy), path="pki_int/sign/other")
    try:
        wait_reason(bed, wrong, "PermissionDenied")
        found = told(bed, 1, "explain", f"vci/{wrong}")
        (failed,) = [one for one in found["items"] if one["name"] == "Capability"]
        assert (failed["mark"], "PermissionDenied: " in failed["text"]) == ("failed", True)
        assert 'path "pki_int/sign/other" { capabilities = ["update"] }' in failed["cure"]["command"]
        assert marks(found)["Login"] == marks(found)["Role"] == "ok"
        assert found["live"]["reason"] == "PermissionDenied"
    finally:
        delete_issuer(bed, wrong)


def test_who_may_not_read_its_secret_sees_what_the_controller_found(bed: Testbed, namespace: str) -> None:
    meta = {"name": f"reads-issuers-{namespace}"[:60].rstrip("-")}
    ours = {"apiGroups": ["vault-issuer.io"], "resources": ["vaultclusterissuers"], "verbs": ["get"]}
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list"]}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": meta, "rules": [ours, leases]}
    subject = {"kind": "ServiceAccount", "name": "looker", "namespace": namespace}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": meta["name"]}
    kubeconfig = bed.service_account_kubeconfig(namespace, "looker")
    bound = {"roleRef": reference, "subjects": [subject], "metadata": meta}
    bed.kube.apply([role, {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRoleBinding", **bound}])
    done = kubectl(bed, "explain", f"vci/{ISSUER}", kubeconfig=kubeconfig)
    text = " ".join(done.stdout.split())
    assert done.returncode == 0, text + done.stderr
    assert f'not tried Live you may not read Secret "{ISSUER}-token"' in text
    assert "the controller's last check" in text
    assert "requests may not be read" in text


def test_certificates_policies_and_secrets_are_explained_and_inspected(bed: Testbed, namespace: str) -> None:
    name = f"web-{namespace}"[:60].rstrip("-")
    with only_policies(bed, policy(name, LAB), *use_binding(name, [CERT_MANAGER_ACCOUNT])):
        bed.kube.apply(certificate("web", namespace, ISSUER, ("web.lab.example.test",)))
        bed.kube.wait(CERT_MANAGER, "Certificate", "web", namespace)
        found = told(bed, 0, "explain", f"certificaterequestpolicies.vault-issuer.io/{name}")
        assert marks(found)["Use"] == marks(found)["Issuers"] == marks(found)["Ready"] == "ok"
        assert [one["name"] for one in found["approved"]["last"]] == ["web-1"]
        held = told(bed, 0, "inspect", "secret/web-tls", "-n", namespace)
        assert held["certificate"]["names"] == ["DNS web.lab.example.test"]
        wanted = {"Certificate", "Private key", "Order", "Chain", "CA"}
        assert {one for one, mark in marks(held).items() if mark == "ok"} == wanted, held["items"]
        printed = kubectl(bed, "inspect", "Secret", "web-tls", "-n", namespace).stdout
        assert f'VaultClusterIssuer "{ISSUER}"' in printed
        assert "PRIVATE KEY" not in printed + json.dumps(held)
        bed.kube.delete(CERT_MANAGER, REQUEST, "web-1", namespace)
        alone = told(bed, 0, "explain", "cert/web", "-n", namespace)
        assert marks(alone)["Request"] == marks(alone)["Issuer"] == "ok"


def test_who_may_read_little_sees_that_and_what_is_missing(bed: Testbed, namespace: str) -> None:
    request(bed, "seen", namespace, ISSUER)
    wait_issued(bed, "seen", namespace)
    meta = {"name": "reads-requests", "namespace": namespace}
    rule = {"apiGroups": ["cert-manager.io"], "resources": ["certificaterequests"], "verbs": ["get", "list"]}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": [rule]}
    subject = {"kind": "ServiceAccount", "name": "tenant", "namespace": namespace}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": "reads-requests"}
    binding = {**role, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]}
    del binding["rules"]
    kubeconfig = bed.service_account_kubeconfig(namespace, "tenant")
    bed.kube.apply([role, binding])
    found = told(bed, 0, "inspect", "seen", "-n", namespace, kubeconfig=kubeconfig)
    assert found["chain"]["holds"]
    assert any("get of vaultclusterissuers.vault-issuer.io" in one for one in found["notShown"])
    overview = told(bed, 1, "status", "-n", namespace, kubeconfig=kubeconfig)
    assert overview["requests"][REQUEST]["Issued"] == 1
    assert any("list of leases.coordination.k8s.io" in one for one in overview["notShown"])
    refused = kubectl(bed, "inspect", "seen", "-n", "default", kubeconfig=kubeconfig)
    assert refused.returncode == 2
    assert "the cluster refuses" in refused.stderr


def test_what_is_not_there_and_bad_input_are_told(bed: Testbed, namespace: str) -> None:
    missing = kubectl(bed, "inspect", "nobody", "-n", namespace)
    assert missing.returncode == 2
    assert f'there is no CertificateRequest "nobody" in namespace "{namespace}"' in missing.stderr
    assert kubectl(bed, "explain", "secret/x").returncode == 2
    nowhere = kubectl(bed, "status", "-n", "nowhere")
    assert nowhere.returncode == 2, nowhere.stdout
    assert 'there is no namespace "nowhere"' in nowhere.stderr


def test_kubectl_completes_the_names_of_requests(bed: Testbed, namespace: str) -> None:
    request(bed, "completed", namespace, ISSUER)
    done = plain_kubectl(bed, "__complete", "vault-issuer", "inspect", "-n", namespace, "comp")
    assert done.stdout.splitlines()[0] == "completed"
