"""CAs from outside of Vault: imported bundles, and keys that an offline root signs."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from testbed.servers import find_bao
from tests.pki.cas import FileCA, root
from tests.pki.files import IMPORTED, OFFLINE
from tests.pki.support import Vault, actions, written

SECRET = "correct horse battery staple"


@pytest.fixture(scope="module")
def above() -> FileCA:
    return root("Home Root CA")


@pytest.fixture(scope="module")
def home(above: FileCA) -> FileCA:
    return above.below("Home Intermediate CA")


def test_a_bundle_in_any_order_is_imported_once(
    vault: Vault, above: FileCA, home: FileCA, tmp_path: Path
) -> None:
    orders = list(itertools.permutations([above.pem, home.key_pem(SECRET), home.pem]))
    bundle = "# comments\n".join(orders[len(vault.name) % len(orders)])
    written(tmp_path, bundle, "bundle.pem")
    file = written(tmp_path, IMPORTED)
    vault.apply(file, PASSPHRASE=SECRET)
    mount = f"{vault.name}-pki"
    assert vault.certificate(mount, f"{vault.name}-home") == home.certificate
    assert sorted(one["issuer_name"] for one in vault.issuers(mount).values()) == ["", f"{vault.name}-home"]
    other = root("Other CA")
    written(tmp_path, other.pem + other.key_pem(), "bundle.pem")
    refused = vault.run("apply", "--yes", "-f", file, PASSPHRASE=SECRET)
    assert (refused.exit_code, "has another CA as" in refused.output) == (1, True), refused.output
    # The file may go: nothing but an import needs it.
    (tmp_path / "bundle.pem").unlink()
    assert actions(vault.plan(file, PASSPHRASE="")) == []
    assert SECRET not in vault.bao.audit_log.read_text()


def test_an_import_that_was_interrupted_sends_the_key_once(
    vault: Vault, above: FileCA, home: FileCA, tmp_path: Path
) -> None:
    file = written(tmp_path, IMPORTED)
    mount = f"{vault.name}-pki"
    vault.bao.call("POST", f"sys/mounts/{mount}", {"type": "pki"})
    vault.bao.write(f"{mount}/issuers/import/bundle", {"pem_bundle": home.pem + home.key_pem() + above.pem})
    written(tmp_path, home.pem + home.key_pem(SECRET) + above.pem, "bundle.pem")
    before = len(vault.requests())
    vault.apply(file, PASSPHRASE=SECRET)
    assert f"{mount}/issuers/import/bundle" not in vault.writes_since(before)
    assert len(vault.issuers(mount)) == 2
    assert len(vault.listed(f"{mount}/keys")["keys"]) == 1


def test_a_bundle_is_not_sent_where_another_key_has_its_name(
    vault: Vault, above: FileCA, home: FileCA, tmp_path: Path
) -> None:
    file = written(tmp_path, IMPORTED)
    mount = f"{vault.name}-pki"
    vault.bao.call("POST", f"sys/mounts/{mount}", {"type": "pki"})
    vault.bao.write(f"{mount}/keys/generate/internal", {"key_type": "ec", "key_name": f"{vault.name}-home"})
    written(tmp_path, home.pem + home.key_pem(SECRET) + above.pem, "bundle.pem")
    before = len(vault.requests())
    refused = vault.run("apply", "--yes", "-f", file, PASSPHRASE=SECRET)
    assert (refused.exit_code, "has another key as" in refused.output) == (1, True), refused.output
    assert f"{mount}/issuers/import/bundle" not in vault.writes_since(before)


@pytest.mark.parametrize(
    ("parts", "passphrase", "said"),
    [
        ("ca key", SECRET, "add the certificates up to the root"),
        ("ca root otherkey", SECRET, "the key belongs to none of the certificates"),
        ("ca root", SECRET, "no private key"),
        ("ca root key", "wrong", "can't be decrypted"),
        ("ca root key otherkey", SECRET, "several private keys"),
        ("key", SECRET, "no certificate"),
    ],
)
def test_a_bad_bundle_is_refused_before_anything_is_sent(
    vault: Vault, above: FileCA, home: FileCA, tmp_path: Path, parts: str, passphrase: str, said: str
) -> None:
    have = {
        "ca": home.pem,
        "root": above.pem,
        "key": home.key_pem(SECRET),
        "otherkey": root("Other").key_pem(SECRET),
    }
    written(tmp_path, "".join(have[one] for one in parts.split()), "bundle.pem")
    file = written(tmp_path, IMPORTED)
    before = len(vault.requests())
    ran = vault.run("apply", "--yes", "-f", file, PASSPHRASE=passphrase)
    assert ran.exit_code == 1
    assert said in ran.output
    assert "pki.yaml:10 " in ran.output
    assert len(vault.requests()) == before


def test_an_offline_ca_stops_with_its_request_and_goes_on(vault: Vault, tmp_path: Path) -> None:
    offline = root("Offline Root CA")
    file = written(tmp_path, OFFLINE)
    for _ in range(2):  # asked again before the certificate is there: one key stays one
        ran = vault.run("apply", "--yes", "-f", file)
        assert ran.exit_code == 3, ran.output
        assert "SHA-256 of its public key" in ran.output
        assert "write maxPathLength: 0, or the number that is signed" in ran.output
    request = (tmp_path / "env.csr").read_text()
    (tmp_path / "env.pem").write_text(offline.sign(request))
    vault.apply(file)
    mount = f"{vault.name}-env"
    assert len(vault.listed(f"{mount}/keys")["keys"]) == 1
    vault.certificate(mount, f"{mount}-ca").verify_directly_issued_by(offline.certificate)
    assert actions(vault.plan(file)) == []


@pytest.mark.parametrize("brought", ["another key", "without its root", "no CA"])
def test_a_wrong_certificate_brought_back_is_refused(vault: Vault, tmp_path: Path, brought: str) -> None:
    offline = root("Offline Root CA")
    file = written(tmp_path, OFFLINE)
    assert vault.run("apply", "--yes", "-f", file).exit_code == 3
    request = (tmp_path / "env.csr").read_text()
    wrong = {
        "another key": offline.below("Environment CA").pem + offline.pem,
        "without its root": offline.sign(request).removesuffix(offline.pem),
        "no CA": offline.pem,
    }[brought]
    (tmp_path / "env.pem").write_text(wrong)
    ran = vault.run("apply", "--yes", "-f", file)
    assert ran.exit_code == 1
    assert "env.pem" in ran.output
    assert vault.issuers(f"{vault.name}-env") == {}
    assert x509.load_pem_x509_csr(request.encode()).is_signature_valid


def test_a_bundle_that_is_not_there_is_told_before_anything_is_sent(vault: Vault, tmp_path: Path) -> None:
    file = written(tmp_path, IMPORTED)
    before = len(vault.requests())
    ran = vault.run("apply", "--yes", "-f", file, PASSPHRASE=SECRET)
    assert ran.exit_code == 1
    assert "bundle.pem is not there, and Vault doesn't have this CA yet" in ran.output
    assert f"{file}:" in ran.output.partition("Nothing was written")[2]
    assert vault.writes_since(before) == []


def test_a_renewed_certificate_is_put_in_place_as_the_plan_says(vault: Vault, tmp_path: Path) -> None:
    """The words said once to take the name away, which Vault refuses (expected non-empty issuer name)."""
    old = root("Home Root CA", days=1000)
    new = old.renewed(days=3000)
    kept = "}\n      settings: {leaf_not_after_behavior: truncate}"
    file = written(tmp_path, IMPORTED.replace(', passphrase: "${PASSPHRASE}"}', kept))
    written(tmp_path, old.pem + old.key_pem(), "bundle.pem")
    vault.apply(file)
    written(tmp_path, new.pem + new.key_pem(), "bundle.pem")
    ran = vault.run("plan", "-f", file, "-o", "json")
    assert ran.exit_code == 3
    (step,) = json.loads(ran.stdout)["steps"]
    commands = re.findall(r"vault ((?:write|patch) [^,);.]+)", step["note"])
    given, made = written(tmp_path, new.pem, "new.pem"), ""
    for words in commands:
        typed = words.replace("FILE", str(given)).replace("NEW", made).split()
        ran_one = subprocess.run(
            [find_bao().path, typed[0], "-format=json", *typed[1:]],
            env={**os.environ, "BAO_ADDR": vault.bao.addr, **cli(vault), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        mapping = json.loads(ran_one.stdout)["data"].get("mapping") or {}
        made = made or next(issuer for issuer, key in mapping.items() if key)
    assert len(commands) == 3
    before = len(vault.requests())
    vault.apply(file)
    mount = f"{vault.name}-pki"
    assert f"{mount}/config/issuers" in vault.writes_since(before)
    assert vault.certificate(mount, f"{vault.name}-home") == new.certificate
    assert vault.bao.read(f"{mount}/config/issuers")["default"] == made
    assert vault.bao.read(f"{mount}/issuer/{made}")["leaf_not_after_behavior"] == "truncate"
    assert vault.bao.read(f"{mount}/issuer/{vault.name}-home-old")["leaf_not_after_behavior"] == "truncate"
    assert vault.run("plan", "-f", file).exit_code == 0
    assert vault.run("verify", "-f", file).exit_code in (0, 3)


def cli(vault: Vault) -> dict[str, str]:
    """The variables by which `bao` finds the server."""
    return {"BAO_CACERT": str(vault.bao.ca_file), "BAO_TOKEN": vault.bao.token}
