"""CAs alone: no token, pinned at the first contact, both roots while a rotation goes on."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

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
