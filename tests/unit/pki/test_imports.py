"""Certificates of files that an apply would import: reviewed, and no other is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from issuer.pki.authorities.parts import spki_sha256
from issuer.pki.errors import StalePlan
from issuer.pki.file.reading import BOTH_PARTS, load_texts
from issuer.pki.plan.imports import files_sha256, renewed
from issuer.pki.plan.planning import PkiPlan, plan_of
from issuer.pki.plan.saved import check_saved, read_saved, save
from issuer.pki.plan.step import StepAction
from issuer.pki.server.reading import PathRead, VaultReading
from issuer.pki.session import plan_input
from tests.pki.cas import FileCA, root

FILE = """\
foundation:
  mounts: {pki: {}}
  authorities:
    home:
      mount: pki
      import: {bundle: bundle.pem}
    away:
      mount: pki
      subject: {commonName: Away}
      lifetime: 24h
      offline: {request: away.csr, certificate: away.pem}
"""
NOW = datetime(2026, 11, 27, tzinfo=UTC)
KEYS = {"k": {"key_name": "home"}, "a": {"key_name": "away"}}


def planned(bundle: FileCA, brought: FileCA, standing: FileCA | None = None) -> PkiPlan:
    """Plan with these files, the key of `away` made; Vault holds `standing` as home, if given."""
    loaded = load_texts([("pki.yaml", FILE.encode())], {}, Path())
    chains: Mapping[str, tuple[x509.Certificate, ...]] = {"home": (bundle.certificate,)}
    files = {"away": brought.pem.encode()}
    given = replace(plan_input(loaded, BOTH_PARTS), chains=chains, brought=files)
    keys = {name: one for name, one in KEYS.items() if name == "a" or standing is not None}
    answers = {"sys/mounts": PathRead({"pki/": {"type": "pki"}}), "pki/keys/": PathRead({"key_info": keys})}
    if standing is not None:
        issuers = {"i": {"issuer_name": "home", "key_id": "k"}}
        answers["pki/issuers/"] = PathRead({"key_info": issuers})
        answers["pki/issuer/home"] = PathRead({"certificate": standing.pem, "ca_chain": [standing.pem]})
    return plan_of(given, VaultReading(answers), {}, NOW)


@pytest.mark.parametrize("swapped", ["bundle", "brought"])
def test_a_saved_plan_imports_no_other_certificate(tmp_path: Path, swapped: str) -> None:
    files = {"bundle": root("Home CA"), "brought": root("Away")}
    saved = tmp_path / "plan.json"
    save(planned(**files), saved)
    check_saved(read_saved(saved), planned(**files))
    with pytest.raises(StalePlan, match="a certificate in a file that would be imported was replaced"):
        check_saved(read_saved(saved), planned(**{**files, swapped: root(swapped)}))


def test_a_reviewer_sees_what_would_be_imported() -> None:
    home, away = root("Home CA"), root("Away")
    shown = {
        (one.authority, change.name): change.after
        for one in planned(home, away).steps
        for change in one.changes
    }
    for name, ca in (("home", home), ("away", away)):
        assert shown[name, "subject"] == ca.certificate.subject.rfc4514_string()
        assert shown[name, "SHA-256"] == ca.certificate.fingerprint(hashes.SHA256()).hex()
        assert shown[name, "spkiSHA256"] == spki_sha256(ca.certificate)
        assert str(shown[name, "notAfter"]).startswith(f"{ca.certificate.not_valid_after_utc:%Y-%m-%dT}")


def test_a_bundle_of_another_key_than_the_standing_ca_is_refused_with_its_line() -> None:
    home, away = root("Home CA"), root("Away")
    assert planned(home, away, standing=home).problems == ()
    (problem,) = planned(root("Evil CA"), away, standing=home).problems
    assert problem.startswith(
        "pki.yaml:6 foundation.authorities.home.import: mount pki has another CA as home than bundle.pem"
    )


def test_a_renewed_certificate_in_a_bundle_is_told_and_left_to_a_person() -> None:
    home, away = root("Home CA"), root("Away")
    plan = planned(home.renewed(days=9000), away, standing=home)
    (step,) = (one for one in plan.steps if one.authority == "home")
    assert (step.action, [one.name for one in step.changes]) == (StepAction.ROTATE, ["SHA-256", "notAfter"])
    assert "another certificate for the same key" in step.note
    assert step in plan.left


def test_a_renewed_certificate_from_an_offline_ca_is_told() -> None:
    made = root("Away")
    standing = made.certificate
    changes, note = renewed(
        "pki", "away", standing, [made.renewed(days=9000).certificate, root("Above").certificate]
    )
    assert [one.name for one in changes] == ["SHA-256", "notAfter"]
    assert "pki/issuers/import/cert pem_bundle=@FILE" in note
    assert renewed("pki", "away", standing, [root("Other").certificate, standing]) == ((), "")


def test_an_older_certificate_in_a_file_changes_nothing_and_is_noted() -> None:
    home, away = root("Home CA"), root("Away")
    plan = planned(home.renewed(days=10), away, standing=home)
    (step,) = (one for one in plan.steps if one.authority == "home")
    assert step.action is StepAction.NONE
    assert [one for one in plan.notes if "bring the newer" in one]


def test_an_import_that_is_done_makes_no_plan_stale() -> None:
    home, away = root("Home CA"), root("Away")
    steps = planned(home, away, standing=home).steps
    brought = {"away": away.pem.encode()}
    assert files_sha256(steps, {"home": [home.certificate]}, brought) == files_sha256(steps, {}, brought)
