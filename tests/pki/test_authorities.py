"""CAs on a real OpenBao: made once, by identity; what an interruption leaves is found and used."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.pki.files import TWO_TIER
from tests.pki.support import Vault, actions, written


@dataclass(frozen=True, slots=True)
class Left:
    """A root that was applied, and the calls by which an apply of the intermediate would go on."""

    vault: Vault
    file: Path

    @property
    def mount(self) -> str:
        return f"{self.vault.name}-int"

    def key(self) -> str:
        """Make the intermediate's key; returns its request."""
        body = {
            "common_name": "Example Intermediate CA",
            "organization": ["Example"],
            "exclude_cn_from_sans": True,
            "key_type": "ec",
            "key_bits": 256,
            "key_name": f"{self.mount}-2026",
        }
        return str(self.vault.bao.write(f"{self.mount}/intermediate/generate/internal", body)["csr"])

    def sign(self, csr: str) -> dict[str, Any]:
        """Sign the request by the root."""
        name = self.vault.name
        body = {
            "csr": csr,
            "common_name": "Example Intermediate CA",
            "organization": ["Example"],
            "exclude_cn_from_sans": True,
            "ttl": "1825d",
            "max_path_length": 0,
        }
        return self.vault.bao.write(f"{name}-root/issuer/{name}-root-2026/sign-intermediate", body)

    def install(self, certificate: str) -> None:
        """Import a certificate of the intermediate."""
        self.vault.bao.write(f"{self.mount}/intermediate/set-signed", {"certificate": certificate})

    def holds_exactly_one(self) -> None:
        """Assert one key, one issuer of it with its name, and one valid certificate at the signer."""
        vault = self.vault
        keys = vault.listed(f"{self.mount}/keys")["key_info"]
        assert [one["key_name"] for one in keys.values()] == [f"{self.mount}-2026"]
        own = [one for one in vault.issuers(self.mount).values() if one["key_id"]]
        assert [one["issuer_name"] for one in own] == [f"{self.mount}-2026"]
        certificate = vault.certificate(self.mount, f"{self.mount}-2026")
        assert valid_certificates(vault, f"{vault.name}-root", certificate) == [certificate.serial_number]


def valid_certificates(vault: Vault, mount: str, like: x509.Certificate) -> list[int]:
    """Serials of the unrevoked certificates for a key in a mount's list."""
    found = []
    for serial in vault.listed(f"{mount}/certs")["keys"]:
        read = vault.bao.read(f"{mount}/cert/{serial}")
        certificate = x509.load_pem_x509_certificate(read["certificate"].encode())
        if spki(certificate) == spki(like) and not read["revocation_time"]:
            found.append(certificate.serial_number)
    return found


def spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def left(vault: Vault, tmp_path: Path) -> Left:
    """All but the intermediate CA, applied."""
    whole = written(tmp_path, TWO_TIER)
    # Vault warns of a role in a mount that has no CA, so the role comes with it.
    without = TWO_TIER[: TWO_TIER.index("    defaultIssuer: ${T}-int-2026\n")]
    without = without.replace('sign: ["${T}-int/web"], ', "")
    vault.apply(written(tmp_path, without, "before.yaml"))
    return Left(vault, whole)


def test_the_certificates_say_what_the_file_says(left: Left) -> None:
    left.vault.apply(left.file)
    left.holds_exactly_one()
    name = left.vault.name
    root = left.vault.certificate(f"{name}-root", f"{name}-root-2026")
    ca = left.vault.certificate(left.mount, f"{left.mount}-2026")
    ca.verify_directly_issued_by(root)
    for certificate, length in ((root, 1), (ca, 0)):
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        assert (basic.ca, basic.path_length) == (True, length)
        with pytest.raises(x509.ExtensionNotFound):
            certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    # Pointers are taken at signing, from the mount that signs: they stood before it signed.
    pointers = ca.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert f"{name}-root/crl" in pointers[0].full_name[0].value
    lived = ca.not_valid_after_utc - ca.not_valid_before_utc
    assert lived.days == 1825


@pytest.mark.parametrize("stage", ["key", "signed", "revoked", "imported", "signed twice", "imported twice"])
def test_an_interrupted_ca_is_gone_on_with(left: Left, stage: str) -> None:
    csr, signed = left.key(), []
    if stage != "key":
        signed.append(left.sign(csr))
        if "twice" in stage or stage == "revoked":
            signed.append(left.sign(csr))
        if "imported" in stage:
            for one in signed:
                left.install(one["certificate"])
        if stage == "revoked":
            first = signed.pop(0)["serial_number"]
            left.vault.bao.write(f"{left.vault.name}-root/revoke", {"serial_number": first})
    planned = actions(left.vault.plan(left.file))
    assert ("resume", f"{left.mount}/issuer/{left.mount}-2026") in planned
    before = len(left.vault.requests())
    left.vault.apply(left.file)
    left.holds_exactly_one()
    # What the signer had for this key and subject, unrevoked, is taken; nothing more is signed.
    signs = [one for one in left.vault.writes_since(before) if one.endswith("/sign-intermediate")]
    assert len(signs) == (0 if signed else 1)
    if signed:
        taken = left.vault.certificate(left.mount, f"{left.mount}-2026").serial_number
        assert taken in {int(one["serial_number"].replace(":", ""), 16) for one in signed}
    assert actions(left.vault.plan(left.file)) == []


def test_two_appliers_make_one_ca(left: Left) -> None:
    ran: list[Any] = []
    together = threading.Barrier(2)

    def apply() -> None:
        together.wait()
        ran.append(left.vault.process("apply", "--yes", "-f", left.file))

    threads = [threading.Thread(target=apply) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert any(one.returncode == 0 for one in ran), [one.stderr for one in ran]
    left.vault.apply(left.file)
    left.holds_exactly_one()


def test_another_issuers_key_is_not_taken(left: Left) -> None:
    csr = left.key()
    left.install(left.sign(csr)["certificate"])
    issuer = next(one for one, info in left.vault.issuers(left.mount).items() if info["key_id"])
    left.vault.bao.write(f"{left.mount}/issuer/{issuer}", {"issuer_name": "somebody"})
    before = len(left.vault.requests())
    ran = left.vault.run("apply", "--yes", "-f", left.file)
    assert ran.exit_code == 1
    assert "belongs to the issuer somebody already" in ran.output
    assert left.vault.writes_since(before) == []


def test_what_only_a_new_certificate_brings_is_told_and_not_done(left: Left) -> None:
    left.vault.apply(left.file)
    text = left.file.read_text().replace("    lifetime: 1825d\n", "    lifetime: 1000d\n")
    file = written(left.file.parent, text, "shorter.yaml")
    ran = left.vault.run("plan", "-f", file)
    assert ran.exit_code == 3, ran.output
    assert "needs rotation" in ran.output
    before = len(left.vault.requests())
    left.vault.apply(file)
    assert left.vault.writes_since(before) == []
