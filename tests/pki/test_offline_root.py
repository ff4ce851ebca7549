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
    tidy = "    autoTidy: {enabled: true, tidy_cert_store: true, interval_duration: 12h, safety_buffer: 1}\n"
    bounded = bounded.replace("    defaultIssuer:", f"{tidy}    defaultIssuer:")
    file = written(tmp_path, bounded)
    written(tmp_path, "correct horse battery\n", "passphrase").chmod(0o600)
    secret = ["--passphrase-file", "passphrase"]
    points = ["--crl-url", f"{published.url}/root.crl", "--issuer-url", f"{published.url}/root.crt"]
    assert root("init", "--common-name", "Offline Root CA", *points, *secret).exit_code == 0
    stopped = vault.run("apply", "--yes", "-f", file)
    assert stopped.exit_code == 3, stopped.output
    signed_as_told(stopped, tmp_path / "env.csr", secret)
    vault.apply(file)
    assert actions(vault.plan(file)) == []
    mount = f"{vault.name}-env"
    found = vault.certificate(mount, f"{mount}-ca")
    issued = next((tmp_path / "root" / "issued").iterdir())
    assert issued.stem == f"{found.serial_number:x}"
    rotated_to_the_end(vault, tmp_path, bounded, secret)
    watched_by_health(vault, mount, next_serial(vault, mount), published, secret)


def signed_as_told(stopped: Result, request: Path, secret: list[str]) -> None:
    """Sign a request as the message says: what is signed by it fits the file."""
    words = re.findall(r"vault-issuer root (sign \S+ --lifetime \S+ --path-length 0)", one_line(stopped))[0]
    agreed = ["--yes", "--spki-sha256", spki(request.read_bytes())]
    signed = root(*words.split(), *agreed, *secret)
    assert signed.exit_code == 0, signed.output


def one_line(ran: Result) -> str:
    return " ".join(ran.output.split())


def next_serial(vault: Vault, mount: str) -> str:
    """The serial number of the mount's second CA, as the root's folder has it."""
    return f"{vault.certificate(mount, f'{mount}-2').serial_number:x}"


def rotated_to_the_end(vault: Vault, folder: Path, before: str, secret: list[str]) -> None:
    """Have the same root sign the CA's successor, and rotate until the old one is gone."""

    def rotate(verb: str, code: int, *words: str) -> Result:
        ran = vault.run("rotate", verb, "-f", file, "--accept", "issuers", *words)
        assert ran.exit_code == code, (ran.output, ran.exception)
        return ran

    successor = before[before.index("  ${T}-env-ca:\n    mount") :].replace("env-ca:", "env-2:")
    successor = successor.replace("Environment CA", "Environment CA 2").replace("env.", "env-2.")
    file = written(folder, f"{before}{successor}    replaces: ${{T}}-env-ca\n")
    stopped = rotate("next", 3, "--yes")
    assert "It waits for env-2.pem" in rotate("status", 3).output
    signed_as_told(stopped, folder / "env-2.csr", secret)
    assert "pki rotate next does this" in rotate("status", 2).output
    rotate("next", 0, "--yes")
    mount = f"{vault.name}-env"
    above = next(one for one, info in vault.issuers(mount).items() if not info["issuer_name"])
    vault.bao.call("DELETE", f"{mount}/issuer/{above}")
    assert "Give the root by --root FILE" in one_line(rotate("status", 3))
    assert "next does this" in rotate("status", 2, "--accept", "chain").output
    assert "is no root: another CA signed it" in one_line(rotate("next", 1, "--root", "env.pem"))
    rotate("next", 0, "--yes", "--root", "root/root.pem")
    vault.bao.write(f"{mount}/issue/web", {"common_name": "a.example.test"})
    for _ in ("retire", "delete"):
        rotate("next", 0, "--yes", "--root", "root/root.pem")
    vault.bao.write(f"{mount}/issuers/import/cert", {"pem_bundle": Path("root/root.pem").read_text()})
    assert "take the authority" in rotate("status", 0).output
    end = before.replace("env-ca", "env-2").replace("Environment CA", "Environment CA 2")
    assert actions(vault.plan(written(folder, end.replace("env.", "env-2.")))) == []


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
