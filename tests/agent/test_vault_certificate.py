"""docs/vault-certificate.md and config/agent/vault.yaml: OpenBao serves what its own CA signed.

Only addresses, places and names of files are this machine's.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from issuer.endpoint.address import parse_endpoint
from issuer.endpoint.dialing import DialOptions, dial
from testbed.openbao import OpenBao
from testbed.servers import find_bao
from tests.agent.support import Machine
from tests.agent.test_examples import begun
from tests.docs.console import console, difference

PAGE = Path(__file__).parents[2] / "docs" / "vault-certificate.md"
NAMES = {"tls.crt": "openbao.crt", "tls.key": "openbao.key"}
"""Those of the testbed's listener."""
SECONDS = 4
"""Life of the certificate that ends."""
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the listener's two files."""
    return tmp_path / "listener"


@pytest.fixture
def bao(tmp_path: Path, folder: Path) -> Iterator[OpenBao]:
    """An OpenBao that serves the page's first certificate, and is trusted by that."""
    server = OpenBao(find_bao(), folder)
    typed("openssl req", {"/opt/vault/tls": str(folder), **NAMES})
    server.ca_file.write_bytes((folder / NAMES["tls.crt"]).read_bytes())
    try:
        server.start()
        server.write("sys/auth/approle", {"type": "approle"})
        (tmp_path / "vault.pid").write_text(str(server.process.pid))
        yield server
    finally:
        server.close()


def typed(which: str, own: Mapping[str, str]) -> None:
    """Type the page's block that has this command, with this machine's places; it prints what is shown."""
    [block] = [one for one in console(PAGE) if any(step.script.startswith(which) for step in one.steps)]
    moved = ""
    for step in block.steps:
        script = step.script
        for usual, ours in own.items():
            script = script.replace(usual, ours)
        if script.startswith("cd "):
            moved = script
            continue
        ran = subprocess.run(
            ["bash", "-c", f"{moved or ':'} && {script}"], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        if step.shown:
            shown = [TIME.sub("…", line) for line in step.shown]
            assert difference(shown, TIME.sub("…", ran.stdout)) is None


def served(bao: OpenBao) -> int:
    """The serial number of what the listener serves."""
    found = asyncio.run(
        dial(parse_endpoint(bao.addr.removeprefix("https://")), DialOptions("vault.example.com"))
    )
    return found.leaf.serial_number


def test_the_page_from_the_first_certificate_to_the_way_back(
    bao: OpenBao, folder: Path, tmp_path: Path
) -> None:
    machine = Machine.made(bao, "pki", tmp_path)
    agent = f"{sys.executable} -m issuer agent"
    own = {
        "/opt/vault/tls": str(folder),
        "/run/vault/vault.pid": str(tmp_path / "vault.pid"),
        "/usr/bin/vault": str(Path(f"/proc/{bao.process.pid}/exe").readlink()),
        "127.0.0.1:8200": bao.addr.removeprefix("https://"),
        **NAMES,
    }
    begun(machine, "vault", **own)
    trusted = tmp_path / "vault-ca.pem"
    trusted.write_text(f"{bao.ca_pem}{bao.read('pki/cert/ca')['certificate']}\n")
    machine.data["vault"]["caFile"] = str(trusted)
    configured(machine)
    commands = own | {
        f"vault-issuer agent {one}": f"{agent} {one} -c {tmp_path / 'agent.yaml'}"
        for one in ("check", "once", "renew vault")
    }
    first = served(bao)
    typed("vault-issuer agent check", commands)
    second = served(bao)
    assert second != first
    assert bao.read("pki/cert/ca"), "a connection from before stays: this client trusts the first one alone"

    # One that has ended, as after a week of a Vault that was sealed.
    usual = machine.data["certificates"][0]["ttl"]
    machine.data["certificates"][0]["ttl"] = f"{SECONDS}s"
    configured(machine)
    assert machine.run("renew", "vault").exit_code == 0
    time.sleep(SECONDS + 1)
    machine.data["certificates"][0]["ttl"] = usual
    refused = machine.run("once")
    assert refused.exit_code == 1
    assert refused.stderr.strip() in PAGE.read_text()
    typed("ln -sf", commands)
    assert served(bao) not in {first, second}
    assert machine.status()["state"] == "Fresh"


def configured(machine: Machine) -> None:
    """Write the machine's configuration for commands that are typed."""
    file = machine.folder / "agent.yaml"
    file.write_text(yaml.safe_dump(machine.data))
    file.chmod(0o600)
