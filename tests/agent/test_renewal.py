"""Certificates on a machine: the first, renewals and their reasons, and what stands in their way."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from tests.agent.support import Machine


def test_first_run_writes_a_set_and_the_second_nothing(machine: Machine) -> None:
    ran = machine.once()
    assert "web: renewed (First), expires" in ran.stdout
    leaf, *chain = machine.served()
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["web.example.com"]
    assert chain == []  # the root is the clients'
    root = x509.load_pem_x509_certificate((machine.folder / "web" / "ca.crt").read_bytes())
    leaf.verify_directly_issued_by(root)
    assert (machine.folder / "web" / "tls.key").stat().st_mode & 0o777 == 0o600
    again = machine.once()
    assert "web: kept" in again.stdout
    assert machine.served() == [leaf]
    assert machine.signed() == 1


def test_openssl_accepts_the_files(machine: Machine) -> None:
    machine.once()
    web = machine.folder / "web"
    ran = subprocess.run(
        ["openssl", "verify", "-CAfile", web / "ca.crt", web / "tls.crt"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_kept_token_outlives_the_secret_id(machine: Machine) -> None:
    machine.once()
    (machine.folder / "secret-id").write_text("used up")
    ran = machine.run("renew", "web")
    assert ran.exit_code == 0, ran.output
    assert machine.signed() == 2
    [token] = (machine.folder / "state").glob("token-*")
    assert token.stat().st_mode & 0o777 == 0o600


def test_other_names_are_asked_for_at_once(machine: Machine) -> None:
    machine.once()
    machine.data["certificates"][0]["dnsNames"] = ["web.example.com", "www.example.com"]
    assert machine.run("plan").exit_code == 2
    assert "SpecChanged" in machine.run("plan").stdout
    assert "renewed (SpecChanged)" in machine.once().stdout
    assert machine.run("plan").exit_code == 0


def test_revoked_certificate_is_replaced(machine: Machine) -> None:
    machine.once()
    serial = machine.status()["serial"]
    machine.bao.write(f"{machine.name}/revoke", {"serial_number": serial})
    assert "renewed (Revoked)" in machine.once().stdout
    assert machine.status()["serial"] != serial


def test_new_ca_is_followed(machine: Machine) -> None:
    machine.once()
    made = machine.bao.write(
        f"{machine.name}/root/generate/internal", {"common_name": "Second root", "ttl": "87600h"}
    )
    machine.bao.write(f"{machine.name}/config/issuers", {"default": made["issuer_id"]})
    assert "renewed (CAChanged)" in machine.once().stdout
    root = x509.load_pem_x509_certificate((machine.folder / "web" / "ca.crt").read_bytes())
    assert "Second root" in root.subject.rfc4514_string()
    assert "web: kept" in machine.once().stdout


def test_role_of_another_issuer_is_not_taken_for_a_change(machine: Machine) -> None:
    made = machine.bao.write(
        f"{machine.name}/root/generate/internal",
        {"common_name": "Second root", "ttl": "87600h", "issuer_name": "second"},
    )
    assert made["issuer_id"]
    machine.role(issuer_ref="second")
    machine.once()
    assert "web: kept" in machine.once().stdout
    assert machine.signed() == 1


def test_another_key_is_made_where_another_is_asked_for(machine: Machine) -> None:
    machine.data["certificates"][0]["key"] = {"rotation": "Never"}
    machine.once()
    old = machine.served()[0].public_key()
    machine.bao.write(f"{machine.name}/revoke", {"serial_number": machine.status()["serial"]})
    machine.once()
    assert machine.served()[0].public_key() != old
    machine.data["certificates"][0]["key"] = {"rotation": "Never", "size": 384}
    machine.once()
    assert machine.served()[0].public_key().key_size == 384  # type: ignore[union-attr]


def test_key_is_new_or_kept_as_asked(machine: Machine) -> None:
    keys = []
    for rotation in ("Always", "Never"):
        machine.data["certificates"][0]["key"] = {"rotation": rotation}
        for _ in range(2):
            assert machine.run("renew", "web").exit_code == 0
            keys.append(machine.served()[0].public_key())
    assert keys[0] != keys[1]
    assert keys[2] == keys[3]


def test_edited_file_is_written_again_without_signing(machine: Machine) -> None:
    machine.once()
    leaf = machine.served()
    (machine.folder / "web" / "combined.pem").unlink()
    (machine.folder / "web" / "combined.pem").write_text("mine")
    machine.once()
    assert machine.served() == leaf
    machine.data["certificates"][0]["files"] = [{"name": "all.pem", "kind": "combined", "mode": "0640"}]
    machine.once()
    assert (machine.folder / "web" / "all.pem").stat().st_mode & 0o777 == 0o640
    assert machine.signed() == 1


def test_plan_tells_of_edited_lost_and_other_files(machine: Machine) -> None:
    web = machine.folder / "web"
    machine.once()
    assert machine.run("plan").stdout == "Nothing is due.\n"
    (web / "tls.crt").unlink()
    (web / "tls.crt").write_text("mine")
    ran = machine.run("plan")
    assert ran.exit_code == 2
    assert ran.stdout == f"web: written again in {web}: tls.crt\n"
    machine.once()
    machine.data["certificates"][0]["files"] = [{"name": "all.pem", "kind": "combined"}]
    assert machine.run("plan").stdout == f"web: written again in {web}: all.pem\n"
    machine.once()
    for path in (web / ".generations" / "current").resolve().iterdir():
        if path.name != ".set.json":
            path.unlink()
    assert "a certificate is asked for (FilesLost)" in machine.run("plan").stdout
    assert "renewed (FilesLost)" in machine.once().stdout


def test_status_tells_that_nobody_looks_any_more(machine: Machine) -> None:
    machine.once()
    assert "nobody has looked" not in machine.run("status").stdout
    record = machine.folder / "state" / "records" / "web.json"
    old = {**json.loads(record.read_text()), "looked_at": "2026-01-01T00:00:00Z"}
    record.write_text(json.dumps(old))
    assert "nobody has looked at it since 2026-01-01T00:00:00Z" in machine.run("status").stdout


def test_two_configurations_of_one_user_have_states_of_their_own(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    del machine.data["stateFolder"]
    monkeypatch.setattr("issuer.agent.config.state.SYSTEM_STATE", machine.folder / "all")
    monkeypatch.setenv("XDG_STATE_HOME", str(machine.folder / "home"))
    machine.once()
    base = machine.folder / ("all" if os.geteuid() == 0 else "home/vault-issuer-agent")
    [own] = base.iterdir()
    assert own.name.startswith("agent-")
    assert list(own.glob("token-*"))


def test_copies_are_repaired(machine: Machine) -> None:
    copy = machine.folder / "elsewhere" / "web.pem"
    machine.data["certificates"][0]["copies"] = [{"path": str(copy), "kind": "combined"}]
    machine.once()
    copy.write_text("half")
    machine.once()
    assert copy.read_bytes() == (machine.folder / "web" / "combined.pem").read_bytes()


def test_copied_store_is_not_written_at_each_look(machine: Machine) -> None:
    copy = machine.folder / "elsewhere" / "web.p12"
    machine.data["certificates"][0]["copies"] = [{"path": str(copy), "kind": "pkcs12"}]
    machine.once()
    first = copy.read_bytes()
    machine.once()
    assert copy.read_bytes() == first
    assert machine.run("renew", "web").exit_code == 0
    assert copy.read_bytes() != first


def test_name_the_role_refuses_leaves_the_files(machine: Machine) -> None:
    machine.once()
    leaf = machine.served()
    machine.data["certificates"][0]["dnsNames"] = ["web.example.org"]
    ran = machine.run("once")
    assert ran.exit_code == 1
    assert "web.example.org not allowed by this role" in ran.stderr
    assert machine.served() == leaf
    assert machine.run("status").exit_code == 1
    assert machine.status()["failures"] == 1


def test_lost_credentials_are_named(machine: Machine) -> None:
    (machine.folder / "secret-id").unlink()
    ran = machine.run("once")
    assert ran.exit_code == 1
    assert f'"{machine.folder / "secret-id"}", which the login needs, can\'t be read' in ran.stderr
    secret = machine.new_secret_id()
    machine.once()
    everything = "".join(
        path.read_text()
        for path in (machine.folder / "state").rglob("*")
        if path.is_file() and not path.name.startswith("token-")
    )
    assert secret not in everything


def test_check_tries_all_but_the_signing(machine: Machine) -> None:
    ran = machine.run("check")
    assert ran.exit_code == 0, ran.output
    assert machine.signed() == 1  # the probe: an empty request, which Vault refuses
    machine.data["certificates"][0]["path"] = f"{machine.name}/sign/nobody"
    assert "Error: web:" in machine.run("check").stderr


def test_other_user_s_file_mode_is_kept_private(machine: Machine) -> None:
    old = os.umask(0)
    try:
        machine.once()
    finally:
        os.umask(old)
    for path in (machine.folder / "state").rglob("*"):
        assert path.stat().st_mode & 0o022 == 0, path


def test_kept_token_is_sent_to_no_other_server(machine: Machine) -> None:
    machine.once()
    (machine.folder / "secret-id").write_text("used up")
    machine.data["vault"]["server"] = machine.bao.addr.replace("127.0.0.1", "localhost")
    assert machine.run("renew", "web").exit_code == 1


def test_name_that_is_kept_no_more_is_told(machine: Machine) -> None:
    machine.once()
    machine.data["certificates"][0]["files"] = [{"name": "combined.pem", "kind": "combined"}]
    folder = machine.folder / "web"
    said = machine.once().stderr
    for name in ("tls.key", "tls.crt", "chain.pem", "ca.crt"):
        assert f'"{folder / name}" is kept no more and leads nowhere: remove it' in said
    assert "no more" not in machine.once().stderr


def test_textfile_is_no_file_that_the_agent_has(machine: Machine) -> None:
    machine.once()
    key = (machine.folder / "web" / "tls.key").read_bytes()
    for name in ("web/tls.key", "web/.generations/current/tls.key", "agent.yaml", "secret-id"):
        ran = machine.run("once", "--textfile", str(machine.folder / name))
        assert ran.exit_code == 1
        assert "give --textfile another path" in ran.stderr
    assert (machine.folder / "web" / "tls.key").read_bytes() == key


def test_status_is_by_the_servers_time_and_tells_the_login(machine: Machine) -> None:
    machine.once()
    [row] = json.loads(machine.run("status", "-o", "json").stdout)
    assert row["login"]["way"].startswith("AppRole")
    assert row["login"]["refused"] == []
    report = machine.run("report").stdout
    assert json.loads(report)["login"] == row["login"]
    [record] = (machine.folder / "state").rglob("web.json")
    data = json.loads(record.read_text())
    record.write_text(json.dumps({**data, "skew_seconds": 18 * 3600}))  # this machine's clock is behind
    assert machine.status()["state"] == "Due"
    assert machine.run("plan").exit_code == 2


def test_textfile_has_each_set(machine: Machine, tmp_path: Path) -> None:
    machine.run("once", "--textfile", str(tmp_path / "agent.prom"))
    text = (tmp_path / "agent.prom").read_text()
    assert 'vault_issuer_agent_certificate_not_after_timestamp_seconds{name="web"}' in text
    assert 'vault_issuer_agent_failures{name="web"} 0' in text
