"""The page's blocks, as a new user types them, up to a certificate that a real nginx serves."""

from __future__ import annotations

import asyncio
import getpass
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from issuer.agent.config.reading import checked_agent_file
from issuer.endpoint.address import parse_endpoint
from issuer.endpoint.dialing import DialOptions, dial
from testbed.errors import TestbedError
from testbed.servers import find_bao
from testbed.web_servers import find_web_server
from tests.agent.servers import nginx
from tests.agent.support import Machine

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
    assert machine.run("check").exit_code == 0
    assert "nas: renewed (First)" in machine.once().stdout
    assert machine.served("tls/nas")
    served_as_the_page_says(machine, tmp_path)


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
