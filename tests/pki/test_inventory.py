"""The inventory of a real OpenBao: what it stores, what uses that, and what can't be known."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from typer.testing import CliRunner, Result

from issuer.cli.main import app
from issuer.pki.resources.policy_rules import rules_of
from tests.pki.files import TWO_TIER
from tests.pki.stores import Store, new_store
from tests.pki.support import Vault, written
from tests.sizes import sized

MANY = sized(4000, 40)
"""Certificates of one mount. Of 40 two with one first octet meet at a page's end in every second run."""
_POLICY = """
path "{mount}/certs/" {{ capabilities = ["list"] }}
path "{mount}/cert/+" {{ capabilities = ["read"] }}
"""


@pytest.fixture
def store(vault: Vault) -> Store:
    """A mount that has issued nothing but its CA."""
    return new_store(vault)


def run(store: Store, *words: str | Path) -> Result:
    """Run `vault-issuer inventory` for the mount, without a cluster."""
    given = ["inventory", "--mount", store.mount, "--no-cluster", *map(str, words)]
    return CliRunner().invoke(app, given, env={**store.vault.environment(), "COLUMNS": "150"})


def taken(store: Store, *words: str | Path) -> dict[str, Any]:
    """Return the inventory as JSON; fails the test if it can't be taken."""
    ran = run(store, "-o", "json", *words)
    assert ran.exit_code == 0, ran.output
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def names(found: dict[str, Any]) -> list[str]:
    """Return the first name of each certificate."""
    return [one["names"][0] for one in found["certificates"]]


def report(folder: Path, machine: str, *issued: dict[str, Any], at: str = "2100-01-01T00:00:00Z") -> None:
    """Save a report of a machine with these certificates, as `agent report` prints it."""
    sets = []
    for number, one in enumerate(issued):
        certificate = x509.load_pem_x509_certificate(str(one["certificate"]).encode())
        described = {
            "subject": certificate.subject.rfc4514_string(),
            "issuer": certificate.issuer.rfc4514_string(),
            "serial": f"{certificate.serial_number:x}",
            "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
            "notBefore": "2026-01-01T00:00:00Z",
            "notAfter": "2100-01-01T00:00:00Z",
        }
        serial = described["serial"]
        sets.append(
            {"name": f"s{number}", "serial": serial, "names": ["x.test"], "certificates": [described]}
        )
    text = json.dumps({"format": 1, "machine": machine, "at": at, "sets": sets})
    (folder / f"{machine}.json").write_text(text)


def test_each_certificate_has_its_state_by_its_end(store: Store) -> None:
    first, second = store.issue("a.test", ttl="1h"), store.issue("b.test", ttl="5h")
    store.issue("c.test", ttl="3h")
    store.revoke(second)
    found = taken(store)
    assert names(found) == ["a.test", "c.test", "b.test", "lab root"]
    assert [one["state"] for one in found["certificates"]] == ["valid", "valid", "revoked", "valid"]
    assert found["counts"] == {"all": 4, "valid": 3, "expiring": 0, "expired": 0, "revoked": 1}
    row = found["certificates"][0]
    assert (row["serial"], row["issuer"], row["stored"]) == (
        first["serial_number"],
        f"{store.mount}/lab",
        True,
    )
    assert found["certificates"][2]["revokedAt"].startswith("20")
    assert [
        names(taken(store, *words)) for words in (["--revoked"], ["--expiring", "4h", "--not-revoked"])
    ] == [
        ["b.test"],
        ["a.test", "c.test"],
    ]


def test_each_of_many_certificates_is_there_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issuer.inventory.stored.PAGE", MANY // 7)
    with ThreadPoolExecutor(4) as threads:
        issued = list(threads.map(lambda number: store.issue(f"h{number}.test"), range(MANY)))
    found = [one["serial"] for one in taken(store, "--name", "*.test")["certificates"]]
    assert sorted(found) == sorted(one["serial_number"] for one in issued)


def test_choices_by_name_serial_and_ca(store: Store) -> None:
    issued = store.issue("a.one.test")
    store.issue("b.two.test")
    digits = str(issued["serial_number"]).replace(":", "").upper()
    assert names(taken(store, "--name", "*.ONE.test")) == ["a.one.test"]
    assert names(taken(store, "--serial", digits[:12])) == ["a.one.test"]
    assert names(taken(store, "--issuer", "other")) == []
    assert len(names(taken(store, "--issuer", "la*"))) == 3
    assert run(store, "--serial", "zz").exit_code == run(store, "--expiring", "soon").exit_code == 2


def test_a_rotated_ca_is_told_from_its_successor_of_the_same_name(store: Store) -> None:
    store.issue("old.test")
    root = {"common_name": "lab root", "ttl": "8760h", "key_type": "ec", "issuer_name": "lab-2"}
    store.vault.bao.write(f"{store.mount}/root/generate/internal", root)
    store.vault.bao.call("POST", f"{store.mount}/config/issuers", {"default": "lab-2"})
    store.issue("new.test")
    assert names(taken(store, "--issuer", "lab-2", "--name", "*.test")) == ["new.test"]
    assert names(taken(store, "--issuer", f"{store.mount}/lab", "--name", "*.test")) == ["old.test"]


def test_machines_use_what_they_report_stored_or_not(store: Store, tmp_path: Path) -> None:
    used, _, unstored = store.issue("used.test"), store.issue("left.test"), store.issue("u.test", "short")
    report(tmp_path, "web1", used, unstored)
    found = {one["names"][0]: one for one in taken(store, "--reports", tmp_path)["certificates"]}
    assert found["used.test"]["usedBy"] == [{"kind": "machine", "name": "web1/s0", "current": True}]
    assert (found["x.test"]["stored"], found["x.test"]["issuer"]) == (False, f"{store.mount}/lab")
    assert found["lab root"]["usedBy"][0]["kind"] == "ca"
    assert names(taken(store, "--reports", tmp_path, "--unused")) == ["left.test"]
    assert names(taken(store, "--reports", tmp_path, "--not-stored")) == ["x.test"]
    assert run(store, "--unused").exit_code == 2, "nothing was asked what it uses"


def test_only_a_certificate_in_use_that_ends_soon_fails(store: Store, tmp_path: Path) -> None:
    used = store.issue("used.test", ttl="8h")
    store.issue("left.test", ttl="1h")
    report(tmp_path, "web1", used)
    words = ("--reports", tmp_path, "--fail-expiring", "--expiring")
    assert run(store, *words, "2h").exit_code == 0
    assert run(store, *words, "9h").exit_code == 1
    assert run(store, "--fail-expiring", "--expiring", "2h").exit_code == 1, "uses were not looked for"


def test_it_ends_with_what_it_cant_know(store: Store, tmp_path: Path) -> None:
    tidy = {"enabled": True, "tidy_cert_store": True, "safety_buffer": "48h"}
    store.vault.bao.call("POST", f"{store.mount}/config/auto-tidy", tidy)
    report(tmp_path, "old", at="2026-01-01T00:00:00Z")
    (tmp_path / "torn.json").write_text("{")
    found = taken(store, "--reports", tmp_path)["unknown"]
    kinds = {one["kind"]: one["message"] for one in found}
    assert "role short are stored nowhere" in kinds["NotStored"]
    assert "ended over 2d ago" in kinds["Tidied"]
    machines = [one["message"] for one in found if one["kind"] == "Machines"]
    assert any("old last reported" in one for one in machines)
    assert any("torn.json can't be read" in one for one in machines)
    table = run(store).stdout
    assert "What this can't know" in table
    assert "none was asked (--no-cluster)" in table


def test_a_narrow_token_sees_its_mounts_and_is_told_the_rest(store: Store) -> None:
    store.issue("a.test")
    name = f"inventory-{store.vault.name}"
    policy = _POLICY.format(mount=store.mount)
    store.vault.bao.call("PUT", f"sys/policies/acl/{name}", {"policy": policy})
    body = {"policies": [name], "ttl": "10m"}
    store.vault.token = store.vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"]
    ran = CliRunner().invoke(app, ["inventory", "--no-cluster", "-o", "json"], env=store.vault.environment())
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert (found["mounts"], names(found)) == ([store.mount], ["a.test", "lab root"])
    assert {"OtherMounts", "RolesUnknown", "TidyUnknown"} <= {one["kind"] for one in found["unknown"]}
    store.vault.bao.call("PUT", f"sys/policies/acl/{name}", {"policy": policy.partition("path")[0]})
    listed = taken(store)
    assert listed["certificates"] == []
    assert "NotListed" in {one["kind"] for one in listed["unknown"]}
    failing = run(store, "--fail-expiring")
    assert (failing.exit_code, "may not be read whole" in failing.stderr) == (2, True), "nothing was seen"


def test_the_printed_policy_is_enough_and_each_rule_is_used(vault: Vault, tmp_path: Path) -> None:
    file = written(tmp_path, TWO_TIER)
    vault.apply(file)
    for end in ("root", "int"):
        store = Store(vault, f"{vault.name}-{end}")
        vault.bao.call("POST", f"{store.mount}/roles/hand", {"allow_any_name": True, "key_type": "ec"})
        store.issue("a.test", "hand", "1h")
    printed = vault.run("rights", "inventory", "-f", file)
    vault.bao.call("PUT", f"sys/policies/acl/least-{vault.name}", {"policy": printed.stdout})
    body = {"policies": [f"least-{vault.name}"], "ttl": "10m", "no_default_policy": True}
    vault.token = vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"]
    before = len(vault.bao.audit.entries("response"))
    found = taken(Store(vault, f"{vault.name}-int"))
    found |= taken(Store(vault, f"{vault.name}-root"))
    assert {one["kind"] for one in found["unknown"]} <= {"Cluster", "Machines"}
    answers = vault.bao.audit.entries("response")[before:]
    assert [one["request"]["path"] for one in answers if "denied" in str(one.get("error", ""))] == []
    rules = rules_of(printed.stdout)
    used = {rules.rule_for(one["request"]["path"]) for one in answers}
    assert [one.path for one in rules.rules if one not in used] == []


def test_other_forms_carry_no_formula(store: Store) -> None:
    issued = store.issue("=1+1")
    lines = list(csv.DictReader(io.StringIO(run(store, "-o", "csv").stdout)))
    assert [one["names"] for one in lines] == ["'=1+1", "lab root"]
    assert run(store, "-o", "name", "--limit", "1").stdout == f"{store.mount}/{issued['serial_number']}\n"
    assert yaml.safe_load(run(store, "-o", "yaml").stdout)["certificates"]
    wide = run(store, "-o", "wide").stdout.splitlines()
    assert [str(issued["serial_number"]) in line for line in wide[1:3]] == [True, False]
