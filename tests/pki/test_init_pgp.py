"""Shares and the admin login encrypted to their holders' PGP keys, by a real `gpg`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from issuer.cli.main import app
from tests.pki.new_vaults import NewVault, new_vault

pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")


class Holder:
    """A person with a PGP key of their own."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self._home = home
        self._home.mkdir(mode=0o700)
        self._gpg("--quick-generate-key", "--passphrase", "", f"{name}@example.test", "rsa2048", "encr")

    def _gpg(self, *words: str | Path, given: bytes = b"") -> bytes:
        command: list[str | Path] = [
            "gpg",
            "--homedir",
            self._home,
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
        ]
        return subprocess.run([*command, *words], input=given, check=True, capture_output=True).stdout

    def public(self, folder: Path, *options: str) -> Path:
        """A file with the public key."""
        path = folder / f"{self.name}.asc"
        path.write_bytes(self._gpg("--export", *options))
        return path

    def secret(self, folder: Path) -> Path:
        """A file with the secret key."""
        path = folder / f"{self.name}-secret.asc"
        path.write_bytes(self._gpg("--export-secret-keys", "--armor"))
        return path

    def decrypted(self, path: Path) -> str:
        """The text of a message to this key."""
        return self._gpg("--decrypt", path).decode().strip()

    def close(self) -> None:
        """End the agent of this home."""
        subprocess.run(["gpgconf", "--homedir", self._home, "--kill", "all"], check=True)


@pytest.fixture(scope="module")
def holders() -> Iterator[list[Holder]]:
    """Two people. Their homes have short paths, as sockets need them."""
    with tempfile.TemporaryDirectory() as folder:
        found = [Holder(name, Path(folder, name)) for name in ("ann", "bob")]
        try:
            yield found
        finally:
            for one in found:
                one.close()


@pytest.fixture
def new(tmp_path: Path) -> Iterator[NewVault]:
    """A server that nobody has initialised."""
    with new_vault(tmp_path) as found:
        yield found


def test_holders_unseal_by_their_keys_while_init_waits(
    new: NewVault, holders: list[Holder], tmp_path: Path
) -> None:
    ann, bob = holders
    keys = [ann.public(tmp_path, "--armor"), bob.public(tmp_path)]
    words = [word for key in keys for word in ("--pgp-key", str(key))]
    admin = ["--admin-pgp-key", str(keys[0])]
    ran = new.started("", *words, *admin, "--shares-to-files", new.shares)
    assert ran.stdout is not None
    printed = []
    for line in ran.stdout:
        printed.append(line)
        if line.startswith("0 of 2 shares given"):
            break
    for holder, name in ((ann, "share-1-ann.gpg"), (bob, "share-2-bob.gpg")):
        share = holder.decrypted(new.shares / name)
        unsealed = CliRunner().invoke(
            app, ["pki", "unseal", "--shares", "-"], env=new.environment(), input=share
        )
        assert unsealed.exit_code in (0, 3), unsealed.output
        printed.append(share)
    new.output, _ = ran.communicate()
    assert ran.returncode == 0, [*printed, new.output]
    assert printed[-1] not in new.output
    token = ann.decrypted(new.admin)
    assert new.asked("GET", "auth/token/lookup-self", token)["orphan"] is True
    assert new.root_tokens(token) == []


def test_an_interruption_while_holders_unseal_leaves_the_encrypted_root_token(
    new: NewVault, holders: list[Holder], tmp_path: Path
) -> None:
    ann, bob = holders
    keys = [ann.public(tmp_path, "--armor"), bob.public(tmp_path)]
    words = [word for key in keys for word in ("--pgp-key", str(key))]
    ran = new.started("", *words, "--admin-pgp-key", str(keys[0]), "--shares-to-files", new.shares)
    assert ran.stdout is not None
    for line in ran.stdout:
        if line.startswith("0 of 2 shares given"):
            ran.send_signal(signal.SIGINT)
    assert ran.wait() == 1
    ran.stdout.close()
    assert b"BEGIN PGP MESSAGE" in new.root.read_bytes()
    for holder, name in ((ann, "share-1-ann.gpg"), (bob, "share-2-bob.gpg")):
        new.bao.call("PUT", "sys/unseal", {"key": holder.decrypted(new.shares / name)}, token="")
    new.bao.process.wait_ready(new.is_active)
    assert new.init("--continue", given=ann.decrypted(new.root)) == 0, new.output
    new.works()


def test_keys_that_encrypt_nothing_are_refused_before_init(
    new: NewVault, holders: list[Holder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, secret = holders[0].public(tmp_path, "--armor"), holders[0].secret(tmp_path)

    def refused(said: str, *more: str | Path) -> None:
        assert new.init("--one-share", "--shares-to-files", new.shares, *more) == 1, new.output
        assert said in new.output
        assert new.bao.status()["initialized"] is False

    refused("is a secret PGP key", "--pgp-key", secret)
    refused("is a secret PGP key", "--admin-pgp-key", secret, "--shares", "1")
    (tmp_path / "text").write_text("no key\n")
    refused("is no PGP key", "--pgp-key", tmp_path / "text")
    (tmp_path / "cut").write_bytes(public.read_bytes().replace(b"A", b"!", 1))
    refused("armor isn't base64", "--pgp-key", tmp_path / "cut")
    refused("1 PGP keys are given for 2", "--pgp-key", public, "--shares", "2")
    (tmp_path / "short").write_bytes(b"\x99\x01\x0d\x04")
    refused("Vault refuses to be initialised", "--pgp-key", tmp_path / "short")
    refused("gpg can't encrypt for short", "--admin-pgp-key", tmp_path / "short", "--shares", "1")
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    refused("needs gpg", "--admin-pgp-key", public, "--shares", "1")
    assert [*new.shares.iterdir()] == []
    assert not new.admin.exists()
