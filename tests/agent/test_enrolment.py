"""Machines enrolled, given a new ticket, locked out and removed, on a real server."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from typer.testing import CliRunner, Result

from issuer.agent.config.model import CertificateSpec, KeySpec
from issuer.agent.config.reading import load_agent_file
from issuer.agent.login.ticket import ServerTrust, read_ticket
from issuer.agent.process.agent import opened_agent
from issuer.agent.renewal.keepers.certificates import CertificateKeeper
from issuer.agent.renewal.keys import new_key, request_pem
from issuer.cli.main import app
from testbed.errors import HTTPError
from tests.agent.support import Machine


class Enrolment:
    """An administrator's commands, and a machine's, which share nothing but the ticket."""

    def __init__(self, machine: Machine) -> None:
        self.server, self.folder = machine, machine.folder / "joined"
        self.host = f"{machine.name}.example.com"
        self.bao = machine.bao
        self.config = self.folder / "etc" / "agent.yaml"
        self.state = self.folder / "state"
        self.trusted = {"BAO_CACERT": str(self.bao.ca_file)}

    @property
    def environment(self) -> dict[str, str]:
        return {"BAO_ADDR": self.bao.addr, "BAO_TOKEN": self.bao.token, **self.trusted}

    def enroll(self, *words: str) -> Result:
        arguments = ["enroll", *words, "--mount", self.server.name]
        return CliRunner().invoke(app, arguments, env=self.environment)

    def ticket(self, *words: str) -> str:
        ran = self.enroll(self.host, "--yes", *words)
        assert ran.exit_code == 0, ran.output
        [line] = [one for one in ran.stdout.splitlines() if one.startswith("echo vi1.")]
        return line.split()[1]

    def join(self, ticket: str) -> Result:
        arguments = ["agent", "join", "-c", str(self.config), "--folder", str(self.folder / "tls")]
        return CliRunner().invoke(app, arguments, input=ticket, env={"STATE_DIRECTORY": str(self.state)})

    def agent(self, *words: str) -> Result:
        arguments = ["agent", *words, "-c", str(self.config)]
        return CliRunner().invoke(app, arguments, env={"STATE_DIRECTORY": str(self.state)})

    def served(self) -> x509.Certificate:
        return x509.load_pem_x509_certificates((self.folder / "tls" / "tls.crt").read_bytes())[0]

    def objects(self) -> list[str]:
        """What the server has of the machine."""
        name = f"host-{self.host}"
        lists = ["sys/policies/acl", "auth/approle/role", f"{self.server.name}/roles"]
        found = {one: self.bao.call("GET", f"{one}?list=true").get("data") or {} for one in lists}
        return [one for one, data in found.items() if name in data.get("keys", [])]


@pytest.fixture
def enrolment(machine: Machine) -> Enrolment:
    return Enrolment(machine)


def test_ticket_is_all_that_a_machine_needs(enrolment: Enrolment) -> None:
    shown = enrolment.enroll(enrolment.host, "--dry-run")
    assert shown.exit_code == 2
    assert f"create   PKI role {enrolment.server.name}/roles/host-{enrolment.host}" in shown.stdout
    assert enrolment.objects() == []
    ticket = enrolment.ticket()
    ran = enrolment.join(ticket)
    assert ran.exit_code == 0, ran.output
    assert "The login works" in ran.stdout
    assert enrolment.agent("once").exit_code == 0
    names = enrolment.served().extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [enrolment.host]
    again = enrolment.join(ticket)
    assert again.exit_code == 1
    assert "was used on this machine already" in again.stderr
    assert enrolment.enroll(enrolment.host, "--dry-run").exit_code == 0  # read back, nothing differs


def test_server_below_another_ca_than_the_mount_is_trusted_by_it(enrolment: Enrolment) -> None:
    """A file with both CAs made a ticket that trusts the mount's root alone, and no server was reached."""
    root = str(enrolment.bao.read(f"{enrolment.server.name}/cert/ca")["certificate"])
    both = enrolment.server.folder / "cas"
    both.mkdir()
    (both / "root.pem").write_text(root)
    (both / "listener.pem").write_text(enrolment.bao.ca_pem)
    enrolment.trusted = {"BAO_CAPATH": str(both)}
    ticket = enrolment.ticket()
    assert read_ticket(ticket).trust is ServerTrust.GIVEN
    ran = enrolment.join(ticket)
    assert ran.exit_code == 0, ran.output


def test_trust_that_no_ticket_holds_is_refused_before_anything_is_written(enrolment: Enrolment) -> None:
    many = enrolment.server.folder / "many.pem"
    many.write_text(enrolment.bao.ca_pem * 70)
    enrolment.trusted = {"BAO_CACERT": str(many)}
    ran = enrolment.enroll(enrolment.host, "--yes")
    assert (ran.exit_code, enrolment.objects()) == (1, [])
    assert "too many for a ticket. Nothing was done" in ran.stderr


def test_role_allows_the_exact_names_alone(enrolment: Enrolment) -> None:
    enrolment.join(enrolment.ticket())
    data = yaml.safe_load(enrolment.config.read_text())
    for name in (f"www.{enrolment.host}", "example.com"):
        data["certificates"][0] |= {"dnsNames": [name], "commonName": name}
        enrolment.config.write_text(yaml.safe_dump(data))
        assert "not allowed by this role" in enrolment.agent("once").stderr
    data["certificates"][0] |= {"dnsNames": [enrolment.host], "commonName": enrolment.host}
    data["certificates"][0]["path"] = f"{enrolment.server.name}/sign/web"
    enrolment.config.write_text(yaml.safe_dump(data))
    assert enrolment.agent("once").exit_code == 1


def test_wildcard_is_signed_as_it_is_and_nothing_below_it(enrolment: Enrolment) -> None:
    wildcard = f"*.{enrolment.host}"
    assert enrolment.join(enrolment.ticket("--dns-name", wildcard)).exit_code == 0
    ran = enrolment.agent("once")
    assert ran.exit_code == 0, ran.output
    data = yaml.safe_load(enrolment.config.read_text())
    for name in (f"www.{enrolment.host}", f"a.b.{enrolment.host}", enrolment.host, f"*.a.{enrolment.host}"):
        data["certificates"][0] |= {"dnsNames": [name], "commonName": name}
        enrolment.config.write_text(yaml.safe_dump(data))
        assert "not allowed by this role" in enrolment.agent("once").stderr


def test_certificate_login_trusts_the_ca_that_signs_alone(enrolment: Enrolment) -> None:
    bao, root = enrolment.bao, enrolment.server.name
    mount, login = f"int-{root}", f"cert-int-{root}"
    bao.write(f"sys/mounts/{mount}", {"type": "pki"})
    csr = bao.write(f"{mount}/intermediate/generate/internal", {"common_name": "Issuing"})["csr"]
    signed = bao.write(f"{root}/root/sign-intermediate", {"csr": csr, "common_name": "Issuing"})
    bao.write(
        f"{mount}/intermediate/set-signed",
        {"certificate": f"{signed['certificate']}\n{signed['issuing_ca']}"},
    )
    bao.write(f"sys/auth/{login}", {"type": "cert"})
    enrolment.server.name = mount
    assert enrolment.join(enrolment.ticket("--cert", login)).exit_code == 0
    assert enrolment.agent("once").exit_code == 0
    trusted = bao.read(f"auth/{login}/certs/host-{enrolment.host}")
    assert trusted["certificate"].strip() == signed["certificate"].strip()
    assert enrolment.enroll(enrolment.host, "--cert", login, "--dry-run").exit_code == 0
    for path in enrolment.state.glob("*-*"):
        if path.name.startswith(("token", "secret")):
            path.unlink()
    assert enrolment.agent("renew", enrolment.host).exit_code == 0  # by its certificate


def test_machine_revokes_its_own_certificate_alone(enrolment: Enrolment) -> None:
    enrolment.join(enrolment.ticket())
    enrolment.agent("once")
    mine = enrolment.served().public_bytes(Encoding.PEM).decode()
    csr = request_pem(certificate("web.example.com"), new_key(KeySpec()))
    body = {"csr": csr, "common_name": "web.example.com"}
    other = enrolment.bao.write(f"{enrolment.server.name}/sign/web", body)["certificate"]
    key = load_pem_private_key((enrolment.folder / "tls" / "tls.key").read_bytes(), None)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    async def revoke(pem: str) -> bool:
        async with opened_agent(load_agent_file(str(enrolment.config)), enrolment.state) as agent:
            [keeper] = agent.keepers.values()
            assert isinstance(keeper, CertificateKeeper)
            return await keeper._calls.revoke(pem, "", "nas", der)

    assert asyncio.run(revoke(mine))
    assert not asyncio.run(revoke(other))


def certificate(name: str) -> CertificateSpec:
    return CertificateSpec.model_validate(
        {"name": "other", "folder": "/nowhere", "path": "a/sign/b", "dnsNames": [name]}
    )


def test_plan_shows_a_role_that_somebody_widened(enrolment: Enrolment) -> None:
    enrolment.ticket()
    path = f"{enrolment.server.name}/roles/host-{enrolment.host}"
    role = enrolment.bao.read(path)
    enrolment.bao.write(path, {**role, "allow_any_name": True})
    ran = enrolment.enroll(enrolment.host, "--dry-run", "-o", "json")
    assert ran.exit_code == 2
    [step] = [one for one in json.loads(ran.stdout)["plan"] if one["action"] != "nothing"]
    assert step["changes"] == {"allow_any_name": {"from": True, "to": False}}


def test_new_ticket_ends_the_one_before(enrolment: Enrolment) -> None:
    first = enrolment.ticket()
    second = enrolment.ticket("--renew")
    ran = enrolment.join(first)
    assert ran.exit_code == 1
    assert enrolment.join(second).exit_code == 0


def test_configuration_of_another_machine_keeps_its_ca(enrolment: Enrolment) -> None:
    """The CA says which server is trusted: a ticket of another one must not change it."""
    enrolment.join(enrolment.ticket())
    ca = enrolment.config.parent / "vault-ca.pem"
    kept = ca.read_bytes()
    ticket = read_ticket(enrolment.ticket("--renew"))
    for other in ({"server": "https://evil.example.com"}, {"role_name": "host-other"}):
        evil = ticket.model_copy(update={"trust": ServerTrust.GIVEN, "ca": kept.decode() * 2, **other})
        ran = enrolment.join(evil.line())
        assert ran.exit_code == 1
        assert "The configuration is not that of" in ran.stderr
        assert ca.read_bytes() == kept


def test_join_that_fails_leaves_no_configuration(enrolment: Enrolment) -> None:
    """The next ticket, perhaps of another machine, would stop at it."""
    ticket = read_ticket(enrolment.ticket())
    for change, told in (
        ({"wrapped": "hvs.gone"}, "somebody else has unwrapped it"),
        ({"server": "notaurl"}, "as the ticket has it,:"),
        ({"dns_names": ("a,b",)}, "as the ticket has it,:"),
        ({"deadline": "soon"}, "The ticket is damaged"),
    ):
        ran = enrolment.join(ticket.model_copy(update=change).line())
        assert ran.exit_code == 1
        assert told in ran.stderr
        assert not enrolment.config.exists()
    assert enrolment.join(ticket.line()).exit_code == 0


def test_another_root_is_not_joined(enrolment: Enrolment) -> None:
    ticket = read_ticket(enrolment.ticket())
    assert ticket.trust is ServerTrust.GIVEN  # the testbed's listener has another CA than the mount
    other = ticket.model_copy(update={"trust": ServerTrust.ROOT, "root_fingerprint": "00" * 32})
    ran = enrolment.join(other.line())
    assert ran.exit_code == 1
    assert "somebody may be between here and the server" in ran.stderr
    assert not enrolment.config.exists()
    assert enrolment.join("vi1.nonsense").exit_code == 1


def logs_in(enrolment: Enrolment, kept: dict[str, bytes]) -> bool:
    """Put all that the machine ever had back into its state, and try."""
    for name, data in kept.items():
        (enrolment.state / name).write_bytes(data)
    return enrolment.agent("renew", enrolment.host).exit_code == 0


def test_nothing_kept_logs_in_after_a_lock_or_a_removal(enrolment: Enrolment) -> None:
    mount = f"cert-{enrolment.server.name}"
    enrolment.bao.write(f"sys/auth/{mount}", {"type": "cert"})
    assert enrolment.join(enrolment.ticket("--cert", mount)).exit_code == 0
    assert enrolment.agent("once").exit_code == 0
    kept = {path.name: path.read_bytes() for path in enrolment.state.glob("*-*")}
    assert {name.partition("-")[0] for name in kept} >= {"token", "secret"}
    assert logs_in(enrolment, kept)
    (enrolment.state / next(name for name in kept if name.startswith("token"))).unlink()
    listed = json.loads(enrolment.enroll("list", "-o", "json").stdout)
    assert [one["state"] for one in listed if one["host"] == enrolment.host] == ["Enrolled"]

    ran = enrolment.enroll("--lock", enrolment.host, "--yes")
    assert ran.exit_code == 0, ran.output
    assert not logs_in(enrolment, kept)
    listed = json.loads(enrolment.enroll("list", "-o", "json").stdout)
    assert [one["state"] for one in listed if one["host"] == enrolment.host] == ["Locked"]

    assert enrolment.join(enrolment.ticket("--cert", mount)).exit_code == 0
    assert enrolment.agent("renew", enrolment.host).exit_code == 0
    kept |= {path.name: path.read_bytes() for path in enrolment.state.glob("*-*")}
    serial = enrolment.served().serial_number
    plan = enrolment.enroll("--remove", enrolment.host, "--dry-run")
    assert plan.exit_code == 2
    assert "revoke  certificate" in plan.stdout
    ran = enrolment.enroll("--remove", enrolment.host, "--yes")
    assert ran.exit_code == 0, ran.output
    assert enrolment.objects() == []
    assert not logs_in(enrolment, kept)
    pretty = serial.to_bytes((serial.bit_length() + 7) // 8, "big").hex(":")
    assert enrolment.bao.read(f"{enrolment.server.name}/cert/{pretty}")["revocation_time"] > 0
    assert "is not enrolled" in enrolment.enroll("--remove", enrolment.host, "--yes").stderr


def test_what_is_not_given_again_stays_as_it_is(enrolment: Enrolment) -> None:
    login = f"cert-{enrolment.server.name}"
    enrolment.bao.write(f"sys/auth/{login}", {"type": "cert"})
    enrolment.ticket("--cert", login, "--cidr", "127.0.0.0/8", "--cidr", "192.0.2.7/32", "--ttl", "24h")
    assert enrolment.enroll(enrolment.host, "--dry-run").exit_code == 0
    enrolment.enroll(enrolment.host, "--lock", "--yes")
    ticket = read_ticket(enrolment.ticket())
    assert (ticket.cert_mount, ticket.ttl_seconds) == (login, 24 * 3600)
    app_role = enrolment.bao.read(f"auth/approle/role/host-{enrolment.host}")
    assert app_role["secret_id_bound_cidrs"] == ["127.0.0.0/8", "192.0.2.7/32"]
    assert enrolment.bao.read(f"auth/{login}/certs/host-{enrolment.host}")
    assert "enrolled with --cert" in enrolment.enroll(enrolment.host, "--cert", "", "--yes").stderr
    assert enrolment.enroll(enrolment.host, "--remove", "--yes").exit_code == 0
    with pytest.raises(HTTPError, match="404"):  # none is left to list
        enrolment.bao.call("GET", f"auth/{login}/certs?list=true")


def test_removal_revokes_certificates_that_have_other_names_too(enrolment: Enrolment) -> None:
    enrolment.ticket("--ip-address", "192.0.2.5", "--dns-name", enrolment.host)
    path = f"{enrolment.server.name}/sign/host-{enrolment.host}"
    serials = set()
    for addresses in ((), ("192.0.2.66",)):
        spec = certificate(enrolment.host).model_copy(update={"ip_addresses": addresses})
        body = {"csr": request_pem(spec, new_key(KeySpec())), "common_name": enrolment.host}
        serials.add(enrolment.bao.write(path, body)["serial_number"])
    shown = enrolment.enroll(enrolment.host, "--remove", "--dry-run").stdout
    assert "not its: 192.0.2.66" in shown
    ran = enrolment.enroll(enrolment.host, "--remove", "--yes")
    assert ran.exit_code == 0, ran.output
    assert "read back, no role, secret ID or token of it is left" in ran.stdout
    for serial in serials:
        assert enrolment.bao.read(f"{enrolment.server.name}/cert/{serial}")["revocation_time"] > 0


def test_removal_revokes_certificates_without_any_name_of_the_machine(enrolment: Enrolment) -> None:
    """All that its own role signs: a mailbox, another address, and no name at all."""
    enrolment.ticket("--ip-address", "192.0.2.5", "--dns-name", enrolment.host)
    path = f"{enrolment.server.name}/sign/host-{enrolment.host}"

    def sign(**names: object) -> str:
        spec = certificate(enrolment.host).model_copy(update={"dns_names": (), **names})
        answer = enrolment.bao.write(path, {"csr": request_pem(spec, new_key(KeySpec()))})
        return str(answer["serial_number"])

    mailbox = f"root@{enrolment.host}"
    serials = {
        mailbox: sign(email_addresses=(mailbox,)),
        "192.0.2.66": sign(ip_addresses=("192.0.2.66",)),
        "no name": sign(),
    }
    with pytest.raises(HTTPError, match="400"):  # a role allows mailboxes as common names, too, by default
        sign(common_name=mailbox)
    shown = enrolment.enroll(enrolment.host, "--remove", "--dry-run").stdout
    assert all(f"{serial} ({name})" in shown for name, serial in serials.items()), shown
    assert enrolment.enroll(enrolment.host, "--remove", "--yes").exit_code == 0
    for serial in serials.values():
        assert enrolment.bao.read(f"{enrolment.server.name}/cert/{serial}")["revocation_time"] > 0


def test_removal_that_was_interrupted_is_gone_on_with(enrolment: Enrolment) -> None:
    enrolment.ticket()
    enrolment.bao.delete(f"auth/approle/role/host-{enrolment.host}")
    enrolment.bao.delete(f"{enrolment.server.name}/roles/host-{enrolment.host}")
    ran = enrolment.enroll("--remove", enrolment.host, "--yes")
    assert ran.exit_code == 0, ran.output
    assert enrolment.objects() == []


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--remove", "nobody.example.com"), '"nobody.example.com" is not enrolled'),
        (("Nas!",), "can't name a machine"),
        (("nas", "--approle", "nowhere"), "vault auth enable -path=nowhere approle"),
        (("nas", "--dns-name", "a/b"), "is no DNS name"),
        (("nas", "--cert", "cert", "--ip-address", "192.0.2.5"), "no DNS name for a certificate login"),
    ],
)
def test_bad_input_is_refused(enrolment: Enrolment, words: tuple[str, ...], problem: str) -> None:
    ran = enrolment.enroll(*words, "--yes")
    assert ran.exit_code == 1
    assert problem in ran.stderr


def test_without_a_terminal_nothing_is_written(enrolment: Enrolment) -> None:
    ran = enrolment.enroll(enrolment.host)
    assert ran.exit_code == 1
    assert "Use --yes" in ran.stderr
    assert enrolment.objects() == []


def test_foreign_policy_is_not_written_over(enrolment: Enrolment) -> None:
    rules: dict[str, Any] = {"policy": 'path "x" { capabilities = ["read"] }'}
    enrolment.bao.write(f"sys/policies/acl/host-{enrolment.host}", rules)
    assert "no enrolment made" in enrolment.enroll(enrolment.host, "--yes").stderr


def test_configuration_of_another_machine_is_kept(enrolment: Enrolment) -> None:
    enrolment.config.parent.mkdir(parents=True)
    enrolment.config.write_text(yaml.safe_dump(enrolment.server.data))
    text = enrolment.config.read_text()
    ran = enrolment.join(enrolment.ticket())
    assert ran.exit_code == 1
    assert "The configuration is not that of" in ran.stderr
    assert enrolment.config.read_text() == text


def test_machine_s_files_are_its_own(enrolment: Enrolment) -> None:
    old = os.umask(0)
    try:
        enrolment.join(enrolment.ticket())
    finally:
        os.umask(old)
    for path in (enrolment.folder).rglob("*"):
        assert Path(path).stat().st_mode & 0o022 == 0, path
    for path in enrolment.state.glob("*-*"):
        assert path.stat().st_mode & 0o077 == 0, path
