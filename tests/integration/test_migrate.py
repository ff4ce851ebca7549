"""From cert-manager's real Vault issuer to ours and back, by what `vault-issuer migrate` prints alone."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from testbed.cluster import REPOSITORY, Options, Testbed
from testbed.controller import RBAC, ControllerProcess
from testbed.forking import run_command
from testbed.kube import Object
from testbed.labca import setup_pki
from testbed.samples import API_VERSION
from testbed.vaultpki import DOMAIN, PkiLayout, setup_approle, setup_kubernetes_auth, setup_token
from tests.integration.support.cert_manager_issuers import METHODS, Old, peer_crd, peer_policy, token, use
from tests.integration.support.common import CERT_MANAGER, secret
from tests.sizes import sampled


class LeastController(ControllerProcess):
    """Our controller with what every installation grants: what an issuer needs is for `migrate` to print."""

    def grant(self) -> None:
        """No right to approve, to read a Secret, or to make a token."""
        self._bed.kube.apply(RBAC / "controller.yaml")
        self._bed.kube.apply(RBAC / "leader-election.yaml")


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """A cluster of its own, where cert-manager's Vault issuer works and nobody has heard of our rights."""
    options = Options(approver=False, own_issuer=True, data_dir=tmp_path_factory.mktemp("migrate"))
    with Testbed(options) as running:
        running.install_crds()
        running.kube.apply(peer_crd())
        setup_kubernetes_auth(running)
        with LeastController(running, ["--issuer-check-period=1"]):
            yield running


@pytest.fixture(scope="module")
def layout(bed: Testbed) -> PkiLayout:
    """The CA of this cluster's OpenBao."""
    return setup_pki(bed.vault)


@pytest.fixture(params=["Issuer", "ClusterIssuer"])
def old(bed: Testbed, namespace: str, request: pytest.FixtureRequest) -> Old:
    """A place for an issuer of cert-manager, of each kind in turn."""
    return Old(bed, request.param, namespace)


def migrate(bed: Testbed, *arguments: str, answer: str = "n\n") -> subprocess.CompletedProcess[str]:
    """Run the command; to what it asks the answer is no, or this."""
    return run_command("migrate", *arguments, answer=answer)


def migrate_cluster(bed: Testbed, *arguments: str, answer: str = "n\n") -> subprocess.CompletedProcess[str]:
    """The same, reading the cluster."""
    return migrate(bed, "--from-cluster", f"--kubeconfig={bed.kubeconfig}", *arguments, answer=answer)


def paste(bed: Testbed, command: str, folder: Path | None = None) -> None:
    """Run a command that plan or docs print, as a person would, with the administrator's kubeconfig."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "KUBECONFIG": str(bed.kubeconfig), "PATH": path}
    subprocess.run(["bash", "-ec", command], check=True, env=environment, cwd=folder, timeout=180)


def written(path: Path, *objects: Object) -> str:
    """The objects in a file."""
    path.write_text(yaml.safe_dump_all(objects))
    return str(path)


@pytest.mark.parametrize("method", sampled(METHODS, "serviceAccountRef"))
def test_an_issuer_and_its_certificate_move_with_every_login_under_the_printed_rights(
    old: Old, layout: PkiLayout, tmp_path: Path, method: str
) -> None:
    bed = old.bed
    manifests = (old.issuer(METHODS[method](old, layout)), old.certificate())
    bed.kube.apply(manifests)
    before = old.delivered("")

    done = migrate(bed, "-f", written(tmp_path / "old.yaml", *manifests), "-o", "yaml")
    moves = old.kind == "ClusterIssuer"
    assert done.returncode == (3 if moves else 0), done.stderr
    for line in done.stderr.splitlines():
        if "kubectl create secret" in line:
            paste(bed, line[line.index("kubectl create secret") :])
    bed.kubectl("apply", "-f", "-", stdin=done.stdout)

    bed.kube.wait(API_VERSION, old.new_kind, old.namespace, old.where)
    after = old.delivered("vault-issuer.io")
    assert after.serial != before.serial
    after.verify(layout.root_pem, f"web.{DOMAIN}")


def test_a_cluster_is_planned_moved_and_moved_back(
    bed: Testbed, namespace: str, layout: PkiLayout, tmp_path: Path
) -> None:
    old = Old(bed, "Issuer", namespace)
    bed.kube.apply([old.issuer(token(old, layout)), old.certificate()])
    before = old.delivered("")
    limits = ["--namespace", namespace]

    planned = migrate_cluster(bed, *limits, "--output-dir", str(tmp_path / "planned"))
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert bed.kube.find(API_VERSION, "VaultIssuer", namespace, namespace) is None
    moving = [*limits, "--apply", "--output-dir", str(tmp_path / "moved")]
    declined = migrate_cluster(bed, *moving)
    assert (declined.returncode, "Nothing was written." in declined.stdout) == (1, True)
    assert bed.kube.find(API_VERSION, "VaultIssuer", namespace, namespace) is None
    moved = migrate_cluster(bed, *moving, "--yes")
    assert moved.returncode == 0, moved.stdout + moved.stderr
    assert moved.stdout.index("changed: Certificate") > moved.stdout.index("created: VaultIssuer")
    ours = old.delivered("vault-issuer.io")
    assert ours.serial != before.serial

    again = migrate_cluster(bed, *moving)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "0 to create, 0 to change" in again.stdout
    assert f'nothing here names Issuer "{namespace}/{namespace}" any more' in again.stdout

    (back,) = re.findall(r"^The way back.*?: (kubectl .*)$", moved.stdout, re.MULTILINE)
    paste(bed, back)
    assert old.delivered("cert-manager.io").serial not in (before.serial, ours.serial)


@pytest.mark.skipif(shutil.which("jq") is None, reason="the command that is printed takes jq")
def test_the_command_for_vaults_role_adds_the_namespace_and_keeps_the_rest(
    bed: Testbed, namespace: str, layout: PkiLayout, tmp_path: Path
) -> None:
    old = Old(bed, "ClusterIssuer", namespace)
    manifest = old.issuer(METHODS["serviceAccountRef"](old, layout))
    role = f"auth/kubernetes/role/{namespace}"
    field = "bound_service_account_namespaces"
    bed.vault.write(role, {field: ["cert-manager", "more"]})
    before = bed.vault.read(role)
    done = migrate(bed, "-f", written(tmp_path / "old.yaml", manifest))
    (command,) = re.findall(r"way back\): (vault write .*)$", done.stdout, re.MULTILINE)
    (tmp_path / "ca.pem").write_text(base64.b64decode(bed.vault.ca_bundle).decode())
    where = f"export VAULT_ADDR={bed.vault.addr} VAULT_TOKEN={bed.vault.token} VAULT_CACERT={tmp_path}/ca.pem"
    paste(bed, f'{where}; vault() {{ bao "$@"; }}; {command}')
    after = bed.vault.read(role)
    assert set(after.pop(field)) == {*before.pop(field), "vault-issuer-system"}
    assert after == before


def test_certificates_stay_until_the_new_issuer_is_ready_and_the_same_command_goes_on(
    bed: Testbed, namespace: str, layout: PkiLayout, tmp_path: Path
) -> None:
    old = Old(bed, "Issuer", namespace)
    broken = old.issuer({"tokenSecretRef": {"name": "missing", "key": "token"}})
    bed.kube.apply([broken, old.certificate()])
    arguments = ["-n", namespace, "--apply", "--yes", "--wait=3", "--output-dir", str(tmp_path / "out")]
    done = migrate_cluster(bed, *arguments)
    assert done.returncode == 1
    assert "SecretNotFound" in done.stdout
    assert "left as it is: Certificate" in done.stdout
    found = bed.kube.get(CERT_MANAGER, "Certificate", "web", namespace)
    assert found["spec"]["issuerRef"] == old.certificate()["spec"]["issuerRef"]

    bed.kube.apply(secret("missing", namespace, token=setup_token(bed.vault, layout.policy)))
    arguments = [one for one in arguments if not one.startswith("--wait")]
    done = migrate_cluster(bed, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    old.delivered("vault-issuer.io")
    (back,) = re.findall(r"^The way back.*?: (kubectl .*)$", done.stdout, re.MULTILINE)
    paste(bed, back)
    old.delivered("cert-manager.io")
    assert bed.kube.find(API_VERSION, "VaultIssuer", namespace, namespace) is None


def test_without_a_terminal_apply_says_what_to_give_and_an_unknown_namespace_is_told(
    bed: Testbed, namespace: str, layout: PkiLayout, tmp_path: Path
) -> None:
    old = Old(bed, "Issuer", namespace)
    bed.kube.apply(old.issuer(token(old, layout)))
    arguments = ["-n", namespace, "--apply", "--output-dir", str(tmp_path / "out")]
    done = migrate_cluster(bed, *arguments, answer="")
    assert (done.returncode, "use --yes" in done.stdout) == (1, True)
    assert not (tmp_path / "out").exists()
    done = migrate_cluster(bed, "-n", "nowhere")
    assert (done.returncode, 'there is no namespace "nowhere"' in done.stderr) == (2, True)


def test_what_the_cluster_would_refuse_is_told_before_anything_is_written(
    bed: Testbed, namespace: str, layout: PkiLayout, tmp_path: Path
) -> None:
    old = Old(bed, "Issuer", namespace)
    bed.kube.apply(old.issuer(token(old, layout)))
    arguments = ["-n", namespace, "--apply", "--yes", "--output-dir", str(tmp_path / "out")]
    kubeconfig = reader(bed, namespace)
    done = migrate(bed, "--from-cluster", f"--kubeconfig={kubeconfig}", *arguments)
    assert done.returncode == 2
    assert "nothing was written" in done.stderr
    assert "forbidden" in done.stderr
    assert "migrate.html#rights" in done.stderr
    assert not (tmp_path / "out").exists()
    assert bed.kube.find(API_VERSION, "VaultIssuer", namespace, namespace) is None


def test_planning_takes_no_right_to_write_or_to_read_secrets(
    bed: Testbed, namespace: str, layout: PkiLayout
) -> None:
    old = Old(bed, "Issuer", namespace)
    bed.kube.apply([old.issuer(token(old, layout)), old.certificate()])
    done = migrate(bed, "--from-cluster", f"--kubeconfig={reader(bed, namespace)}", "-n", namespace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 to change" in done.stdout


def reader(bed: Testbed, namespace: str) -> Path:
    """A kubeconfig of somebody with the ClusterRole of the docs: list of what a plan is made of."""
    text = (REPOSITORY / "docs" / "migrate.md").read_text()
    role = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1])
    group, name = "rbac.authorization.k8s.io", role["metadata"]["name"]
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}
    bed.kube.apply(
        [
            role,
            {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": f"{name}-{namespace}"},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
                "subjects": [subject],
            },
        ]
    )
    return bed.service_account_kubeconfig(namespace, "reader")


def test_approver_policys_policies_and_their_bindings_move_too(
    bed: Testbed, namespace: str, layout: PkiLayout, tmp_path: Path
) -> None:
    old = Old(bed, "Issuer", namespace)
    manifests = [old.issuer(token(old, layout)), old.certificate(), peer_policy(namespace), *use(namespace)]
    bed.kube.apply(manifests)
    old.delivered("")
    arguments = ["-n", namespace, "--apply", "--yes", "--output-dir", str(tmp_path / "out")]
    done = migrate_cluster(bed, *arguments)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        assert "starter" not in done.stdout
        old.delivered("vault-issuer.io")
        request = bed.kube.get(CERT_MANAGER, "CertificateRequest", "web-2", namespace)
        approved = [one for one in request["status"]["conditions"] if one["type"] == "Approved"]
        assert f"moved-{namespace}" in approved[0]["message"]
    finally:
        bed.kube.delete("policy.cert-manager.io/v1alpha1", "CertificateRequestPolicy", f"moved-{namespace}")


@pytest.mark.parametrize("by", ["kubectl", "somebody else"])
def test_an_ingress_names_our_issuer_after_kubectl_apply_and_the_old_one_after_the_way_back(
    bed: Testbed, namespace: str, tmp_path: Path, by: str
) -> None:
    issuer = Old(bed, "ClusterIssuer", namespace).issuer({"tokenSecretRef": {"name": "t", "key": "token"}})
    annotations = {"cert-manager.io/cluster-issuer": namespace, "keep": "this"}
    service = {"service": {"name": "web", "port": {"number": 80}}}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": namespace, "annotations": annotations},
        "spec": {"defaultBackend": service},
    }
    if by == "kubectl":
        bed.kubectl("apply", "-f", written(tmp_path / "ingress.yaml", ingress))
    else:
        bed.kube.apply(ingress)
    live = yaml.safe_load(bed.kubectl("get", "ingress", "web", "-n", namespace, "-o", "yaml"))
    folder = tmp_path / "out"
    done = migrate(bed, "-f", written(tmp_path / "all.yaml", issuer, live), "--output-dir", str(folder))
    assert done.returncode == 3, "the Secret has to be copied"

    def after(verb: str, file: str) -> Object:
        bed.kubectl(verb, "-f", str(folder / file))
        for line in done.stdout.splitlines() if verb == "apply" else ():
            if "kubectl annotate" in line:
                paste(bed, line[line.index("kubectl annotate") :])
        found = bed.kube.get("networking.k8s.io/v1", "Ingress", "web", namespace)["metadata"]["annotations"]
        return {key: value for key, value in found.items() if not key.startswith("kubectl.")}

    assert after("apply", "2-change.yaml") == {
        "keep": "this",
        "cert-manager.io/issuer": namespace,
        "cert-manager.io/issuer-kind": "VaultClusterIssuer",
        "cert-manager.io/issuer-group": "vault-issuer.io",
    }
    assert after("replace", "undo.yaml") == annotations


def test_the_steps_of_the_docs_work_as_they_are_written(
    bed: Testbed, layout: PkiLayout, tmp_path: Path
) -> None:
    text = (REPOSITORY / "docs" / "migrate.md").read_text()
    example = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0]
    steps, _, back = text.partition("**The way back**")
    back = back.partition("`--apply`")[0]
    old = Old(bed, "Issuer", bed.create_namespace("shop"))
    issuer, certificate = yaml.safe_load_all(example)
    login = setup_approle(bed.vault, layout.policy, name="shop")
    bed.kube.apply(secret("vault-approle", "shop", secretId=login.secret_id))
    issuer["spec"]["vault"] |= {"server": bed.vault.addr, "caBundle": bed.vault.ca_bundle}
    issuer["spec"]["vault"]["auth"]["appRole"]["roleId"] = login.role_id
    bed.kube.apply([issuer, certificate])
    before = old.delivered("")
    for command in re.findall(r"^ *\$ (.*)$", steps, re.MULTILINE):
        paste(bed, command, tmp_path)
    ours = old.delivered("vault-issuer.io")
    for command in re.findall(r"^ *\$ (.*)$", back, re.MULTILINE):
        paste(bed, command, tmp_path)
    assert len({before.serial, ours.serial, old.delivered("cert-manager.io").serial}) == 3
