"""CRLs of a real OpenBao, behind its URLs and in files: described, and verified against CAs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from issuer.cli.main import app
from tests import odd_certificates
from tests.pki.stores import Store, new_store
from tests.pki.support import Vault


@pytest.fixture
def store(vault: Vault) -> Store:
    """A mount that has issued nothing but its CA."""
    return new_store(vault)


def run(store: Store, *words: str | Path) -> Result:
    """Run `vault-issuer crl`."""
    return CliRunner().invoke(app, ["crl", *map(str, words)], env=store.vault.environment())


def lists(store: Store, code: int, *words: str | Path) -> list[dict[str, Any]]:
    """Return the lists as JSON, after the command ended with that code."""
    ran = run(store, *words, "-o", "json")
    assert ran.exit_code == code, ran.output
    found: list[dict[str, Any]] = json.loads(ran.stdout)["lists"]
    return found


def saved(store: Store, folder: Path) -> tuple[Path, Path]:
    """Save the CRL of a mount and its CA, and return both files."""
    crl, ca = folder / "lab.crl", folder / "lab.pem"
    crl.write_text(str(store.vault.bao.read(f"{store.mount}/issuer/lab/crl")["crl"]))
    ca.write_text(str(store.vault.bao.read(f"{store.mount}/issuer/lab")["certificate"]))
    return crl, ca


def test_a_mounts_list_is_described_and_has_what_was_revoked(store: Store) -> None:
    revoked, good = store.issue("a.test"), store.issue("b.test")
    store.revoke(revoked)
    asked = ("--serial", revoked["serial_number"], "--serial", good["serial_number"])
    found, empty = lists(store, 0, "show", "--mount", store.mount, *asked)
    assert (found["entries"], found["signedBy"], found["problems"]) == (1, f"{store.mount}/lab", [])
    assert (found["issuer"], found["deltaOf"]) == ("CN=lab root", None)
    assert found["number"] >= 1
    assert [one["revoked"] for one in found["serials"]] == [True, False]
    assert (empty["entries"], empty["deltaOf"]) == (0, found["number"]), "OpenBao makes one beside each list"
    assert lists(store, 1, "verify", "--mount", store.mount, *asked[:2])
    assert lists(store, 0, "verify", "--mount", store.mount, *asked[2:])
    assert "% of what raft stores" in run(store, "show", "--mount", store.mount).stdout
    store.vault.bao.write(f"{store.mount}/config/crl", {"disable": True})
    for one in lists(store, 1, "verify", "--mount", store.mount, *asked[2:]):
        assert "CRLs are disabled" in one["problems"][0]


def test_a_root_above_the_mounts_ca_has_no_list_there(store: Store) -> None:
    """Its certificate alone is in the mount, as an intermediate's chain usually is."""
    other = new_store(store.vault, "-root")
    root = other.vault.bao.read(f"{other.mount}/issuer/lab")["certificate"]
    store.vault.bao.write(f"{store.mount}/issuers/import/cert", {"pem_bundle": root})
    signers = {one["signedBy"] for one in lists(store, 0, "verify", "--mount", store.mount)}
    assert signers == {f"{store.mount}/lab"}
    upper = f"{store.mount}-upper"
    store.vault.bao.call("POST", f"sys/mounts/{upper}", {"type": "pki"})
    store.vault.bao.write(f"{upper}/issuers/import/cert", {"pem_bundle": root})
    ran = run(store, "verify", "--mount", upper, "--serial", "01")
    assert (ran.exit_code, "has no CRL" in ran.stderr) == (2, True), "no list is not a good one"


def test_a_ca_without_a_list_is_told_beside_the_others(store: Store) -> None:
    """OpenBao answers 500 for a CA whose key identifier is missing, as of one that may sign no list."""
    _, other, _, _ = odd_certificates.chain("X.400 name")
    _, key, _ = odd_certificates.keys(rsa_key=False)
    bundle = odd_certificates.key_pem(key) + odd_certificates.pem(other)
    store.vault.bao.write(f"{store.mount}/issuers/import/bundle", {"pem_bundle": bundle})
    for verb, code in (("show", 0), ("verify", 2)):
        ran = run(store, verb, "--mount", store.mount, "-o", "json")
        assert (ran.exit_code, "can't be had" in ran.stderr) == (code, True), ran.output
        assert {one["signedBy"] for one in json.loads(ran.stdout)["lists"]} == {f"{store.mount}/lab"}


def test_a_delta_list_names_the_list_that_it_adds_to(store: Store) -> None:
    settings = {"auto_rebuild": True, "enable_delta": True, "delta_rebuild_interval": "1h"}
    store.vault.bao.call("POST", f"{store.mount}/config/crl", settings)
    store.vault.bao.call("GET", f"{store.mount}/crl/rotate")
    store.revoke(store.issue("a.test"))
    store.vault.bao.call("GET", f"{store.mount}/crl/rotate-delta")
    whole, delta = lists(store, 0, "verify", "--mount", store.mount)
    assert (whole["entries"], delta["entries"]) == (0, 1)
    assert delta["deltaOf"] == whole["number"]


def test_files_and_urls_are_verified_against_a_given_ca(store: Store, tmp_path: Path) -> None:
    crl, ca = saved(store, tmp_path)
    assert lists(store, 0, "show", crl)[0]["signatureChecked"] is False
    assert lists(store, 0, "verify", crl, "--ca", ca)[0]["signedBy"] == "CN=lab root"
    url = f"{store.vault.bao.addr}/v1/{store.mount}/crl"
    found = lists(store, 0, "verify", url, "--mount", store.mount)
    assert [one["source"] for one in found] == [
        f"{store.mount}/lab/{end}" for end in ("crl", "crl/delta")
    ] + [url]
    assert [one["source"] for one in lists(store, 0, "verify", url, "--ca", ca)] == [url]
    untrusted = {**store.vault.environment(), "VAULT_CACERT": "", "BAO_CACERT": ""}
    refused = CliRunner().invoke(app, ["crl", "show", url], env=untrusted)
    assert "TLS fails: unable to get local issuer certificate" in refused.stderr
    no_ca = CliRunner().invoke(app, ["crl", "show", url], env=untrusted | {"VAULT_CACERT": str(crl)})
    assert (no_ca.exit_code, "no certificates in PEM" in no_ca.stderr) == (2, True)
    other = new_store(Vault(store.vault.bao, f"{store.vault.name}-other"))
    last = lists(store, 1, "verify", crl, "--mount", other.mount)[-1]
    assert last["problems"] == ["none of the CAs that are known signed it"]


def test_what_is_no_list_is_bad_input(store: Store, tmp_path: Path) -> None:
    crl, ca = saved(store, tmp_path)
    no_mount = run(store, "show", "--mount", f"{store.mount}-none")
    for ran in (run(store, "show", ca), run(store, "verify", crl), run(store, "show"), no_mount):
        assert ran.exit_code == 2, ran.output
        assert "Error: " in ran.stderr
    gone = run(store, "show", f"{store.vault.bao.addr}/v1/{store.mount}-none/crl", "--mount", store.mount)
    assert (gone.exit_code, "answers with 4" in gone.stderr) == (2, True), gone.output
