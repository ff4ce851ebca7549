"""The page's blocks, as a new user types them, up to a certificate that a real nginx serves."""

from __future__ import annotations

import asyncio
import getpass
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from issuer.agent.config.reading import checked_agent_file
from issuer.cli.main import app
from issuer.endpoint.address import parse_endpoint
from issuer.endpoint.dialing import DialOptions, dial
from testbed.errors import TestbedError
from testbed.servers import find_bao
from testbed.web_servers import find_web_server
from tests.agent.servers import nginx
from tests.agent.support import Machine
from tests.docs.console import difference

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
PAGE = (Path(__file__).parents[2] / "docs" / "agent.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_configurations_of_the_page_are_taken(block: str) -> None:
    if "vault:" in block:  # others show a part
        checked_agent_file("docs/agent.md", block.replace("AB:CD:...", "AB" * 32).encode())


def test_first_certificate_of_the_page(machine: Machine, tmp_path: Path) -> None:
    bao = machine.bao
    [block] = [one for one in blocks("bash") if "vault policy write nas" in one]
    script = re.sub(r"\bvault (?=write|read|policy|auth)", f"{find_bao().path} ", block)
    script = script.replace("pki_int", machine.name)
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "BAO_ADDR": bao.addr,
            "BAO_CACERT": str(bao.ca_file),
            "BAO_TOKEN": bao.token,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    [text] = [one for one in blocks("yaml") if "name: nas" in one]
    for usual, own in (
        ("https://vault.example.com:8200", bao.addr),
        ("/etc/vault-issuer/vault-ca.pem", str(bao.ca_file)),
        ("/etc/vault-issuer", str(tmp_path)),
        ("/etc/tls", str(tmp_path / "tls")),
        ("pki_int", machine.name),
    ):
        assert usual in text
        text = text.replace(usual, own)
    machine.data = {**yaml.safe_load(text), "stateFolder": str(tmp_path / "state")}
    [shown] = [one for one in blocks("console") if "agent check" in one]
    for command, lines in commands(shown):
        (tmp_path / "agent.yaml").write_text(yaml.safe_dump(machine.data))
        (tmp_path / "agent.yaml").chmod(0o600)
        typed = [sys.executable, "-m", "issuer", *command.split()[1:], "-c", str(tmp_path / "agent.yaml")]
        done = subprocess.run(typed, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        printed = done.stdout.replace(str(tmp_path / "tls"), "/etc/tls")
        assert difference(lines, TIME.sub("…", printed)) is None
    assert machine.served("tls/nas")
    served_as_the_page_says(machine, tmp_path)


def test_enrolment_prints_what_the_page_shows(machine: Machine) -> None:
    [shown] = [one for one in blocks("console") if "vault-issuer enroll" in one]
    [(command, lines)] = commands(shown)
    own = [line.replace("pki_int", machine.name) for line in lines]
    assert own.pop(2) == "Write this, and give a ticket? [y/N]: y"  # asked on a terminal alone
    bao = machine.bao
    ran = CliRunner().invoke(
        app,
        [*shlex.split(command.replace("pki_int", machine.name))[1:], "--yes"],
        env={"BAO_ADDR": bao.addr, "BAO_CACERT": str(bao.ca_file), "BAO_TOKEN": bao.token},
    )
    assert ran.exit_code == 0, ran.output
    assert difference(own, ran.stdout) is None


def commands(block: str) -> list[tuple[str, list[str]]]:
    """Return what is typed behind each `$`, and the lines that the page shows of its answer."""
    found = [part.splitlines() for part in block.split("$ ")[1:]]
    return [(typed, [TIME.sub("…", line) for line in shown]) for typed, *shown in found]


def served_as_the_page_says(machine: Machine, folder: Path) -> None:
    """Give a real nginx the page's consumer, and see what a new connection gets after a renewal."""
    try:
        find_web_server("nginx")
    except TestbedError as error:
        pytest.skip(str(error))
    [text] = [one for one in blocks("yaml") if one.startswith("consumers:")]
    with nginx(folder / "server", folder / "tls" / "nas" / "combined.pem") as server:
        for usual, own in (
            ("user: root", f"user: {getpass.getuser()}"),
            ("/run/nginx.pid", str(server.pid_file)),
            ("/usr/sbin/nginx", server.exe),
            ("127.0.0.1:443", server.address),
        ):
            assert usual in text
            text = text.replace(usual, own)
        [consumer] = yaml.safe_load(text)["consumers"]
        # A busy machine is no failure.
        machine.data["consumers"] = [{**consumer, "timeout": "5m", "verifyWithin": "10m"}]
        assert "nginx: told" in machine.run("renew", "nas").stdout
        found = asyncio.run(dial(parse_endpoint(server.address), DialOptions("nas.example.com")))
        assert found.leaf == machine.served("tls/nas")[0]
