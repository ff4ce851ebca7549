"""Unsealing a real OpenBao: by files and standard input, by several people, and with wrong shares."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from issuer.cli.main import app
from testbed.certs import ServerFiles
from testbed.cluster import REPOSITORY
from testbed.openbao import OpenBao
from testbed.servers import find_bao
from tests.pki.cutting import CuttingProxy
from tests.pki.processes import command_lines, environments
from tests.pki.support import Vault


@pytest.fixture
def sealed(bao: OpenBao) -> Iterator[OpenBao]:
    """The server, sealed; unsealed again after the test."""
    bao.seal()
    try:
        yield bao
    finally:
        bao.unseal()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[OpenBao]:
    """A second server, not started."""
    server = OpenBao(find_bao(), tmp_path / "other")
    try:
        yield server
    finally:
        server.close()


def share_file(folder: Path, *shares: str, name: str = "shares", mode: int = 0o600) -> Path:
    """A file with shares."""
    path = folder / name
    path.write_text("\n".join(shares) + "\n")
    path.chmod(mode)
    return path


def is_sealed(bao: OpenBao) -> bool:
    """True if the server says so."""
    return bool(bao.call("GET", "sys/seal-status")["sealed"])


def test_shares_of_a_file_unseal_and_are_shown_nowhere(vault: Vault, sealed: OpenBao, tmp_path: Path) -> None:
    file = share_file(tmp_path, *sealed.unseal_keys)
    ran = vault.run("unseal", "--shares", file)
    assert (ran.exit_code, ran.output) == (0, f"{sealed.addr} unsealed\n")
    assert not is_sealed(sealed)
    again = vault.run("unseal", "--shares", file)
    assert (again.exit_code, again.output) == (0, f"{sealed.addr} was unsealed already\n")


def test_two_people_unseal_together(vault: Vault, sealed: OpenBao, tmp_path: Path) -> None:
    first, second, _ = sealed.unseal_keys
    ran = vault.run("unseal", "--shares", share_file(tmp_path, first))
    assert ran.exit_code == 3
    assert "it has 1 of 2; give the others" in ran.output
    assert is_sealed(sealed)
    assert vault.run("unseal", "--shares", share_file(tmp_path, second)).exit_code == 0
    assert not is_sealed(sealed)


def test_a_namespace_of_the_shell_does_not_stand_in_the_way(
    vault: Vault, sealed: OpenBao, tmp_path: Path
) -> None:
    file = share_file(tmp_path, *sealed.unseal_keys)
    ran = vault.run("unseal", "--shares", file, VAULT_NAMESPACE="team")
    assert (ran.exit_code, ran.output) == (0, f"{sealed.addr} unsealed\n")


def test_shares_of_another_vault_are_refused_and_it_goes_on(
    vault: Vault, sealed: OpenBao, other: OpenBao, tmp_path: Path
) -> None:
    other.start()
    for wrong in (other.unseal_keys, [secrets.token_hex(33) for _ in range(2)]):
        ran = vault.run("unseal", "--reset", "--shares", share_file(tmp_path, *wrong))
        assert ran.exit_code == 1
        assert "they are of another Vault" in ran.output
        assert not any(one in ran.output for one in wrong)
        assert is_sealed(sealed)
    # One of them among the right ones spoils these, until it is forgotten.
    mixed = share_file(tmp_path, other.unseal_keys[0], sealed.unseal_keys[0])
    assert vault.run("unseal", "--reset", "--shares", mixed).exit_code == 1
    assert not other.sealed
    file = share_file(tmp_path, *sealed.unseal_keys)
    assert vault.run("unseal", "--reset", "--shares", file).exit_code == 0


def test_each_address_is_tried_and_told(vault: Vault, sealed: OpenBao, tmp_path: Path) -> None:
    file = share_file(tmp_path, *sealed.unseal_keys)
    nobody = "https://127.0.0.1:9"
    ran = vault.run("unseal", "--address", nobody, "--address", sealed.addr, "--shares", file)
    assert ran.exit_code == 1
    assert f"{nobody} failed: Vault refused the connection" in ran.output
    assert f"{sealed.addr} unsealed" in ran.output


def test_shares_go_to_no_server_that_is_not_verified(vault: Vault, sealed: OpenBao, tmp_path: Path) -> None:
    file = share_file(tmp_path, *sealed.unseal_keys)
    ran = vault.run("unseal", "--shares", file, VAULT_CACERT="")
    assert ran.exit_code == 1
    assert "TLS" in ran.output
    assert is_sealed(sealed)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [("", 0o600, "holds no share"), ("00", 0o640, "chmod 600"), ("ü", 0o600, "no share has")],
)
def test_a_file_that_can_hold_no_shares_is_refused(
    vault: Vault, tmp_path: Path, text: str, mode: int, said: str
) -> None:
    ran = vault.run("unseal", "--shares", share_file(tmp_path, text, mode=mode))
    assert ran.exit_code == 1
    assert said in ran.output


def test_shares_come_by_standard_input(vault: Vault, sealed: OpenBao) -> None:
    words = ["pki", "unseal", "--shares", "-"]
    given = "\n".join(sealed.unseal_keys)
    ran = CliRunner().invoke(app, words, env=vault.environment(), input=given)
    assert ran.exit_code == 0, ran.output
    assert not is_sealed(sealed)


def test_shares_typed_on_a_terminal_are_shown_nowhere(vault: Vault, sealed: OpenBao, tmp_path: Path) -> None:
    script = tmp_path / "typed"
    script.write_text(f"{sys.executable} -m issuer pki unseal\n")
    answers = [
        word
        for number, share in enumerate((*sealed.unseal_keys[:2], ""), 1)
        for word in (f"Share {number} (empty: no more):", share)
    ]
    seen: list[str] = []
    tls = ServerFiles(
        sealed.ca_file.with_name("openbao.crt"), sealed.ca_file.with_name("openbao.key"), sealed.ca_file
    )
    with CuttingProxy(sealed, tls=tls).running() as proxy:
        # The person at the terminal is this program's child, whose arguments have the answers.
        proxy.held = lambda _: seen.extend([command_lines(without="terminal.py"), environments()])
        ran = subprocess.run(
            [sys.executable, str(REPOSITORY / "tests" / "terminal.py"), script, *answers],
            env={**os.environ, **vault.environment(), "VAULT_ADDR": proxy.addr, "VAULT_TOKEN": ""},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (ran.returncode, f"{proxy.addr} unsealed" in ran.stdout) == (0, True), ran.stdout
    assert proxy.paths.count("POST sys/unseal") == 2
    assert any("pki\0unseal" in one for one in seen)
    for share in sealed.unseal_keys:
        assert [
            one[:80] for one in (*seen, ran.stdout, ran.stderr, sealed.log.read_text()) if share in one
        ] == []


def test_no_share_is_sent_without_tls(vault: Vault, tmp_path: Path) -> None:
    file = share_file(tmp_path, "00")
    ran = vault.run("unseal", "--address", "http://127.0.0.1:9", "--shares", file)
    assert ran.exit_code == 1
    assert "by TLS alone" in ran.output


def test_without_a_terminal_shares_are_not_asked_for(vault: Vault) -> None:
    ran = vault.run("unseal")
    assert ran.exit_code == 1
    assert "--shares -" in ran.output


def test_a_raft_node_joins_when_it_is_told_to_and_is_reported_before(
    vault: Vault, bao: OpenBao, other: OpenBao, tmp_path: Path
) -> None:
    other.start(initialise=False)
    file = share_file(tmp_path, *bao.unseal_keys)
    trusted = tmp_path / "both.pem"
    trusted.write_text(bao.ca_pem + other.ca_pem)
    words: list[str | Path] = ["unseal", "--address", other.addr, "--address", bao.addr, "--shares", file]
    told = vault.run(*words, VAULT_CACERT=str(trusted))
    assert told.exit_code == 1
    assert f"{other.addr} is not initialised" in told.output
    assert "--join" in told.output
    alone = vault.run(
        "unseal", "--join", "--address", other.addr, "--shares", file, VAULT_CACERT=str(trusted)
    )
    assert alone.exit_code == 1
    with without_followers(bao):
        joined = vault.run(*words, "--join", VAULT_CACERT=str(trusted))
        assert joined.exit_code == 0, joined.output
        assert f"{other.addr} unsealed: it joined the cluster" in joined.output
        assert not is_sealed(other)
        servers = bao.call("GET", "sys/storage/raft/configuration")["data"]["config"]["servers"]
        assert len(servers) == 2
        again = vault.run(*words, "--join", VAULT_CACERT=str(trusted))
        assert f"{other.addr} was unsealed already" in again.output


@contextmanager
def without_followers(bao: OpenBao) -> Iterator[None]:
    """Remove nodes that join the session's server meanwhile: it goes on without them."""
    try:
        yield
    finally:
        for one in bao.call("GET", "sys/storage/raft/configuration")["data"]["config"]["servers"]:
            if not one["leader"]:
                bao.call("POST", "sys/storage/raft/remove-peer", {"server_id": one["node_id"]})


class _RetryingNode(OpenBao):
    """A server whose configuration has it join another's cluster, as Helm's charts do."""

    def __init__(self, folder: Path, joins: OpenBao) -> None:
        super().__init__(find_bao(), folder)
        self._joins = joins

    def _storage_configuration(self, port: int) -> dict[str, Any]:
        leader = {"leader_api_addr": self._joins.addr, "leader_ca_cert_file": str(self._joins.ca_file)}
        return {**super()._storage_configuration(port), "retry_join": [leader]}


def test_a_raft_node_that_joins_by_itself_is_unsealed(vault: Vault, sealed: OpenBao, tmp_path: Path) -> None:
    node = _RetryingNode(tmp_path / "node", sealed)
    file = share_file(tmp_path, *sealed.unseal_keys)
    trusted = tmp_path / "both.pem"
    try:
        node.start(initialise=False)
        trusted.write_text(sealed.ca_pem + node.ca_pem)
        words: list[str | Path] = ["--shares", file]
        for address in (node.addr, sealed.addr):
            words = ["--address", address, *words]
        with without_followers(sealed):
            early = vault.run("unseal", *words, VAULT_CACERT=str(trusted))
            assert early.exit_code == 1
            assert f"{sealed.addr} unsealed" in early.output
            assert f"{node.addr} is not initialised" in early.output
            assert "retry_join, run the same again" in early.output
            node.process.wait_ready(lambda: bool(node.status()["initialized"]))
            ran = vault.run("unseal", *words, VAULT_CACERT=str(trusted))
            assert ran.exit_code == 0, ran.output
            assert f"{node.addr} unsealed: it joined the cluster" in ran.output
            assert not is_sealed(node)
    finally:
        node.close()
