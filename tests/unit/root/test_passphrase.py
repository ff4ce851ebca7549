"""Another passphrase for a root's key: the old file or the new one, never less; nobody is shown either."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from tests.unit.root.support import PASSPHRASE, Place, openssl
from tests.unit.root.test_command import refused, state
from tests.unit.root.test_interrupted import explained, killed

NEW = "another staple entirely"
CHANGE = ("passphrase", "--new-passphrase-file", "new")


def opens(place: Place, text: str) -> bool:
    """Return True if OpenSSL opens the key by a passphrase."""
    place.secret("tried", text)
    words = ("pkey", "-in", place.root / "root.key", "-noout", "-passin", f"file:{place.path / 'tried'}")
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, check=False).returncode == 0


@pytest.fixture
def both(root: Place) -> Place:
    """A root, and a file with the new passphrase."""
    root.secret("new", NEW)
    return root


def test_the_new_passphrase_alone_opens_the_key(both: Place) -> None:
    key = both.root / "root.key"
    key.chmod(0o400)
    before = state(both)
    done = both.unlocked(*CHANGE)
    assert done.exit_code == 0, done.output
    assert "Copies of the folder are opened by the old one still" in done.stdout
    assert NEW not in done.output
    assert PASSPHRASE not in done.output
    after = state(both)
    assert {path for path, content in after.items() if before.get(path) != content} == {str(key)}
    assert stat.S_IMODE(key.stat().st_mode) == 0o400
    assert (opens(both, NEW), opens(both, PASSPHRASE)) == (True, False)
    assert both.json("crl", code=1)["refused"] == "WrongPassphrase"
    assert both.run("crl", "--passphrase-file", "new").exit_code == 0
    assert both.run("verify", "--with-key", "--passphrase-file", "new").exit_code == 0


FORMS: dict[str, tuple[Any, PrivateFormat]] = {
    "SEC 1": (ec.SECP384R1(), PrivateFormat.TraditionalOpenSSL),
    "PKCS 1": (2048, PrivateFormat.TraditionalOpenSSL),
    "PKCS 8": (None, PrivateFormat.PKCS8),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_key_of_a_root_that_was_taken_over_is_encrypted_anew(place: Place, form: str) -> None:
    what, kind = FORMS[form]
    key: Any = ed25519.Ed25519PrivateKey.generate()
    if what is not None:
        key = rsa.generate_private_key(65537, what) if what == 2048 else ec.generate_private_key(what)
    (place.path / "ca.key").write_bytes(
        key.private_bytes(Encoding.PEM, kind, BestAvailableEncryption(b"old"))
    )
    place.secret("old", "old")
    place.secret("new", NEW)
    words = ("req", "-x509", "-days", "3650", "-subj", "/CN=Old Root", "-key", place.path / "ca.key")
    openssl(*words, "-passin", "pass:old", "-out", place.path / "ca.crt")
    made = place.unlocked(
        "init", "--from-key", "ca.key", "--from-certificate", "ca.crt", "--from-passphrase-file", "old"
    )
    assert made.exit_code == 0, made.output
    assert place.unlocked(*CHANGE).exit_code == 0
    assert (opens(place, NEW), opens(place, PASSPHRASE)) == (True, False)
    assert place.run("crl", "--passphrase-file", "new").exit_code == 0


def test_two_people_change_theirs_together(place: Place) -> None:
    names = {"a": "first of the old", "b": "second of the old", "c": "first of the new"}
    for name, text in names.items():
        place.secret(name, text)
    old, new = (
        [word for file in files for word in ("--passphrase-file", file)] for files in (("a", "b"), ("c", "b"))
    )
    assert place.run("init", "--common-name", "Root", "--two-passphrases", *old).exit_code == 0
    change = [word.replace("--pass", "--new-pass") for word in new]
    one = place.run("passphrase", *old, *change[:2])
    assert (one.exit_code, "give --new-passphrase-file as often" in one.stderr) == (1, True)
    assert opens(place, f"{names['a']}:{names['b']}")
    assert place.run("passphrase", *old, *change).exit_code == 0
    assert opens(place, f"{names['c']}:{names['b']}")


@pytest.mark.parametrize(
    ("new", "told"),
    [
        ("short", "shorter than 12 characters"),
        ("a tab\tis in this one", "holds a control character"),
        (PASSPHRASE, "The new passphrase is the old one"),
    ],
)
def test_a_new_passphrase_that_is_none_changes_nothing(root: Place, new: str, told: str) -> None:
    root.secret("new", new)
    assert told in refused(root, "WrongPassphrase", *CHANGE)


def test_a_wrong_passphrase_changes_nothing(both: Place) -> None:
    both.secret("passphrase", "not the passphrase")
    assert "can't be decrypted" in refused(both, "WrongPassphrase", *CHANGE)


def test_a_damaged_root_or_another_key_changes_nothing(both: Place, tmp_path_factory: Any) -> None:
    key = both.root / "root.key"
    whole = key.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        other = Place(tmp_path_factory.mktemp("other"), patch)
        other.init()
    both.monkeypatch.chdir(both.path)
    key.write_bytes((other.root / "root.key").read_bytes())
    refused(both, "WrongKey", *CHANGE)
    key.write_bytes(whole)
    key.chmod(0o644)
    refused(both, "UnsafeMode", *CHANGE)


def test_a_key_that_is_a_link_is_changed_where_it_lies(both: Place) -> None:
    key, stick = both.root / "root.key", both.path / "stick.key"
    key.rename(stick)
    key.symlink_to(stick)
    assert both.unlocked(*CHANGE).exit_code == 0
    assert key.is_symlink()
    assert stat.S_IMODE(stick.stat().st_mode) == 0o600
    assert opens(both, NEW)


def test_a_kill_leaves_the_old_key_or_the_new_one(both: Place) -> None:
    key, step, seen = both.root / "root.key", 0, set()
    old = key.read_bytes()
    while killed(both, step, *CHANGE):
        explained(both)
        seen.add(opens(both, NEW))
        assert opens(both, NEW) is not opens(both, PASSPHRASE)
        key.write_bytes(old)
        step += 1
    assert step >= 2
    assert seen == {False}  # after the rename nothing is written any more
    assert opens(both, NEW)


def test_a_full_disk_leaves_the_old_key(both: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("issuer.root.folder.os.fsync", full)
    assert "No space left on device" in refused(both, "NotWritten", *CHANGE)
    monkeypatch.undo()
    assert list(Path(both.root).glob(".*")) == []
