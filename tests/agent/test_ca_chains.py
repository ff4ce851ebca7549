"""CAs alone: no token, pinned at the first contact, both roots while a rotation goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from issuer.cli.main import app
from tests.agent.support import Machine


def roots(machine: Machine) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((machine.folder / "cas" / "ca.crt").read_bytes())


def chains_only(machine: Machine, **fields: object) -> None:
    del machine.data["vault"]["login"]
    del machine.data["certificates"]
    machine.data["caChains"] = [
        {"name": "cas", "folder": str(machine.folder / "cas"), "mount": machine.name, **fields}
    ]


def fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def test_chain_is_kept_without_a_token(machine: Machine) -> None:
    chains_only(machine)
    machine.once()
    pem = machine.bao.read(f"{machine.name}/cert/ca")["certificate"]
    assert [one.public_bytes(Encoding.PEM) for one in roots(machine)] == [f"{pem}\n".encode()]
    assert "cas: kept" in machine.once().stdout


def test_first_contact_is_pinned(machine: Machine) -> None:
    chains_only(machine, rootFingerprint="00" * 32)
    ran = machine.run("once")
    assert ran.exit_code == 1
    assert "not in that of rootFingerprint" in ran.stderr
    assert not (machine.folder / "cas" / "ca.crt").exists()
    pem = str(machine.bao.read(f"{machine.name}/cert/ca")["certificate"])
    chains_only_again = fingerprint(x509.load_pem_x509_certificate(pem.encode()))
    machine.data["caChains"][0]["rootFingerprint"] = chains_only_again
    machine.once()
    assert [fingerprint(one) for one in roots(machine)] == [chains_only_again]


def test_new_root_needs_a_word_and_the_old_one_stays(machine: Machine) -> None:
    chains_only(machine)
    machine.once()
    old = roots(machine)
    made = machine.bao.write(
        f"{machine.name}/root/generate/internal", {"common_name": "Second root", "ttl": "87600h"}
    )
    machine.bao.write(f"{machine.name}/config/issuers", {"default": made["issuer_id"]})
    ran = machine.run("once")
    assert ran.exit_code == 1
    assert "now end in another root" in ran.stderr
    assert roots(machine) == old
    new = x509.load_pem_x509_certificate(str(made["certificate"]).encode())
    machine.data["caChains"][0]["rootFingerprint"] = fingerprint(new)
    machine.once()
    assert roots(machine) == [new, *old]
    assert machine.run("renew", "cas").exit_code == 0
    assert roots(machine) == [new, *old]  # the old CA is an issuer of the mount still
    [first] = [
        one
        for one in machine.bao.call("GET", f"{machine.name}/issuers?list=true")["data"]["keys"]
        if one != made["issuer_id"]
    ]
    machine.bao.call("DELETE", f"{machine.name}/issuer/{first}")
    machine.once()
    assert roots(machine) == [new]


def test_one_set_needs_no_configuration(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(machine.folder / "home"))
    monkeypatch.setattr("issuer.agent.config.state.SYSTEM_STATE", machine.folder / "all")
    made = machine.bao.call("POST", "auth/token/create", {"policies": [machine.name], "ttl": "1h"})
    (machine.folder / "token").write_text(made["auth"]["client_token"])
    out = machine.folder / "out"
    server = {"VAULT_ADDR": machine.bao.addr, "VAULT_CACERT": str(machine.bao.ca_file)}
    words = ["--path", f"{machine.name}/sign/web", "--dns-name", "web.example.com", "--ttl", "1h"]
    command = ["agent", "once", "--out", str(out), *words]
    assert "--token-file is required" in CliRunner().invoke(app, command, env=server).stderr
    command += ["--token-file", str(machine.folder / "token")]
    for done in ("renewed (First)", "kept"):
        ran = CliRunner().invoke(app, command, env=server)
        assert ran.exit_code == 0, ran.output
        assert done in ran.stdout
    assert machine.served("out")
    assert machine.signed() == 1


def test_first_contact_needs_a_fingerprint_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The testbed's listener has another CA than the mount: the root is taken, and TLS refused by it."""
    monkeypatch.setattr("issuer.agent.config.state.SYSTEM_STATE", machine.folder / "all")
    root = x509.load_pem_x509_certificate(
        str(machine.bao.read(f"{machine.name}/cert/ca")["certificate"]).encode()
    )
    words = ["agent", "once", "--out", str(tmp_path / "ca"), "--mount", machine.name, "--root-fingerprint"]
    for pin, problem in (
        ("AB:CD", "must be the SHA-256 of a certificate, 64 hexadecimal digits"),
        ("00" * 32, "somebody may be between here and the server"),
        (fingerprint(root), "certificate"),
    ):
        ran = CliRunner().invoke(app, [*words, pin], env={"VAULT_ADDR": machine.bao.addr})
        assert ran.exit_code == 1
        assert problem in ran.stderr
    taken = x509.load_pem_x509_certificate((tmp_path / "ca" / "first-contact.pem").read_bytes())
    assert taken == root
