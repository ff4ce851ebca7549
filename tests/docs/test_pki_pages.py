"""docs/first-ca.md and docs/existing-ca.md: every command as it stands, each on a Vault without a cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster import REPOSITORY
from testbed.openbao import OpenBao, running_openbao
from testbed.servers import find_bao
from testbed.vaultpki import mount_pki, setup_approle, setup_policy, setup_role, sign_intermediate
from tests.docs.console import console
from tests.docs.shell import Shell
from tests.sizes import LONGER


@pytest.fixture
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """An empty OpenBao."""
    with running_openbao(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture
def shell(bao: OpenBao, tmp_path: Path) -> Iterator[Shell]:
    """A terminal that is logged in as an administrator; `vault` is OpenBao's command."""
    (tmp_path / "vault-ca.pem").write_text(bao.ca_pem)
    programs = tmp_path / ".bin"
    programs.mkdir()
    (programs / "vault").symlink_to(find_bao().path)
    path = os.pathsep.join([str(programs), str(REPOSITORY / ".venv" / "bin"), os.environ["PATH"]])
    env = {"PATH": path, "VAULT_TOKEN": bao.token}
    one = Shell(tmp_path, env, {"https://vault.example.com:8200": bao.addr})
    yield one
    one.close()


def type_page(shell: Shell, page: str) -> float:
    """Type every block of a page; return the seconds that its commands took."""
    began = time.monotonic()
    for block in console(REPOSITORY / "docs" / page):
        assert block.ours
        shell.type(block)
    return time.monotonic() - began


def set_up_by_hand(bao: OpenBao) -> None:
    """A two-tier CA, a role, a policy and a login, made by calls of the API."""
    mount_pki(bao, "pki", 87600)
    root = {"common_name": "Old Root CA", "issuer_name": "old-root", "key_type": "ec", "ttl": "87600h"}
    bao.write("pki/root/generate/internal", root)
    mount_pki(bao, "pki_int", 43800)
    sign_intermediate(bao, "pki", "pki_int", "old-intermediate", 43800)
    setup_role(bao, "pki_int", "web", server_flag=True)
    setup_approle(bao, setup_policy(bao, "pki_int", "web"))


def test_from_an_empty_vault_to_the_first_certificate(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    took = type_page(shell, "first-ca.md")
    with capsys.disabled():  # what docs/first-ca.md says of it comes from here
        print(f"\nfirst-ca.md: its commands took {took:.1f} s")


@LONGER
def test_an_existing_vault_is_exported_and_changed(bao: OpenBao, shell: Shell) -> None:
    set_up_by_hand(bao)
    type_page(shell, "existing-ca.md")
    assert bao.read("pki_int/roles/web")["max_ttl"] == 7 * 24 * 3600
