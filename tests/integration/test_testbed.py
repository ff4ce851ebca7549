"""The testbed is what it says: real servers, real TLS, real admission, and nothing that outlives it."""

from __future__ import annotations

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from testbed.cache import memory_directory
from testbed.cluster import REPOSITORY, Options, Testbed
from testbed.errors import HTTPError, TestbedError
from testbed.forking import ForkServer
from testbed.kube import Kube, Object
from testbed.openbao import MEMORY_MB, OpenBao
from testbed.processes import PATIENCE, Process, free_port
from testbed.running import current, down, furnish, up
from testbed.vaultpki import PkiLayout, setup_approle, setup_kubernetes_role, setup_policy, setup_token
from tests.sizes import LONGER, sampled
from tests.unit.docs.pages import documents

BARE = Options(cert_manager=False, webhook=False, vault=False)


def csr(*names: str) -> str:
    """A PEM CSR with DNS names and a fresh key."""
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = builder.add_extension(alternatives, critical=False).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def certificate_request(namespace: str, name: str, pem: str, **issuer: str) -> Object:
    """A CertificateRequest for a cluster issuer of ours."""
    reference = {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": "demo", **issuer}
    request = base64.b64encode(pem.encode()).decode()
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"request": request, "issuerRef": reference},
    }


def alive(pid: int) -> bool:
    """Whether a process exists and isn't a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def gone(pids: list[int], seconds: float = PATIENCE) -> bool:
    """Whether all processes end within some seconds."""
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(alive(pid) for pid in pids)


def test_api_server_is_kubernetes_with_rbac(bed: Testbed, namespace: str) -> None:
    assert bed.kube.version().startswith("v1.")
    nobody = bed.kube_as(namespace, "nobody")
    with pytest.raises(HTTPError) as refused:
        nobody.list("v1", "Secret", namespace)
    assert refused.value.status == 403


def test_kubeconfig_works_for_kubectl(bed: Testbed) -> None:
    assert "certificates.cert-manager.io" in bed.kubectl("get", "crd", "--output=name")
    assert bed.kubeconfig.stat().st_mode & 0o077 == 0


def test_servers_are_not_trusted_without_their_own_ca(bed: Testbed) -> None:
    for url in (f"{bed.server}/version", f"{bed.vault.addr}/v1/sys/health"):
        with pytest.raises(urllib.error.URLError) as refused:
            urllib.request.urlopen(url, timeout=10)
        assert isinstance(refused.value.reason, ssl.SSLCertVerificationError)
    with pytest.raises(TestbedError, match="certificate verify failed"):
        Kube(bed.server, bed.vault.ca_file, bed.token).version()


def test_webhook_stamps_who_asked(bed: Testbed, namespace: str) -> None:
    bed.kube.apply(may_create_requests(namespace, "asker"))
    asker = bed.kube_as(namespace, "asker")
    made = asker.create(certificate_request(namespace, "stamped", csr("a.lab.example.test")))
    assert made["spec"]["username"] == f"system:serviceaccount:{namespace}:asker"
    assert f"system:serviceaccounts:{namespace}" in made["spec"]["groups"]


def may_create_requests(namespace: str, name: str) -> list[Object]:
    """A ServiceAccount that may create CertificateRequests in its namespace."""
    group, meta = "rbac.authorization.k8s.io", {"name": name, "namespace": namespace}
    rule = {"apiGroups": ["cert-manager.io"], "resources": ["certificaterequests"], "verbs": ["create"]}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", **meta}],
        },
    ]


def test_webhook_refuses_what_is_no_csr(bed: Testbed, namespace: str) -> None:
    with pytest.raises(HTTPError, match=r"admission webhook .* denied") as refused:
        bed.kube.create(certificate_request(namespace, "garbage", "not a request"))
    assert refused.value.status in (400, 403, 422)


@LONGER
def test_approver_approves_requests_for_our_issuers_where_it_may() -> None:
    with Testbed(Options(vault=False, approver=True)) as granting:
        granting.install_crds()
        granting.kube.create(certificate_request("default", "approved", csr("a.lab.example.test")))
        approved = granting.kube.wait(
            "cert-manager.io/v1", "CertificateRequest", "approved", "default", until="Approved"
        )
    assert approved["status"]["conditions"][0]["reason"] == "cert-manager.io"


def test_certificate_becomes_a_request(bed: Testbed, namespace: str) -> None:
    reference = {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": "nobody"}
    spec = {"secretName": "web", "dnsNames": ["web.lab.example.test"], "issuerRef": reference}
    meta = {"name": "web", "namespace": namespace}
    bed.kube.apply(
        {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": meta, "spec": spec}
    )
    request = bed.kube.wait("cert-manager.io/v1", "CertificateRequest", "web-1", namespace, until=bool)
    assert request["spec"]["username"] == "system:serviceaccount:cert-manager:cert-manager"


def test_openbao_signs_and_chains_to_the_root(bed: Testbed, layout: PkiLayout) -> None:
    token = setup_token(bed.vault, layout.policy)
    signed = bed.vault.write(layout.sign_path, {"csr": csr("web.lab.example.test")}, token=token)
    leaf, intermediate, root = (
        x509.load_pem_x509_certificate(pem.encode())
        for pem in (signed["certificate"], layout.intermediate_pem, layout.root_pem)
    )
    leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    assert len(signed["ca_chain"]) == 2
    bed.vault.write(f"{layout.mount}/revoke", {"serial_number": signed["serial_number"]}, token=token)


def test_policy_allows_signing_with_its_role_only(bed: Testbed, layout: PkiLayout) -> None:
    token = setup_token(bed.vault, setup_policy(bed.vault, layout.mount, "other"))
    with pytest.raises(HTTPError, match="permission denied"):
        bed.vault.write(layout.sign_path, {"csr": csr("web.lab.example.test")}, token=token)


def test_app_role_logs_in(bed: Testbed, layout: PkiLayout) -> None:
    login = setup_approle(bed.vault, layout.policy)
    body = {"role_id": login.role_id, "secret_id": login.secret_id}
    answer = bed.vault.call("POST", f"auth/{login.mount}/login", body, token="")
    assert layout.policy in answer["auth"]["policies"]
    assert login.secret_id not in repr(login)


def test_kubernetes_auth_reviews_tokens_at_the_api_server(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    login = setup_kubernetes_role(
        bed.vault, layout.policy, audience="vault://demo", role=namespace, namespace=namespace
    )
    good, other = (
        bed.service_account_token(namespace, login.service_account, [audience])
        for audience in ("vault://demo", "vault://other")
    )
    path = f"auth/{login.mount}/login"
    answer = bed.vault.call("POST", path, {"role": login.role, "jwt": good}, token="")
    assert layout.policy in answer["auth"]["policies"]
    with pytest.raises(HTTPError):
        bed.vault.call("POST", path, {"role": login.role, "jwt": other}, token="")


def test_audit_log_counts_signatures(bed: Testbed, layout: PkiLayout) -> None:
    before = len(bed.vault.audited(layout.sign_path))
    bed.vault.write(layout.sign_path, {"csr": csr("counted.lab.example.test")})
    assert len(bed.vault.audited(layout.sign_path)) == before + 1


def a_write_is_taken(bed: Testbed) -> None:
    """What OpenBao refuses before it is active: "local node not active"."""
    bed.vault.call("PUT", "sys/policies/acl/written", {"policy": 'path "a" { capabilities = ["read"] }'})


def test_sealed_openbao_refuses_and_unsealed_takes_a_write_at_once(bed: Testbed, layout: PkiLayout) -> None:
    bed.vault.seal()
    try:
        assert bed.vault.sealed
        with pytest.raises(HTTPError) as refused:
            bed.vault.read(f"{layout.mount}/roles/{layout.role}")
        assert refused.value.status == 503
    finally:
        bed.vault.unseal()
    a_write_is_taken(bed)
    bed.vault.pause()
    bed.vault.resume()
    a_write_is_taken(bed)


def test_vaults_data_is_in_memory_where_there_is_room_and_goes_with_it(bed: Testbed, tmp_path: Path) -> None:
    memory = memory_directory(MEMORY_MB)
    if memory is None:
        pytest.skip("there is no file system in memory with room for it")
    vault = OpenBao(bed.servers.bao, tmp_path / "bao")
    try:
        vault.start()
        config = json.loads((tmp_path / "bao" / "openbao.json").read_text())
        data = Path(config["storage"]["raft"]["path"])
        assert memory in data.parents
        vault.stop()
        vault.start()
        assert (data / "vault.db").is_file()
    finally:
        vault.close()
    assert not data.exists()


def test_what_is_removed_is_gone(bed: Testbed, namespace: str) -> None:
    where = ("v1", "ConfigMap", "held", namespace)
    held = {"name": "held", "namespace": namespace, "finalizers": ["example.com/held"]}
    bed.kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": held})
    with ThreadPoolExecutor() as threads:
        removing = threads.submit(bed.kube.remove, *where)
        bed.kube.wait(*where, until=lambda one: "deletionTimestamp" in one["metadata"])
        assert not removing.done()
        bed.kube.patch("v1", "ConfigMap", "held", {"metadata": {"finalizers": None}}, namespace)
        removing.result()
    assert bed.kube.find(*where) is None


@LONGER
def test_servers_keep_address_and_data_over_a_restart(bed: Testbed, layout: PkiLayout) -> None:
    addresses = bed.server, bed.vault.addr
    bed.vault.stop()
    bed.vault.start()
    a_write_is_taken(bed)
    bed.stop_apiserver()
    bed.start_apiserver()
    assert (bed.server, bed.vault.addr) == addresses
    assert bed.kube.get("v1", "Namespace", "vault-issuer-system")
    assert bed.vault.read(f"{layout.mount}/roles/{layout.role}")


@LONGER
def test_two_testbeds_run_at_once_and_leave_nothing(bed: Testbed) -> None:
    with Testbed(BARE) as other:
        other.create_namespace("only-here")
        assert bed.kube.find("v1", "Namespace", "only-here") is None
        assert other.server != bed.server
        pids = [other.etcd.process.pid, other.apiserver.process.pid]
        assert all(alive(pid) for pid in pids)
        directory = other.directory
    assert gone(pids)
    assert not directory.exists()


def test_failed_start_tells_the_end_of_the_log_and_leaves_nothing(tmp_path: Path) -> None:
    broken = Options(
        False, False, vault=False, apiserver_flags=("--no-such-flag",), data_dir=tmp_path / "bed"
    )
    bed = Testbed(broken)
    with pytest.raises(TestbedError, match=r"kube-apiserver ended with code 1(.|\n)*unknown flag"):
        bed.__enter__()
    assert gone([bed.etcd.process.pid])


# A shell without job control starts what runs behind it with SIGINT ignored, and Python leaves it so.
HOLDER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from testbed.cluster import Options, Testbed
with Testbed(Options(cert_manager=False, webhook=False, vault=False)) as bed:
    print(bed.etcd.process.pid, bed.apiserver.process.pid, bed.directory, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", sampled([signal.SIGINT, signal.SIGTERM, signal.SIGKILL], signal.SIGKILL))
def test_servers_end_with_the_program_however_it_ends(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as holder:
        assert holder.stdout is not None
        first, second, directory = holder.stdout.readline().decode().split(" ", 2)
        pids = [int(first), int(second)]
        assert all(alive(pid) for pid in pids)
        os.kill(holder.pid, number)
        holder.wait(30)
    assert gone(pids)
    # What SIGKILL leaves on disk is removed by the next testbed's start.
    assert Path(directory.strip()).exists() is (number == signal.SIGKILL)


@LONGER
def test_a_furnished_testbed_issues_the_certificate_of_its_page() -> None:
    (certificate,) = documents(REPOSITORY / "docs" / "testbed.md")
    with Testbed(Options(approver=False)) as furnished:
        controller = furnish(furnished, controller=True)
        assert controller is not None
        furnished.kube.apply(certificate)
        furnished.kube.wait("cert-manager.io/v1", "Certificate", "web", "default")
        controller.stop()


def seals_and_unseals(told: dict[str, Any]) -> bool:
    """Seal the testbed's Vault and unseal it, with nothing but what ``current.json`` holds."""
    trusted = ssl.create_default_context(cafile=told["vaultCAFile"])

    def put(path: str, body: dict[str, str]) -> bool:
        headers = {"X-Vault-Token": told["vaultToken"]}
        url = f"{told['vaultAddr']}/v1/sys/{path}"
        wanted = urllib.request.Request(url, json.dumps(body).encode(), headers, method="PUT")
        with urllib.request.urlopen(wanted, context=trusted) as answer:
            return bool(json.loads(answer.read() or b"{}").get("sealed", True))

    return put("seal", {}) and [put("unseal", {"key": key}) for key in told["vaultUnsealKeys"][:2]] == [
        True,
        False,
    ]


@LONGER
def test_background_testbed_says_how_to_reach_it_and_goes_wholly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    up(state, controller=False)
    try:
        told, details = current(state), json.loads((state / "details.json").read_text())
        assert told is not None
        vault = {"vaultAddr", "vaultToken", "vaultCAFile", "vaultUnsealKeys"}
        assert set(told) == {"kubeconfig", "server", "token", *vault}
        assert seals_and_unseals(told)
        assert (state / "current.json").stat().st_mode & 0o077 == 0
        shown = capsys.readouterr().out
        assert told["vaultToken"] not in shown
        assert told["token"] not in shown
        kube = Kube(
            told["server"], state / "data" / "kube-apiserver" / "kube-apiserver-ca.crt", told["token"]
        )
        assert kube.get("vault-issuer.io/v1alpha1", "VaultClusterIssuer", "demo")
        kube.close()
    finally:
        assert down(state)
    assert gone([one["pid"] for one in details["processes"].values()])
    assert current(state) is None
    assert [path.name for path in state.iterdir()] == ["lock"]
    assert not down(state)


def test_forked_controllers_end_as_started_ones_do_and_with_the_process_that_forks(
    bed: Testbed, tmp_path: Path
) -> None:
    """Each has its own arguments, environment and output; a killed server leaves none behind."""
    server = ForkServer(tmp_path / "forkserver.log")
    environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(bed.kubeconfig)}

    def controller(name: str, *words: str) -> Process:
        port = f"--metrics-address=127.0.0.1:{free_port()}"
        process = Process(name, tmp_path / f"{name}.log")
        process.start(["controller", "--no-leader-elect", port, *words], environment, server.start)
        return process

    def leads(process: Process) -> bool:
        return '"leading"' in process.output()

    wrong, told, killed, left = (
        controller("wrong", "--workers=0"),
        *map(controller, ("told", "killed", "left")),
    )
    for process in (told, killed, left):
        process.wait_ready(partial(leads, process))
    assert wrong.stop() == 2
    assert "--workers" in wrong.output()
    assert Path(f"/proc/{told.pid}/stat").read_text().split()[4] == str(told.pid)  # its own group
    assert told.stop(PATIENCE) == 0
    assert killed.stop(grace=0) == -signal.SIGKILL
    assert left.running
    os.kill(server.pid, signal.SIGKILL)
    assert gone([left.pid])
    assert left.returncode == -signal.SIGKILL
    with pytest.raises(TestbedError, match="has ended"):
        controller("late")
    server.close()
