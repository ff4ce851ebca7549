"""The commands: what they do, refuse and say; nothing is lost by a refusal."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from tests.unit.root.support import DAY, NOW, PASSPHRASE, Place, csr, process, verified_by_openssl


def state(place: Place) -> dict[str, bytes]:
    """All files of the root."""
    return {str(file): file.read_bytes() for file in place.root.rglob("*") if file.is_file()}


def refused(place: Place, reason: str, *words: str) -> str:
    """Run a command that must refuse for a reason and change nothing; returns its message."""
    before = state(place)
    answer = place.json(*words, code=1)
    assert answer["refused"] == reason
    assert state(place) == before
    return str(answer["message"])


def test_folder_and_files_are_private(root: Place) -> None:
    modes = {
        str(one.relative_to(root.root)): stat.S_IMODE(one.stat().st_mode) for one in root.root.rglob("*")
    }
    assert stat.S_IMODE(root.root.stat().st_mode) == 0o700
    assert {mode for path, mode in modes.items() if not (root.root / path).is_dir()} == {0o600}
    assert {mode for path, mode in modes.items() if (root.root / path).is_dir()} == {0o700}


def test_all_is_well_after_a_ceremony(root: Place) -> None:
    done = root.unlocked("verify", "--with-key")
    assert done.exit_code == 0, done.output
    assert "All is well." in done.stdout
    crl: list[str | Path] = ["-CRLfile", root.root / "public/root.crl.pem", "-crl_check"]
    verified_by_openssl(root.root / "root.pem", root.path / "env.pem", *crl)


def test_a_second_init_changes_nothing(root: Place) -> None:
    assert "holds a root already" in refused(root, "AlreadyARoot", "init", "--common-name", "Other")


def test_init_makes_nothing_where_something_is(place: Place) -> None:
    place.root.mkdir()
    (place.root / "note").write_text("mine")
    assert place.json("init", "--common-name", "Root", code=1)["refused"] == "FileExists"
    assert [one.name for one in place.root.iterdir()] == ["note"]


def test_the_same_csr_gets_the_same_certificate_without_a_passphrase(root: Place) -> None:
    before = (root.path / "env.pem").read_bytes()
    (root.path / "env.pem").unlink()
    done = root.run("sign", "env.csr")
    assert done.exit_code == 0, done.output
    assert "given again" in done.stdout
    assert (root.path / "env.pem").read_bytes() == before
    assert len(root.json("inspect")["signed"]) == 1


def test_a_certificate_that_is_there_with_other_content_stays(root: Place) -> None:
    (root.path / "env.pem").write_text("mine")
    refused(root, "FileExists", "sign", "env.csr")
    root.csr("other.csr", name="Other CA")
    digest = root.csr("other.csr", name="Other CA")
    refused(root, "FileExists", "sign", "other.csr", "--out", "env.pem", "--yes", "--spki-sha256", digest)
    assert (root.path / "env.pem").read_text() == "mine"


def test_yes_needs_the_hash_of_the_key(root: Place) -> None:
    digest = root.csr("other.csr", name="Other CA")
    assert "--spki-sha256" in refused(root, "NotConfirmed", "sign", "other.csr", "--yes")
    other = root.csr("third.csr", name="Third CA")
    assert "another key than agreed" in refused(
        root, "KeyDiffers", "sign", "other.csr", "--yes", "--spki-sha256", other
    )
    grouped = " ".join(digest[at : at + 4] for at in range(0, 64, 4)).upper()
    assert (
        root.json("sign", "other.csr", "--yes", "--spki-sha256", grouped)["signed"][0]["spkiSHA256"] == digest
    )


def test_without_a_terminal_nothing_is_agreed_to(root: Place) -> None:
    root.csr("other.csr", name="Other CA")
    refused(root, "NotConfirmed", "sign", "other.csr")
    serial = root.json("inspect")["signed"][0]["serial"]
    refused(root, "NotConfirmed", "crl", "--revoke", serial)


def test_a_wrong_passphrase_changes_nothing(root: Place) -> None:
    root.secret("passphrase", "another passphrase")
    refused(root, "WrongPassphrase", "crl")
    digest = root.csr("other.csr", name="Other CA")
    refused(root, "WrongPassphrase", "sign", "other.csr", "--yes", "--spki-sha256", digest)
    assert not (root.path / "other.pem").exists()


def test_a_passphrase_file_that_others_may_read_is_refused(root: Place) -> None:
    (root.path / "passphrase").chmod(0o644)
    assert "chmod 600" in refused(root, "UnsafeMode", "crl")


def test_a_root_that_others_may_read_is_refused(root: Place) -> None:
    (root.root / "root.key").chmod(0o640)
    assert "chmod 600" in refused(root, "UnsafeMode", "crl")
    assert ("Mode", "root.key") in root.findings()


def test_two_people_sign_together(place: Place) -> None:
    place.secret("first", "the first person's words")
    place.secret("second", "the second person's words")
    both = ["--passphrase-file", "first", "--passphrase-file", "second"]
    assert place.run("init", "--common-name", "Root", "--two-passphrases", *both).exit_code == 0
    assert place.run("crl", *both).exit_code == 0
    assert "takes 2 passphrases" in place.run("crl", "--passphrase-file", "first").stderr
    turned = ["--passphrase-file", "second", "--passphrase-file", "first"]
    assert "passphrase is wrong" in place.run("crl", *turned).stderr


def test_another_key_in_the_folder_is_refused(root: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    from issuer.root.certificates.keys import KeyKind, Passphrase, encrypted_pem, make_key

    other = encrypted_pem(make_key(KeyKind.EC_P384), Passphrase([PASSPHRASE]))
    (root.root / "root.key").write_text(other)
    refused(root, "WrongKey", "crl")
    done = root.unlocked("verify", "--with-key", "-o", "json")
    assert done.exit_code == 1
    assert "KeyDiffers" in done.stdout
    (root.root / "root.key").unlink()
    refused(root, "Damaged", "crl")
    assert ("KeyMissing", "root.key") in root.findings()


@pytest.mark.parametrize("path", ["root.pem", "public/root.crl", "public/configmap.yaml", "issued"])
def test_an_edited_file_is_refused_and_comes_back_when_moved_away(root: Place, path: str) -> None:
    file = root.root / path
    file = next(file.iterdir()) if file.is_dir() else file
    content = file.read_bytes()
    file.write_bytes(content.replace(b"a", b"b", 1) + b"\n")
    assert ("FileChanged", str(file.relative_to(root.root))) in root.findings()
    refused(root, "Damaged", "crl")
    file.unlink()
    assert root.run("sign", "env.csr").exit_code == 0
    assert file.read_bytes() == content
    assert root.findings(code=0) == set()


def test_a_cut_or_edited_ledger_is_refused(root: Place) -> None:
    content = root.ledger.read_bytes()
    for damaged in (content[:-10], content.replace(b"Environment", b"Environmens", 1), b""):
        root.ledger.write_bytes(damaged)
        assert "bring the newest copy" in refused(root, "Damaged", "crl")
        refused(root, "Damaged", "sign", "env.csr")
        refused(root, "Damaged", "inspect")
        assert root.findings() == {("Ledger", "ledger.jsonl")}
    root.ledger.unlink()
    assert "bring the newest copy" in refused(root, "NoRoot", "crl")


@pytest.mark.parametrize(
    ("move", "said"),
    [
        (timedelta(days=-365 * 57), "before this command was written"),
        (timedelta(days=-30), "root begins"),
        (timedelta(days=365 * 4), "years after the ledger's last entry"),
    ],
)
def test_a_clock_that_is_years_off_is_refused(root: Place, move: timedelta, said: str) -> None:
    root.now = NOW + move
    message = refused(root, "Clock", "crl")
    assert said in message
    digest = root.csr("other.csr", name="Other CA")
    refused(root, "Clock", "sign", "other.csr", "--yes", "--spki-sha256", digest)
    assert root.run("crl", "--dry-run").exit_code == 1


def test_a_clock_behind_the_ledger_is_refused_until_a_person_names_the_day(root: Place) -> None:
    root.now = NOW + 300 * DAY
    assert root.unlocked("crl").exit_code == 0
    root.now = NOW + DAY
    assert "the ledger has an entry" in refused(root, "Clock", "crl")
    refused(root, "Clock", "crl", "--today", "2030-01-01")
    assert root.json("crl", "--today", "2027-03-02")["number"] == 3


def test_init_refuses_a_clock_without_a_battery(place: Place) -> None:
    place.now = NOW - timedelta(days=365 * 57)
    assert place.json("init", "--common-name", "Root", code=1)["refused"] == "Clock"
    assert not place.root.exists()


def test_init_refuses_a_clock_far_ahead_until_a_person_names_the_day(place: Place) -> None:
    place.now = NOW.replace(year=2050)
    answer = place.json("init", "--common-name", "Root", code=1)
    assert answer["refused"] == "Clock"
    assert "--today" in answer["message"]
    assert not place.root.exists()
    assert place.unlocked("init", "--common-name", "Root", "--today", "2050-03-01").exit_code == 0


def test_revocations_are_numbered_once_and_never_go_back(root: Place) -> None:
    serial = root.json("inspect")["signed"][0]["serial"]
    revoked = root.json("crl", "--revoke", serial, "--reason", "cACompromise", "--yes")
    assert (revoked["number"], revoked["revoked"]) == (2, 1)
    again = root.json("crl", "--revoke", serial, "--yes")
    assert (again["number"], again["revoked"], again["revokes"]) == (3, 1, [])
    assert "number 3" in refused(root, "CRLGoesBack", "crl", "--number", "3")
    assert root.json("crl", "--number", "10")["number"] == 10
    crl = x509.load_der_x509_crl((root.root / "public/root.crl").read_bytes())
    (entry,) = crl
    assert entry.serial_number == int(serial, 16)
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value == "cACompromise"
    refused(root, "UnknownCertificate", "crl", "--revoke", "abc", "--yes")
    refused(root, "Revoked", "sign", "env.csr")
    assert root.json("inspect")["signed"][0]["state"] == "revoked"


def test_a_crl_is_published_for_a_web_server_and_never_goes_back_there(root: Place) -> None:
    www = root.path / "www"
    root.json("crl", "--publish", "www")
    assert {one.name for one in www.iterdir()} == {
        *("root.crt", "root.pem", "root.crl", "root.crl.pem", "configmap.yaml"),
    }
    assert stat.S_IMODE((www / "root.crl").stat().st_mode) == 0o644
    manifest = yaml.safe_load((www / "configmap.yaml").read_text())
    assert (manifest["kind"], set(manifest["binaryData"])) == ("ConfigMap", {"root.crt", "root.crl"})
    newer = (www / "root.crl").read_bytes()
    content = root.ledger.read_bytes().splitlines(keepends=True)
    root.ledger.write_bytes(b"".join(content[:-1]))
    for file in (root.root / "public").iterdir():
        file.unlink()
    refused = root.run("crl", "--publish", "www")
    assert refused.exit_code == 1
    assert "the ledger was cut" in refused.stderr
    assert (www / "root.crl").read_bytes() == newer


def test_verify_says_when_a_crl_is_due(root: Place) -> None:
    root.now = NOW + 340 * DAY
    assert root.findings(code=3) == {("CRLEndsSoon", "public/root.crl")}
    root.now = NOW + 366 * DAY
    assert root.findings(code=3) == {("CRLEnded", "public/root.crl")}


def test_dry_runs_write_nothing_and_need_no_passphrase(root: Place) -> None:
    root.csr("other.csr", name="Other CA")
    before = state(root)
    assert root.run("sign", "other.csr", "--dry-run").exit_code == 0
    assert root.run("crl", "--dry-run").exit_code == 0
    assert state(root) == before
    assert not (root.path / "other.pem").exists()


CEREMONY = """\
version: 1
root:
  subject: {commonName: Home Root CA, organization: [Home], country: DE}
  maxPathLength: 1
  crlURLs: ["http://pki.example.test/root.crl"]
  nameConstraints:
    permitted: {dnsNames: [example.test], ipRanges: [10.0.0.0/8]}
sign:
  - request: prod.csr
    spkiSHA256: PROD
    lifetime: 3y
    nameConstraints: {permitted: {dnsNames: [prod.example.test]}}
  - request: lab.csr
    certificate: lab-ca.pem
    spkiSHA256: LAB
crl:
  lifetime: 180d
"""


def test_a_ceremony_file_does_all_of_it_and_can_be_run_again(place: Place) -> None:
    digests = {"PROD": place.csr("prod.csr", name="Prod CA"), "LAB": place.csr("lab.csr", name="Lab CA")}
    text = CEREMONY
    for word, digest in digests.items():
        text = text.replace(word, digest)
    (place.path / "ceremony.yaml").write_text(text)
    for _ in range(2):
        made = place.unlocked("init", "-f", "ceremony.yaml")
        signed = place.unlocked("sign", "-f", "ceremony.yaml", "--yes", "-o", "json")
        assert signed.exit_code == 0, signed.output
    assert "holds a root already" in made.stderr
    assert place.json("crl", "-f", "ceremony.yaml")["nextUpdate"] == "2027-08-28T12:00:00Z"
    shown = place.json("inspect")
    assert [one["subject"] for one in shown["signed"]] == ["CN=Prod CA,O=Example", "CN=Lab CA,O=Example"]
    assert shown["root"]["constraints"] == ["permitted DNS:example.test", "permitted IP:10.0.0.0/8"]
    for name in ("prod.pem", "lab-ca.pem"):
        verified_by_openssl(place.root / "root.pem", place.path / name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("maxPathLength", "maxPathLenght"), ":4 root.maxPathLenght: is not a known key"),
        (("lifetime: 3y", "lifetime: 3"), "is no lifetime"),
        (("http://pki", "https://pki"), "is https"),
        (("10.0.0.0/8", "10.0.0.1/8"), "is not a network"),
        (("[prod.example.test]", "['*.example.test']"), "is not a domain"),
        (("LAB", "abc"), "is no SHA-256"),
        (("version: 1", "version: 2"), "version"),
        (("country: DE", "country: de"), "country"),
        (("lab.csr", "prod.csr"), "names a request twice"),
        (("version: 1", "version: 1\nversion: 1"), "given twice"),
    ],
)
def test_a_bad_ceremony_file_is_refused_with_its_line(
    place: Place, change: tuple[str, str], said: str
) -> None:
    text = CEREMONY.replace("PROD", "a" * 64).replace(*change, 1).replace("LAB", "b" * 64)
    (place.path / "ceremony.yaml").write_text(text)
    done = place.unlocked("init", "-f", "ceremony.yaml")
    assert done.exit_code == 2
    assert said in done.stderr
    assert "ceremony.yaml" in done.stderr
    assert not place.root.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sign"], "Name a CSR"),
        (["sign", "env.csr", "--permit", "example.test"], "lacks its form"),
        (["sign", "env.csr", "--permit", "DNS:*.example.test"], "is not a domain"),
        (["sign", "env.csr", "--lifetime", "long"], "lifetime"),
        (["sign", "env.csr", "--spki-sha256", "12"], "is no SHA-256"),
        (["crl", "--revoke", "xyz"], "is no serial number"),
        (["crl", "--reason", "superseded"], "--reason needs --revoke"),
        (["crl", "--today", "tomorrow"], "--today"),
        (["init", "--from-key", "a"], "--from-key needs --from-certificate"),
        (["init", "--from-certificate", "a"], "go with --from-key"),
        (["init", "--key", "dsa", "--common-name", "x"], "key"),
    ],
)
def test_bad_options_exit_with_2(place: Place, words: list[str], said: str) -> None:
    done = place.unlocked(*words)
    assert done.exit_code == 2, done.output
    assert said in done.stderr


@pytest.mark.parametrize("words", [["inspect"], ["verify"], ["crl"], ["sign", "env.csr"]])
def test_without_a_root_the_command_says_so(place: Place, words: list[str]) -> None:
    place.csr()
    answer: dict[str, Any] = place.json(*words, code=1)
    assert answer["refused"] == "NoRoot"
    assert "root init" in answer["message"]


def test_another_command_at_work_is_waited_for_by_a_person(root: Place) -> None:
    import fcntl
    import os

    handle = os.open(root.root, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        refused(root, "InUse", "crl")
    finally:
        os.close(handle)


PTY = """
import json, os, pty, sys
from issuer.cli.main import app
from issuer.root.certificates import keys
keys.SCRYPT_N = 16

def typed(words, answers):
    child, terminal = pty.fork()
    if child == 0:
        app(["root", *words])
    seen = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:
            break
        if not data:
            break
        seen += data
        if answers and seen.rstrip().endswith((b":", b"[y/N]:")) and data.strip():
            os.write(terminal, answers.pop(0).encode() + b"\\n")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seen.decode()

print(json.dumps([typed(*one) for one in json.loads(sys.argv[1])]))
"""
"""Runs commands, each typed on a terminal of its own; prints exit codes and what is seen there."""


def test_passphrases_and_yeses_are_typed_on_a_terminal(tmp_path: Path) -> None:
    one, two = "the first person's words", "the second person's words"
    (tmp_path / "env.csr").write_bytes(csr())
    runs = [
        (["init", "--common-name", "Root", "--two-passphrases"], [one, one, two, two]),
        (["sign", "env.csr"], ["n"]),
        (["sign", "env.csr"], ["y", one, two]),
    ]
    done = process(PTY, json.dumps(runs), cwd=tmp_path)
    (made, shown), (declined, _), (signed, said) = json.loads(done.stdout)
    assert made == 0, shown
    assert one not in shown
    assert "New passphrase 2 of 2" in shown
    assert declined == 1
    assert signed == 0, said
    assert (tmp_path / "env.pem").exists()
