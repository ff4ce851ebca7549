"""Revocations by hand on a real OpenBao: planned first, carried out, and looked for on the CRL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from issuer.cli.main import app
from issuer.pki.resources.policy_rules import rules_of
from tests.pki.cas import root
from tests.pki.files import TWO_TIER
from tests.pki.stores import Store, new_store
from tests.pki.support import Vault, written


@pytest.fixture
def store(vault: Vault) -> Store:
    """A mount that has issued nothing but its CA."""
    return new_store(vault)


def run(store: Store, *words: str | Path) -> Result:
    """Run `vault-issuer revoke` without a cluster."""
    given = ["revoke", "--no-cluster", "--mount", store.mount, *map(str, words)]
    return CliRunner().invoke(app, given, env={**store.vault.environment(), "COLUMNS": "150"})


def told(store: Store, code: int, *words: str | Path) -> list[dict[str, Any]]:
    """Return what was planned or done, after the command ended with that code."""
    ran = run(store, *words, "-o", "json")
    assert ran.exit_code == code, ran.output
    found: list[dict[str, Any]] = json.loads(ran.stdout)["certificates"]
    return found


def is_revoked(store: Store, issued: dict[str, Any]) -> bool:
    """Ask Vault if a certificate is revoked."""
    return bool(store.vault.bao.read(f"{store.mount}/cert/{issued['serial_number']}")["revocation_time"])


def test_the_plan_is_shown_first_and_changes_nothing(store: Store) -> None:
    issued = store.issue("a.test")
    for words, code in ([], 1), (["-o", "yaml"], 1), (["--yes", "--dry-run"], 0):
        ran = run(store, issued["serial_number"], *words)
        assert ran.exit_code == code, ran.output
        assert ("Use --yes" in ran.stderr) is bool(code)
        assert "a.test" in ran.stdout
        assert ("Nothing was changed" in ran.stdout) is (not code)
        assert "it is on the CRL at once" in ran.stdout
    assert not is_revoked(store, issued)


def test_a_revoked_certificate_is_seen_on_the_crl(store: Store) -> None:
    issued, other = store.issue("a.test"), store.issue("b.test")
    plain = str(issued["serial_number"]).replace(":", "").upper()
    ran = run(store, plain, f"{store.mount}/{other['serial_number']}", "--yes")
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.count("revoked, and on the CRL") == 2
    assert is_revoked(store, issued)
    again = told(store, 0, plain, "--yes")
    assert again[0]["decision"] == "already-revoked"


def test_one_that_is_not_stored_is_revoked_by_its_file(store: Store, tmp_path: Path) -> None:
    issued = store.issue("s.test", "short")
    missing = run(store, issued["serial_number"])
    assert missing.exit_code == 2
    assert "give the certificate itself as a file" in missing.stderr
    file = tmp_path / "s.pem"
    file.write_text(str(issued["private_key"]) + "\n" + str(issued["certificate"]))
    (done,) = told(store, 0, file, "--yes")
    assert (done["revoked"], done["onCRL"], done["stored"]) == (True, True, False)
    assert is_revoked(store, issued)


def test_a_number_that_another_certificate_has_revokes_neither(store: Store, tmp_path: Path) -> None:
    """A CA from elsewhere gave a serial number that the mount stores for a certificate of its own."""
    ca, victim = root("easy-rsa"), store.issue("victim.test")
    bundle = {"pem_bundle": ca.key_pem() + ca.pem}
    store.vault.bao.write(f"{store.mount}/issuers/import/bundle", bundle)
    serial = int(str(victim["serial_number"]).replace(":", ""), 16)
    leaked = ca.below("leaked.test", serial=serial)
    file = tmp_path / "leaked.pem"
    file.write_text(leaked.pem)
    ran = run(store, file, "--ca", "--yes")
    assert (ran.exit_code, "stores another certificate" in ran.stderr) == (2, True), ran.output
    assert not is_revoked(store, victim)


def test_a_crl_that_is_rebuilt_later_or_never_says_when(store: Store) -> None:
    settings = {"auto_rebuild": True, "expiry": "72h", "auto_rebuild_grace_period": "12h"}
    store.vault.bao.call("POST", f"{store.mount}/config/crl", settings)
    first, second = store.issue("a.test"), store.issue("b.test")
    ran = run(store, first["serial_number"], "--yes")
    assert ran.exit_code == 0, ran.output
    assert "not on the CRL yet: within 2d12h (auto_rebuild)" in ran.stdout
    store.vault.bao.call("POST", f"{store.mount}/config/crl", {"disable": True, "auto_rebuild": False})
    assert "the CRL of this mount is disabled" in run(store, second["serial_number"]).stdout


def test_a_ca_is_refused_without_a_flag_and_others_are_done(store: Store) -> None:
    issued = store.issue("a.test")
    ca = store.vault.certificate(store.mount, "lab")
    serial = f"{ca.serial_number:x}"
    found = {one["decision"]: one for one in told(store, 1, serial, issued["serial_number"], "--yes")}
    assert found["is-ca"]["names"] == ["lab root"]
    assert found["revoke"]["revoked"]
    assert told(store, 0, serial, "--ca", "--dry-run")[0]["decision"] == "revoke"


def test_a_token_without_the_right_says_which(store: Store) -> None:
    issued = store.issue("a.test")
    name = f"revoke-{store.vault.name}"
    policy = f'path "{store.mount}/cert/+" {{ capabilities = ["read"] }}'
    store.vault.bao.call("PUT", f"sys/policies/acl/{name}", {"policy": policy})
    token = store.vault.bao.call("POST", "auth/token/create", {"policies": [name], "ttl": "10m"})
    store.vault.token = token["auth"]["client_token"]
    (done,) = told(store, 1, issued["serial_number"], "--yes")
    assert (done["revoked"], f"{store.mount}/revoke" in done["error"]) == (False, True)


def test_the_printed_policy_is_enough_and_each_rule_is_used(vault: Vault, tmp_path: Path) -> None:
    file = written(tmp_path, TWO_TIER)
    vault.apply(file)
    store = Store(vault, f"{vault.name}-int")
    vault.bao.call("POST", f"{store.mount}/roles/hand", {"allow_any_name": True, "key_type": "ec"})
    issued = store.issue("a.test", "hand")
    printed = vault.run("rights", "revoke", "-f", file).stdout
    vault.bao.call("PUT", f"sys/policies/acl/least-{vault.name}", {"policy": printed})
    body = {"policies": [f"least-{vault.name}"], "ttl": "10m", "no_default_policy": True}
    vault.token = vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"]
    before = len(vault.bao.audit.entries("response"))
    assert told(store, 0, issued["serial_number"], "--yes")[0]["revoked"]
    answers = vault.bao.audit.entries("response")[before:]
    assert [one["request"]["path"] for one in answers if "denied" in str(one.get("error", ""))] == []
    rules = rules_of(printed)
    used = {rules.rule_for(one["request"]["path"]) for one in answers}
    unused = [one.path for one in rules.rules if one not in used]
    assert [one for one in unused if not one.startswith(f"{vault.name}-root/")] == []


def test_what_names_nothing_is_bad_input(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for word in ("no-serial", "certificate/web", str(tmp_path / "empty.pem"), "ab:cd"):
        ran = run(store, word)
        assert (ran.exit_code, ran.stderr.startswith("Error: ")) == (2, True), ran.output
