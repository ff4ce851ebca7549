"""An offline-signed CA from end to end: `pki apply` stops, `root sign` signs, `pki apply` goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from issuer.cli.main import app
from tests.pki.files import OFFLINE
from tests.pki.support import Vault, actions, written
from tests.pki.urls import Published
from tests.unit.root.support import spki


@pytest.fixture
def published() -> Iterator[Published]:
    """A web server for the root's public files."""
    with Published() as server:
        yield server


def root(*words: str) -> Result:
    """Run `vault-issuer root ...` with the passphrase."""
    return CliRunner().invoke(app, ["root", *words])


def test_an_offline_root_signs_what_apply_asks_for(
    vault: Vault, published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bounded = OFFLINE.replace("lifetime: 26280h\n", "lifetime: 26280h\n    maxPathLength: 0\n")
    file = written(tmp_path, bounded)
    written(tmp_path, "correct horse battery\n", "passphrase").chmod(0o600)
    secret = ["--passphrase-file", "passphrase"]
    points = ["--crl-url", f"{published.url}/root.crl", "--issuer-url", f"{published.url}/root.crt"]
    assert root("init", "--common-name", "Offline Root CA", *points, *secret).exit_code == 0
    stopped = vault.run("apply", "--yes", "-f", file)
    assert stopped.exit_code == 3, stopped.output
    agreed = ["--yes", "--spki-sha256", spki((tmp_path / "env.csr").read_bytes())]
    # As the message says: what is signed by it fits the file.
    words = re.findall(r"vault-issuer root (sign .*)$", " ".join(stopped.output.split()))[0].split()
    signed = root(*words, *agreed, *secret)
    assert signed.exit_code == 0, signed.output
    vault.apply(file)
    assert actions(vault.plan(file)) == []
    mount = f"{vault.name}-env"
    found = vault.certificate(mount, f"{mount}-ca")
    issued = next((tmp_path / "root" / "issued").iterdir())
    assert issued.stem == f"{found.serial_number:x}"
    watched_by_health(vault, mount, issued.stem, published, secret)


def watched_by_health(vault: Vault, mount: str, serial: str, published: Published, secret: list[str]) -> None:
    """Assert that `pki health` watches what `root crl` publishes: its end, and a CA of this Vault in it."""
    for words, expected in (
        (["--lifetime", "10d"], {("offline_crl", "warning"), ("aia_url", "ok")}),
        (["--lifetime", "1y"], {("offline_crl", "ok"), ("aia_url", "ok"), ("crl_url", "ok")}),
        (
            ["--lifetime", "1y", "--revoke", serial, "--yes"],
            {("offline_crl", "ok"), ("crl_url", "critical")},
        ),
    ):
        assert root("crl", "--publish", "www", *words, *secret).exit_code == 0
        published.files |= {f"/{one.name}": one.read_bytes() for one in Path("www").iterdir()}
        ran = vault.run("health", "--mount", mount, "-o", "json")
        told = {
            (one["check"], one["severity"])
            for one in json.loads(ran.stdout)["findings"]
            if one["endpoint"].startswith("http")
        }
        assert expected <= told, told
        assert (("crl_url", "critical") in told) is ("--revoke" in words)
