"""What the pages show works as it is, but for names and addresses: commands and manifests in their order."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.delivered import Delivered
from testbed.kube import Object
from testbed.samples import vault_cluster_issuer
from testbed.vaultpki import DOMAIN, PkiLayout, setup_kubernetes_auth
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    only_policies,
    ready,
    wait_ready,
    wait_reason,
)
from tests.integration.support.scope import sweep
from tests.unit.docs.pages import blocks

DOCS = REPOSITORY / "docs"
SHOWN_DOMAIN = "lab.example.com"


def adapted(bed: Testbed, text: str) -> list[Object]:
    """A block's objects with the testbed's domain, and its Vault's address."""
    text = text.replace(SHOWN_DOMAIN, DOMAIN).replace("https://vault.example.com:8200", bed.vault.addr)
    return list(yaml.safe_load_all(text))


def applied(bed: Testbed, objects: Sequence[Object]) -> None:
    """Apply them, and first the namespaces they are in."""
    for one in objects:
        bed.create_namespace(one["metadata"].get("namespace", "default"))
        bed.kube.apply(one)


def run(bed: Testbed, block: str, folder: Path, replaced: Mapping[str, str] | None = None) -> None:
    """Run a console block in bash, against the testbed; `bao` stands for `vault`."""
    for old, new in {SHOWN_DOMAIN: DOMAIN, **(replaced or {})}.items():
        assert old in block or old == SHOWN_DOMAIN, f"the page has no {old!r} any more"
        block = block.replace(old, new)
    script = f'set -eu -o pipefail\nvault() {{ {shlex.quote(str(bed.servers.bao.path))} "$@"; }}\n{block}'
    found = {
        **os.environ,
        "PATH": f"{REPOSITORY / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "KUBECONFIG": str(bed.kubeconfig),
        "VAULT_ADDR": bed.vault.addr,
        "VAULT_TOKEN": bed.vault.token,
        "VAULT_CACERT": str(bed.vault.ca_file),
        "HOME": str(folder),
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=found, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def only(found: Sequence[str], holds: str) -> str:
    """The one block that holds this text."""
    (block,) = (one for one in found if holds in one)
    return block


def of_kind(objects: Sequence[Object], *kinds: str) -> list[Object]:
    """Those of some kinds, in their order."""
    return [one for one in objects if one["kind"] in kinds]


def issued(bed: Testbed, certificate: Object) -> Delivered:
    """A Certificate's Secret, once it is issued."""
    meta, secret = certificate["metadata"], certificate["spec"]["secretName"]
    bed.kube.wait(CERT_MANAGER, "Certificate", meta["name"], meta["namespace"])
    return Delivered.from_secret(bed.kube.get("v1", "Secret", secret, meta["namespace"]))


@contextmanager
def vault_ca(bed: Testbed) -> Iterator[None]:
    """The Secret `vault-ca` that install.md makes."""
    data = {"ca.crt": bed.vault.ca_file.read_text()}
    meta = {"name": "vault-ca", "namespace": SYSTEM_NAMESPACE}
    bed.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data})
    try:
        yield
    finally:
        bed.kube.delete("v1", "Secret", "vault-ca", SYSTEM_NAMESPACE)


@pytest.fixture(autouse=True)
def swept(bed: Testbed, layout: PkiLayout) -> Iterator[None]:
    """Nothing of a page stays."""
    yield
    sweep(bed)


@pytest.fixture
def exact(bed: Testbed, tmp_path: Path) -> Iterator[list[Object]]:
    """What signing.md shows: Vault's side is done, the issuer is Ready, and nobody has a policy yet."""
    page = DOCS / "signing.md"
    (capabilities,), (commands,) = blocks(page, "hcl"), blocks(page, "console")
    (tmp_path / "exact.hcl").write_text(capabilities)
    run(bed, commands, tmp_path)
    objects = [one for block in blocks(page, "yaml") for one in adapted(bed, block)]
    with only_policies(bed), vault_ca(bed), ControllerProcess(bed, ["--issuer-check-period=2"]):
        applied(bed, of_kind(objects, "CertificateRequestPolicy", "VaultClusterIssuer"))
        wait_ready(bed, "exact")
        yield objects
        for one in of_kind(objects, "ClusterRoleBinding", "ClusterRole"):
            bed.kube.delete(one["apiVersion"], one["kind"], one["metadata"]["name"])


def test_signing_md_issues_a_leaf_and_a_ca_once_its_binding_is_there(
    bed: Testbed, exact: list[Object], layout: PkiLayout
) -> None:
    leaf, authority = of_kind(exact, "Certificate")
    applied(bed, [leaf, authority])

    def waits(request: Object) -> bool:
        return ready(request).get("reason") == "Pending"

    bed.kube.wait(CERT_MANAGER, REQUEST, "web-1", "shop", until=waits)
    applied(bed, of_kind(exact, "ClusterRole", "ClusterRoleBinding"))
    issued(bed, leaf).verify(layout.root_pem, f"web.{DOMAIN}")
    found = issued(bed, authority).leaf
    basic = found.extensions.get_extension_for_class(x509.BasicConstraints).value
    usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (basic.ca, basic.path_length) == (True, 0)
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"duration": None}, "duration"),
        ({"isCA": True, "usages": ["cert sign"], "commonName": "Lab Web CA", "dnsNames": None}, "isCA"),
    ],
    ids=["no-duration", "a-ca-outside-its-namespace"],
)
def test_signing_md_denies_what_it_says_it_denies(
    bed: Testbed, exact: list[Object], change: dict[str, Any], why: str
) -> None:
    applied(bed, of_kind(exact, "ClusterRole", "ClusterRoleBinding"))
    certificate = of_kind(exact, "Certificate")[0]
    spec = {**certificate["spec"], **change}
    certificate["spec"] = {key: value for key, value in spec.items() if value is not None}
    certificate["metadata"]["name"] = "denied"
    applied(bed, [certificate])

    def denied(request: Object) -> bool:
        return ready(request).get("reason") == "Denied"

    request = bed.kube.wait(CERT_MANAGER, REQUEST, "denied-1", "shop", until=denied)
    assert why in ready(request)["message"]


def test_signing_mds_role_is_of_no_use_to_another_issuer(bed: Testbed, exact: list[Object]) -> None:
    (issuer,) = of_kind(exact, "VaultClusterIssuer")
    bed.kube.apply(vault_cluster_issuer(bed, "other", issuer["spec"]["vault"]["auth"]))
    assert "audience" in wait_reason(bed, "other", "LoginFailed")


def test_install_md_ends_with_a_controller_that_issues_readmes_certificate(
    bed: Testbed, layout: PkiLayout, tmp_path: Path
) -> None:
    shown = blocks(DOCS / "install.md", "console")
    assert only(shown, "vault auth enable kubernetes")
    setup_kubernetes_auth(bed)  # stands for that block, whose address is that of a cluster with pods
    # Not the role that other tests sign with.
    run(
        bed,
        only(shown, "vault write pki_int/roles"),
        tmp_path,
        {"pki_int/roles/lab": "pki_int/roles/site", "sign/lab": "sign/site"},
    )
    (tmp_path / "vault-ca.pem").write_text(bed.vault.ca_file.read_text())
    here = {"kubectl create namespace": "kubectl get namespace", " config/": f" {REPOSITORY}/config/"}
    run(bed, only(shown, "kubectl apply -k"), tmp_path, here)
    run(bed, only(shown, "set-cluster"), tmp_path)
    (issuer, certificate) = adapted(bed, *blocks(REPOSITORY / "README.md", "yaml"))
    issuer["spec"]["vault"]["path"] = "pki_int/sign/site"
    with only_policies(bed):
        assert only(shown, "samples/policy.yaml")
        bed.kube.apply(adapted(bed, (REPOSITORY / "config" / "samples" / "policy.yaml").read_text()))
        kubeconfig = tmp_path / "vault-issuer.kubeconfig"
        with ControllerProcess(bed, [f"--kubeconfig={kubeconfig}"]):
            applied(bed, [issuer, certificate])
            issued(bed, certificate).verify(layout.root_pem, f"web.{DOMAIN}")
    bed.kube.delete("v1", "Secret", "vault-ca", SYSTEM_NAMESPACE)
