"""What the pages' readers have: a cluster with cert-manager, a Vault with a CA, and a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Options, Testbed
from testbed.labca import setup_pki
from testbed.vaultpki import FOR_SERVERS, REVIEWER, PkiLayout, setup_kubernetes_auth
from tests.docs.shell import Shell

DOMAIN = "lab.example.com"
MakeShell = Callable[..., Shell]


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """A cluster with our CRDs and no policy, of which nothing of another page is left."""
    with Testbed(Options(approver=False, data_dir=tmp_path_factory.mktemp("docs"))) as running:
        running.install_crds()
        running.create_namespace(SYSTEM_NAMESPACE)
        yield running


@pytest.fixture(scope="module")
def layout(bed: Testbed) -> PkiLayout:
    """The CAs that the pages take for granted: the mounts `pki` and `pki_int`."""
    return setup_pki(bed.vault, domains=(DOMAIN,), role_options=FOR_SERVERS)


@pytest.fixture(scope="module")
def terminal(bed: Testbed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeShell]:
    """Makes terminals that reach the cluster and its Vault, each in a folder of its own."""
    with ExitStack() as stack:

        def make(replaced: Mapping[str, str] | None = None) -> Shell:
            folder = tmp_path_factory.mktemp("terminal")
            (folder / "vault-ca.pem").write_text(bed.vault.ca_file.read_text())
            (folder / "ca.crt").write_text(bed.ca_file.read_text())
            shell = Shell(folder, environment(bed, folder), {**addresses(bed), **(replaced or {})})
            stack.callback(shell.close)
            return shell

        yield make


def environment(bed: Testbed, folder: Path) -> dict[str, str]:
    """What a reader's terminal has set; `vault` is OpenBao's command."""
    programs = folder / ".bin"
    programs.mkdir()
    (programs / "vault").symlink_to(bed.servers.bao.path)
    path = [str(programs), str(REPOSITORY / ".venv" / "bin"), os.environ["PATH"]]
    return {
        "PATH": os.pathsep.join(path),
        "KUBECONFIG": str(bed.kubeconfig),
        "VAULT_ADDR": bed.vault.addr,
        "VAULT_TOKEN": bed.vault.token,
        "VAULT_CACERT": str(bed.vault.ca_file),
    }


def addresses(bed: Testbed) -> dict[str, str]:
    """The testbed's addresses for those of a cluster with pods, where Vault is its own token reviewer."""
    setup_kubernetes_auth(
        bed, mount="reviews"
    )  # for who may review tokens; the pages make the mount they use
    reviewer = bed.service_account_token(*REVIEWER)
    review = f"kubernetes_host={bed.server} kubernetes_ca_cert=@ca.crt token_reviewer_jwt={reviewer}"
    return {
        "kubernetes_host=https://kubernetes.default.svc": review,
        "https://kubernetes.default.svc": bed.server,
        "https://vault.example.com:8200": bed.vault.addr,
    }
