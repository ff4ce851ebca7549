"""The page's blocks, as a new user types them; a NAS as of seed 000 and an app as of seed 002."""

from __future__ import annotations

import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from issuer.agent.config.reading import checked_agent_file
from testbed.servers import find_bao
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


def test_app_of_seed_002_has_short_lives_and_a_key_of_its_own(machine: Machine) -> None:
    machine.data["certificates"] = [
        machine.certificate("api", commonName="api.example.com", ttl="1h", key={"algorithm": "RSA"})
    ]
    machine.once()
    first = machine.served("api")[0]
    assert machine.run("renew", "api").exit_code == 0
    second = machine.served("api")[0]
    assert first.public_key() != second.public_key()
    assert second.not_valid_after_utc - second.not_valid_before_utc < timedelta(hours=2)
