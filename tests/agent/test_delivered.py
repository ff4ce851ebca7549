"""Certificates that something else asked for, and keys that Vault makes."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from typer.testing import CliRunner, Result

from issuer.cli.main import app
from tests.agent.support import Machine


@pytest.fixture
def proxy(machine: Machine) -> Machine:
    """Seed 003: vault-agent renders answers, and its post-hook hands them over, for an app and a proxy."""
    machine.role(key_type="ec", key_bits=256)
    machine.data["certificates"] = [
        {
            "name": "web",
            "folder": str(machine.folder / "web"),
            "delivered": True,
        }
    ]
    machine.data["caChains"] = [{"name": "cas", "folder": str(machine.folder / "cas"), "delivered": True}]
    machine.data["consumers"] = [
        {
            "name": "app",
            "sets": ["web"],
            "user": pwd.getpwuid(os.geteuid()).pw_name,
            "command": ["/usr/bin/touch", str(machine.folder / "reloaded")],
        }
    ]
    del machine.data["vault"]["login"]
    return machine


def issued(machine: Machine, name: str = "web.example.com") -> dict[str, Any]:
    return machine.bao.write(f"{machine.name}/issue/web", {"common_name": name, "ttl": "24h"})


def deliver(machine: Machine, name: str, answer: object) -> Result:
    (machine.folder / "agent.yaml").write_text(yaml.safe_dump(machine.data))
    text = answer if isinstance(answer, str) else json.dumps(answer)
    arguments = ["agent", "deliver", name, "--json", "-", "-c", str(machine.folder / "agent.yaml")]
    return CliRunner().invoke(app, arguments, input=text)


def test_leaf_is_written_and_its_consumer_told(proxy: Machine) -> None:
    answer = issued(proxy)
    ran = deliver(proxy, "web", {"data": answer})
    assert ran.exit_code == 0, ran.output
    assert "web: delivered, expires" in ran.stdout
    assert proxy.served()[0] == x509.load_pem_x509_certificate(answer["certificate"].encode())
    assert (proxy.folder / "reloaded").exists()
    assert proxy.status()["state"] == "Fresh"


def test_chain_alone_is_written(proxy: Machine) -> None:
    answer = proxy.bao.read(f"{proxy.name}/cert/ca")
    assert deliver(proxy, "cas", answer).exit_code == 0
    roots = x509.load_pem_x509_certificates((proxy.folder / "cas" / "ca.crt").read_bytes())
    assert roots == [x509.load_pem_x509_certificate(answer["certificate"].encode())]


def test_edited_file_of_a_delivered_set_is_mended(proxy: Machine) -> None:
    deliver(proxy, "web", issued(proxy))
    deliver(proxy, "cas", proxy.bao.read(f"{proxy.name}/cert/ca"))
    leaf = proxy.served()
    (proxy.folder / "web" / "combined.pem").unlink()
    proxy.once()
    assert proxy.served() == leaf


def test_what_cannot_be_used_leaves_the_old_files(proxy: Machine) -> None:
    first, other = issued(proxy), issued(proxy, "www.example.com")
    proxy.data["certificates"][0]["dnsNames"] = ["web.example.com"]
    deliver(proxy, "web", first)
    leaf = proxy.served()
    mixed = {**first, "private_key": other["private_key"]}
    for answer, problem in (
        (mixed, "The private key that came is not the certificate's"),
        ("<html>", "is not JSON"),
        ([], "is no JSON object"),
        ({"data": {"certificate": first["certificate"]}}, "no certificate with a private key"),
        ({**first, "private_key": "nonsense"}, "The private key that came can't be read"),
        (other, "doesn't have all names of the set"),
        ({**first, "issuing_ca": other["certificate"], "ca_chain": []}, "can't be used"),
    ):
        ran = deliver(proxy, "web", answer)
        assert ran.exit_code == 1
        assert problem in ran.stderr
        assert first["private_key"][40:80] not in ran.output
        assert proxy.served() == leaf
    assert 'There is no set "nobody"' in deliver(proxy, "nobody", first).stderr


def test_key_can_be_made_by_vault(machine: Machine, tmp_path: Path) -> None:
    machine.role(key_type="ec", key_bits=384)
    rules = f'path "{machine.name}/issue/web" {{ capabilities = ["update"] }}\n'
    machine.bao.write(f"sys/policies/acl/{machine.name}", {"policy": rules})
    machine.data["certificates"][0]["path"] = f"{machine.name}/issue/web"
    machine.data["certificates"][0]["commonName"] = "web.example.com"
    assert machine.run("check").exit_code == 0
    machine.once()
    assert machine.served()[0].public_key().key_size == 384  # type: ignore[union-attr]
    assert "web: kept" in machine.once().stdout
    machine.data["certificates"][0]["key"] = {"rotation": "Never"}
    assert "must be left out: on issue/ Vault makes the key" in machine.run("once").stderr
