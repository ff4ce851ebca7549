"""No network: none is imported, no socket is made, and all works where there is no route."""

from __future__ import annotations

import os
import subprocess
import warnings
from pathlib import Path
from typing import Final

import pytest

from tests.unit.root.support import (
    PASSPHRASE,
    WITHOUT_NETWORK,
    alone,
    csr,
    process,
    spki,
    why_not_alone,
)

CLIENTS: Final = (
    "aiohttp",
    "ftplib",
    "http.client",
    "hvac",
    "kubernetes",
    "requests",
    "urllib.request",
    "urllib3",
)
"""Modules that reach a network."""

CEREMONY: Final = f"""
import sys
made = []
sys.addaudithook(lambda event, _: made.append(event) if event.startswith("socket.") else None)
from typer.testing import CliRunner
from issuer.cli.main import app
from issuer.root.certificates import keys
keys.SCRYPT_N = 16
secret, yes = ["--passphrase-file", "passphrase"], ["--yes", "--spki-sha256", sys.argv[1]]
for words in (
    ["init", "--common-name", "Root", *secret],
    ["inspect"],
    ["inspect", "env.csr"],
    ["sign", "env.csr", *yes, *secret],
    ["crl", *secret],
    ["verify", "--with-key", *secret],
):
    done = CliRunner().invoke(app, ["root", *words])
    found = [one for one in {CLIENTS!r} if one in sys.modules]
    if done.exit_code or found or made:
        print(words, done.exit_code, done.output, found, made)
print("done")
"""


def prepared(folder: Path) -> str:
    """Write a CSR and a passphrase, and return the SHA-256 of the CSR's key."""
    pem = csr()
    (folder / "env.csr").write_bytes(pem)
    (folder / "passphrase").touch(0o600)
    (folder / "passphrase").write_text(PASSPHRASE)
    return spki(pem)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What CEREMONY printed, in one process for all; without a route wherever that can be."""
    folder = tmp_path_factory.mktemp("offline")
    before = () if why_not_alone() else WITHOUT_NETWORK
    done = process(CEREMONY, prepared(folder), cwd=folder, before=before)
    return done.stdout + done.stderr


def test_no_command_loads_a_client_or_makes_a_socket(outcome: str) -> None:
    assert outcome == "done\n"


def test_all_of_it_works_where_there_is_no_route(outcome: str) -> None:
    words = [*alone(), "cat", "/proc/net/route"]
    assert outcome == "done\n"
    routes = subprocess.run(words, capture_output=True, text=True, check=True)
    assert len(routes.stdout.splitlines()) <= 1, "there is a route"


@pytest.mark.parametrize(("user", "ends"), [(0, "Failed"), (1000, "Skipped")])
def test_where_no_namespace_may_be_made_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, ends: str
) -> None:
    refusing = tmp_path / "unshare"
    refusing.write_text("#!/bin/sh\necho 'Operation not permitted' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(warnings, "warn", lambda *_, **__: None)
    with pytest.raises(BaseException, match="Operation not permitted") as raised:
        alone()
    assert type(raised.value).__name__ == ends
