"""What CA certificates say, the settings of their issuers, and keys that are held by their SHA-256."""

from __future__ import annotations

import hashlib
import textwrap
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.pki.cas import root
from tests.pki.files import IMPORTED, OFFLINE, TWO_TIER
from tests.pki.support import Vault, actions, written

SETTINGS = """\
settings:
  leaf_not_after_behavior: truncate
  usage: [read-only, issuing-certificates, crl-signing]
  issuing_certificates: http://aia.example.test/${T}.crt
  crl_distribution_points: ["http://crl.example.test/${T}.crl", "http://crl2.example.test/${T}.crl"]
  ocsp_servers: http://ocsp.example.test
"""
ROOT, CA = "maxPathLength: 1", "maxPathLength: 0"
PIN = f"spkiSHA256: {'ab' * 32}"


def with_block(text: str, line: str, block: str) -> str:
    """Add lines after one line of a file, as far in as that."""
    before, found, after = text.partition(f"{line}\n")
    assert found
    indent = before.rpartition("\n")[2]
    return f"{before}{line}\n{textwrap.indent(block.rstrip(), indent)}\n{after}"


def line_of(text: str, words: str) -> int:
    return text[: text.index(words)].count("\n") + 1


def spki_hex(certificate: x509.Certificate) -> str:
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def test_name_constraints_are_in_the_certificate_and_changed_by_rotation_alone(
    vault: Vault, tmp_path: Path
) -> None:
    constraint = "permittedDNSDomains: [example.test, .lab.example.test]"
    file = written(tmp_path, with_block(TWO_TIER, CA, constraint))
    vault.apply(file)
    ca = vault.certificate(f"{vault.name}-int", f"{vault.name}-int-2026")
    names = ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert names.critical
    assert [one.value for one in names.value.permitted_subtrees or ()] == [
        "example.test",
        ".lab.example.test",
    ]
    assert actions(vault.plan(file)) == []
    for other in ("[example.test]", "[]"):
        text = with_block(TWO_TIER, CA, f"permittedDNSDomains: {other}")
        ran = vault.run("plan", "-f", written(tmp_path, text, "other.yaml"))
        assert ran.exit_code == 3, ran.output
        assert "permittedDNSDomains" in ran.output


@pytest.mark.parametrize(("length", "below"), [(None, 1), (2, 1), (1, 0)])
def test_path_lengths_are_in_the_certificates(
    vault: Vault, tmp_path: Path, length: int | None, below: int
) -> None:
    root_line = "" if length is None else f"      maxPathLength: {length}\n"
    text = TWO_TIER.replace(f"      {ROOT}\n", root_line).replace(CA, f"maxPathLength: {below}")
    file = written(tmp_path, text)
    vault.apply(file)
    for mount, wanted in (("root", length), ("int", below)):
        name = f"{vault.name}-{mount}"
        basic = vault.certificate(name, f"{name}-2026").extensions.get_extension_for_class(
            x509.BasicConstraints
        )
        assert basic.value.path_length == wanted
    assert actions(vault.plan(file)) == []


def test_a_root_and_a_ca_below_it_may_have_ed25519_keys(vault: Vault, tmp_path: Path) -> None:
    text = with_block(TWO_TIER, ROOT, "key: {type: ed25519}").replace(
        "{type: ec, bits: 256}", "{type: ed25519}"
    )
    file = written(tmp_path, text)
    vault.apply(file)
    for mount in (f"{vault.name}-root", f"{vault.name}-int"):
        certificate = vault.certificate(mount, f"{mount}-2026")
        assert isinstance(certificate.public_key(), ed25519.Ed25519PublicKey)
    assert actions(vault.plan(file)) == []


@pytest.mark.parametrize("line", [ROOT, CA], ids=["root", "signed"])
def test_an_issuer_has_its_settings_when_it_is_made(vault: Vault, tmp_path: Path, line: str) -> None:
    file = written(tmp_path, with_block(TWO_TIER, line, SETTINGS))
    vault.apply(file)
    assert actions(vault.plan(file)) == []
    mount = f"{vault.name}-root" if line == ROOT else f"{vault.name}-int"
    read = vault.bao.read(f"{mount}/issuer/{mount}-2026")
    assert read["leaf_not_after_behavior"] == "truncate"
    assert "ocsp-signing" not in read["usage"]
    if line == ROOT:
        below = vault.certificate(f"{vault.name}-int", f"{vault.name}-int-2026")
    else:
        body = {"common_name": "a.example.test", "ttl": "1h"}
        issued = vault.bao.write(f"{mount}/issue/web", body)
        below = x509.load_pem_x509_certificate(str(issued["certificate"]).encode())
    points = below.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert len(points) == 2
    assert points[0].full_name[0].value == f"http://crl.example.test/{vault.name}.crl"


def test_settings_that_an_interruption_left_out_stand_before_the_next_signing(
    vault: Vault, tmp_path: Path
) -> None:
    text = with_block(TWO_TIER, ROOT, SETTINGS)
    before = TWO_TIER[: TWO_TIER.index("    defaultIssuer: ${T}-int-2026\n")]
    before = before.replace('sign: ["${T}-int/web"], ', "")  # the role comes later
    vault.apply(written(tmp_path, before, "before.yaml"))  # a root without its settings
    vault.apply(written(tmp_path, text))
    ca = vault.certificate(f"{vault.name}-int", f"{vault.name}-int-2026")
    points = ca.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name[0].value == f"http://crl.example.test/{vault.name}.crl"


def test_settings_do_not_rename_an_issuer(vault: Vault, tmp_path: Path) -> None:
    text = with_block(TWO_TIER, CA, "settings: {issuer_name: other}")
    ran = vault.run("plan", "-f", written(tmp_path, text))
    assert ran.exit_code == 1
    assert "is its name in the file" in ran.output


def root_alone(pin: str = "") -> str:
    text = TWO_TIER[: TWO_TIER.index("  policies:\n")]
    return with_block(text, ROOT, f"key: {{type: ec, bits: 256}}\n{pin}")


def restored(vault: Vault) -> tuple[str, str]:
    """Import a root's key alone, as from a backup; returns its SHA-256 and the root's mount."""
    mount, key = f"{vault.name}-root", ec.generate_private_key(ec.SECP256R1())
    vault.bao.call("POST", f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    vault.bao.write(f"{mount}/keys/import", {"pem_bundle": pem, "key_name": f"{mount}-2026"})
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest(), mount


@pytest.mark.parametrize("pinned", [True, False])
def test_a_restored_root_key_gets_its_certificate_again(vault: Vault, tmp_path: Path, pinned: bool) -> None:
    spki, mount = restored(vault)
    file = written(tmp_path, root_alone(f"spkiSHA256: {spki}" if pinned else ""))
    vault.apply(file)
    assert spki_hex(vault.certificate(mount, f"{mount}-2026")) == spki
    assert len(vault.listed(f"{mount}/keys")["keys"]) == 1
    assert actions(vault.plan(file)) == []


def test_a_restored_key_that_is_another_is_refused(vault: Vault, tmp_path: Path) -> None:
    _, mount = restored(vault)
    text = root_alone(PIN)
    ran = vault.run("apply", "--yes", "-f", written(tmp_path, text))
    assert ran.exit_code == 1
    assert f"pki.yaml:{line_of(text, '${T}-root-2026:')} " in ran.output
    assert "another key than spkiSHA256" in ran.output
    assert vault.issuers(mount) == {}


def test_a_pin_without_a_key_in_vault_makes_no_other_key(vault: Vault, tmp_path: Path) -> None:
    ran = vault.run("apply", "--yes", "-f", written(tmp_path, root_alone(PIN)))
    assert ran.exit_code == 1
    assert "has no such key" in ran.output
    assert f"{vault.name}-root/" not in vault.bao.read("sys/mounts")


@pytest.mark.parametrize("kind", ["generated", "imported", "offline"])
def test_another_key_than_the_pinned_is_refused_with_file_and_line(
    vault: Vault, tmp_path: Path, kind: str
) -> None:
    text, name = {
        "generated": (TWO_TIER, "root"),
        "imported": (IMPORTED, "pki"),
        "offline": (OFFLINE, "env"),
    }[kind]
    above = root("Home Root CA")
    home = above.below("Home Intermediate CA")
    written(tmp_path, home.pem + home.key_pem() + above.pem, "bundle.pem")
    file = written(tmp_path, text)
    if kind == "offline":
        assert vault.run("apply", "--yes", "-f", file).exit_code == 3
        (tmp_path / "env.pem").write_text(above.sign((tmp_path / "env.csr").read_text()))
    vault.apply(file, PASSPHRASE="")
    (tmp_path / "bundle.pem").unlink()
    pinned = with_block(text, f"mount: ${{T}}-{name}", PIN)
    before = len(vault.requests())
    ran = vault.run("apply", "--yes", "-f", written(tmp_path, pinned, "pinned.yaml"), PASSPHRASE="")
    assert ran.exit_code == 1, ran.output
    assert f"pinned.yaml:{line_of(pinned, PIN)} " in ran.output
    assert "another key than spkiSHA256" in ran.output
    assert vault.writes_since(before) == []


def test_a_bundle_with_another_key_than_the_pinned_is_not_sent(vault: Vault, tmp_path: Path) -> None:
    home = root("Home Root CA")
    written(tmp_path, home.pem + home.key_pem(), "bundle.pem")
    text = with_block(IMPORTED, "mount: ${T}-pki", PIN)
    before = len(vault.requests())
    ran = vault.run("apply", "--yes", "-f", written(tmp_path, text), PASSPHRASE="")
    assert ran.exit_code == 1
    assert f"pki.yaml:{line_of(text, PIN)} " in ran.output
    assert vault.requests()[before:] == []
