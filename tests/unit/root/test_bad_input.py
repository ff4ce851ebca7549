"""Files, numbers and folders that no honest ceremony has: refused before anything is made."""

from __future__ import annotations

import base64
import errno
import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from issuer.root.ceremony.roots import begin_root
from issuer.root.ceremony.signing import plan_signing
from issuer.root.certificates.crls import LARGEST_CRL_NUMBER
from issuer.root.certificates.requests import read_ca_request
from issuer.root.errors import RootRefusal
from issuer.root.folder import RootFolder
from issuer.root.reasons import RefusalReason
from tests.unit.root.support import (
    DAY,
    NEW_KEY,
    NOW,
    PASSPHRASE,
    Place,
    csr,
    openssl,
    process,
    root_wish,
    sign_wish,
    subject,
)
from tests.unit.root.test_command import refused


def agreed(place: Place, name: str = "other.csr") -> list[str]:
    """Write a CSR, and return the words that sign it."""
    return ["sign", name, "--yes", "--spki-sha256", place.csr(name, name="Other CA")]


@pytest.mark.parametrize(
    "words", [["init", "--common-name", "x"], ["sign", "env.csr"], ["crl"], ["init", "--crl-lifetime", "1h"]]
)
def test_a_lifetime_beyond_a_century_is_a_slip(place: Place, words: list[str]) -> None:
    place.csr()
    done = place.unlocked(*words, "--lifetime", "99999y")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "must be at most 100y" in done.stderr


def test_a_crl_number_that_no_reader_takes_is_refused(root: Place) -> None:
    done = root.unlocked("crl", "--number", str(LARGEST_CRL_NUMBER + 1))
    assert done.exit_code == 2
    assert root.json("crl", "--number", str(LARGEST_CRL_NUMBER))["number"] == LARGEST_CRL_NUMBER
    refused(root, "CRLNumberTooLarge", "crl")
    assert root.findings(code=0) == set()


def test_a_second_revocation_says_that_the_first_stays(root: Place) -> None:
    serial = root.json("inspect")["signed"][0]["serial"]
    root.json("crl", "--revoke", serial, "--reason", "superseded", "--yes")
    again = root.json("crl", "--revoke", serial, "--reason", "cACompromise", "--yes")
    assert again["notes"] == [f"{serial} is revoked since 2027-03-01T12:00:00Z (superseded); that stays."]


@pytest.mark.parametrize("where", ["missing/www", "file/www"])
def test_no_crl_is_made_for_a_folder_that_cant_be_written(root: Place, where: str) -> None:
    (root.path / "file").touch()
    refused(root, "NotWritten", "crl", "--publish", where)
    refused(root, "NotWritten", *agreed(root), "--out", f"{where}/other.pem")


def test_a_folder_made_for_a_web_server_can_be_read_by_it(root: Place) -> None:
    root.json("crl", "--publish", "www")
    assert (root.path / "www").stat().st_mode & 0o777 == 0o755


def test_all_places_for_certificates_are_judged_before_the_first_is_signed(root: Place) -> None:
    wishes = "".join(
        f"\n  - {{request: {name}, certificate: {target}, spkiSHA256: {root.csr(name, name=name)}}}"
        for name, target in (("a.csr", "a.pem"), ("b.csr", "a.pem"))
    )
    (root.path / "ceremony.yaml").write_text(f"version: 1\nsign:{wishes}\n")
    assert "a.csr, too" in refused(root, "FileExists", "sign", "-f", "ceremony.yaml", "--yes")
    (root.path / "ceremony.yaml").write_text(f"version: 1\nsign:{wishes.replace('a.pem', 'b.pem', 1)}\n")
    (root.path / "a.pem").write_text("mine")
    refused(root, "FileExists", "sign", "-f", "ceremony.yaml", "--yes")


def odd_requests(folder: Path) -> dict[str, bytes]:
    """CSRs, each with one thing wrong."""
    good = csr()
    der = bytearray(x509.load_pem_x509_csr(good).public_bytes(Encoding.DER))
    der[-1] ^= 1
    body = base64.encodebytes(bytes(der)).decode()
    explicit: list[str | Path] = [
        "ecparam",
        "-name",
        "prime256v1",
        "-param_enc",
        "explicit",
        "-genkey",
        "-noout",
    ]
    openssl(*explicit, "-out", folder / "explicit.key")
    pss: list[str | Path] = ["genpkey", "-quiet", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:3072"]
    openssl(*pss, "-out", folder / "pss.key")
    for name in ("explicit", "pss"):
        words: list[str | Path] = ["req", "-new", "-key", folder / f"{name}.key", "-subj", "/CN=Odd CA"]
        openssl(*words, "-out", folder / f"{name}.csr")
    other = ed448.Ed448PrivateKey.generate()
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject("Odd CA"))
    return {
        "broken": f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n".encode(),
        "two": good + csr(),
        "half": good[:200],
        "none": b"\x00" * 4096,
        "explicit": (folder / "explicit.csr").read_bytes(),
        "pss": (folder / "pss.csr").read_bytes(),
        "ed448": builder.sign(other, None).public_bytes(Encoding.PEM),
        "koblitz": csr(ec.generate_private_key(ec.SECP256K1())),
        "p224": csr(ec.generate_private_key(ec.SECP224R1())),
    }


def test_odd_requests_are_refused_and_a_broken_one_is_not_shown(root: Place) -> None:
    for name, pem in odd_requests(root.path).items():
        (root.path / "odd.csr").write_bytes(pem)
        weak = name in ("koblitz", "p224")
        refused(root, "KeyWeak" if weak else "Request", "sign", "odd.csr", "--dry-run")
        if name in ("broken", "two", "half"):
            refused(root, "Request", "inspect", "odd.csr")
    with (root.path / "odd.csr").open("wb") as file:
        file.truncate(1 << 40)
    refused(root, "Unreadable", "sign", "odd.csr")


def foreign(place: Place, serial: int = 7) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Write a root of another tool as old.key and old.crt."""
    key = ec.generate_private_key(ec.SECP384R1())
    made = issued(subject("Old Root"), key, subject("Old Root"), key, serial)
    (place.path / "old.crt").write_bytes(made.public_bytes(Encoding.PEM))
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (place.path / "old.key").write_bytes(plain)
    return made, key


def issued(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    serial: int,
) -> x509.Certificate:
    """A CA certificate, signed as another tool signs."""
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(serial).not_valid_before(NOW - DAY).not_valid_after(NOW + 3000 * DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(signer, hashes.SHA384())


TAKEN = ("init", "--from-key", "old.key", "--from-certificate", "old.crt")


def test_a_root_is_not_kept_as_a_ca_below_itself(place: Place) -> None:
    foreign(place)
    assert "is the root itself" in refused(place, "Request", *TAKEN, "--from-issued", "old.crt")


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_ca_that_no_crl_can_name_is_refused(place: Place) -> None:
    foreign(place)
    openssl("req", "-new", *NEW_KEY, "-subj", "/CN=Zero", "-keyout", "z", "-out", "z.csr")
    signing = ["x509", "-req", "-in", "z.csr", "-CA", "old.crt", "-CAkey", "old.key", "-days", "300"]
    for serial in ("0", "-7", "0x7" + "f" * 63):
        openssl(*signing, "-set_serial", serial, "-out", "zero.crt")
        message = refused(place, "Request", *TAKEN, "--from-issued", "zero.crt")
        assert "that no CRL can name" in message


def test_a_ca_that_is_named_twice_is_kept_once(place: Place) -> None:
    made, key = foreign(place)
    own = ec.generate_private_key(ec.SECP256R1())
    ca = issued(subject("Old CA"), own, made.subject, key, 0x1234)
    (place.path / "ca.crt").write_bytes(ca.public_bytes(Encoding.PEM))
    shown = place.json(*TAKEN, "--from-issued", "ca.crt", "--from-issued", "ca.crt")
    assert [one["serial"] for one in shown["signed"]] == ["1234"]
    assert place.json("crl", "--revoke", "12:34", "--yes")["revoked"] == 1
    (place.path / "env.csr").write_bytes(csr(own, name="Other CA"))
    refused(place, "KeyReused", "sign", "env.csr")


@pytest.mark.parametrize("partial", ["delta", "users"])
def test_a_crl_of_a_part_is_not_taken_over(place: Place, partial: str) -> None:
    made, key = foreign(place)
    builder = x509.CertificateRevocationListBuilder().issuer_name(made.subject)
    builder = builder.last_update(NOW).next_update(NOW + DAY).add_extension(x509.CRLNumber(8), critical=False)
    if partial == "delta":
        builder = builder.add_extension(x509.DeltaCRLIndicator(7), critical=True)
    else:
        point = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
        builder = builder.add_extension(point, critical=True)
    found = builder.sign(key, hashes.SHA384())
    (place.path / "old.crl").write_bytes(found.public_bytes(Encoding.DER))
    assert "lists a part only" in refused(place, "Request", *TAKEN, "--from-crl", "old.crl")
    (place.path / "old.crl").write_bytes(found.public_bytes(Encoding.PEM) * 2)
    assert "holds 2 CRLs" in refused(place, "Request", *TAKEN, "--from-crl", "old.crl")


def test_a_clock_that_is_ahead_makes_nothing_from_the_future(root: Place) -> None:
    """Readers refuse each CA of a root while its list, or the root, begins later than now."""
    root.json(*agreed(root))
    serial = root.json("inspect")["signed"][0]["serial"]
    root.json("crl", "--revoke", serial, "--yes")
    crl = x509.load_der_x509_crl((root.root / "public/root.crl").read_bytes())
    made = x509.load_pem_x509_certificate((root.root / "root.pem").read_bytes())
    assert crl.last_update_utc == made.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert [one.revocation_date_utc for one in crl] == [crl.last_update_utc]


def test_an_expired_root_says_so(root: Place) -> None:
    words = agreed(root)
    end = NOW + timedelta(days=20 * 365)
    for now in (end - timedelta(hours=30), end, end + 30 * DAY):
        root.now = now
        today = ["--today", f"{now.date()}"]
        assert "Make a new root" in refused(root, "Expired", *words, *today)
    refused(root, "Expired", "crl", *today)


def test_a_share_without_modes_and_flushes_is_published_to(
    root: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As CIFS, or a FUSE file system, has it; the CRL was made, and a traceback followed."""
    share, chmod, fsync = root.path / "www", Path.chmod, os.fsync

    def no_chmod(path: Path, mode: int) -> None:
        if path.parent == share:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        chmod(path, mode)

    def no_fsync(handle: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):  # noqa: PTH112
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(handle)

    share.mkdir()
    monkeypatch.setattr(Path, "chmod", no_chmod)
    monkeypatch.setattr(os, "fsync", no_fsync)
    root.json("crl", "--publish", str(share))
    assert (share / "root.crl").is_file()


def test_a_root_is_not_made_through_a_link(place: Place) -> None:
    for target in ("there", "nowhere"):
        (place.path / "there").mkdir(exist_ok=True)
        (place.path / "root").symlink_to(target)
        assert place.json("init", "--common-name", "x", code=1)["refused"] == "FileExists"
        assert not (place.path / ".root.part").exists()
        (place.path / "root").unlink()


def test_a_linked_folder_is_used_and_a_linked_ledger_refused(root: Place) -> None:
    (root.path / "link").symlink_to("root")
    assert root.json("crl", "--dir", "link")["number"] == 2
    assert (root.path / "link").is_symlink()
    root.ledger.rename(root.path / "elsewhere")
    root.ledger.symlink_to("../elsewhere")
    assert "symbolic link" in refused(root, "Damaged", "crl")
    assert ("LedgerLink", "ledger.jsonl") in root.findings()


FULL = """
import subprocess
from datetime import date
from issuer.cli.main import app

def shell(line):
    subprocess.run(line, shell=True, check=True)

def root(*words):
    try:
        app(["root", *words, "--dir", "disk/root"])
    except SystemExit as end:
        print("exit", end.code, flush=True)

crl = ["crl", "--passphrase-file", "passphrase", "--today", str(date.today())]
shell("mount -t tmpfs -o size=120k tmpfs disk && cp -a root disk/")
shell("! dd if=/dev/zero of=disk/fill bs=512 status=none 2> /dev/null")
root(*crl)
shell("ls -A disk/root; cmp disk/root/ledger.jsonl root/ledger.jsonl && rm disk/fill")
root(*crl)
root("verify")
"""


def test_a_full_disk_leaves_the_ledger_as_it_was(root: Place) -> None:
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    (root.path / "disk").mkdir()
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("no mount namespace may be made here")
    done = process(FULL, before=alone, cwd=root.path)
    assert "No space left on device. What is on the disk is as before." in done.stderr, done.stderr
    assert done.stdout.count("exit 1") == 1
    assert done.stdout.count("exit 0") == 2, done.stdout + done.stderr
    assert ".part" not in done.stdout
    assert "All is well." in done.stdout


def test_verify_waits_for_nobody_while_another_command_writes(root: Place) -> None:
    import fcntl
    import os

    handle = os.open(root.root, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        refused(root, "InUse", "verify")
        refused(root, "InUse", "inspect")
        refused(root, "InUse", "crl", "--dry-run")
        fcntl.flock(handle, fcntl.LOCK_SH)
        assert root.findings(code=0) == set()
    finally:
        os.close(handle)


def test_what_follows_from_a_kept_ledger_is_said_to_be_missing(
    root: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = RootFolder.write

    def full(self: RootFolder, path: str, content: bytes) -> None:
        if path != "ledger.jsonl":
            raise RootRefusal(RefusalReason.NOT_WRITTEN, "full.")
        write(self, path, content)

    monkeypatch.setattr(RootFolder, "write", full)
    done = root.unlocked(*agreed(root))
    assert "The ledger has it: make room" in done.stderr
    monkeypatch.setattr(RootFolder, "write", write)
    assert root.json("sign", "other.csr")["signed"][0]["existing"]
    assert PASSPHRASE not in done.output


@pytest.mark.parametrize(
    "text", ["a passphrase\0 with a nul", "\ufeffa passphrase after a mark", "a tab\tin between"]
)
def test_a_passphrase_that_openssl_could_not_be_given_is_refused(place: Place, text: str) -> None:
    place.secret("passphrase", text)
    assert "control character" in refused(place, "WrongPassphrase", "init", "--common-name", "Root")


def test_a_passphrase_that_is_too_short_is_not_typed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from issuer.cli import passphrases

    typed = iter(["a long passphrase", "a long passphrase", "too short"])
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda _: True})())
    with pytest.raises(RootRefusal, match="shorter than 12 characters"):
        passphrases.ask_passphrase([], 2, new=True)
    assert next(typed, None) is None


def test_a_passphrase_in_another_encoding_ends_without_a_traceback(
    root: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from issuer.cli import passphrases

    def typed(_: str) -> str:
        return b"pa\xdfphrase".decode()

    monkeypatch.setattr("getpass.getpass", typed)
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda _: True})())
    with pytest.raises(RootRefusal) as ended:
        passphrases.ask_passphrase([], 1)
    assert ended.value.__cause__ is None
    assert "LANG=C.UTF-8" in str(ended.value)


@pytest.mark.parametrize(
    "words",
    [
        ["--common-name", "a\x1b[31mred"],
        ["--common-name", " "],
        ["--common-name", "x" * 65],
        ["--common-name", "x", "--path-length", "0"],
        ["--common-name", "x", "--crl-url", "http://pki.example.test/" + "x" * 2000],
    ],
)
def test_a_root_that_would_be_of_no_use_is_not_made(place: Place, words: list[str]) -> None:
    assert place.unlocked("init", *words).exit_code == 2
    assert not place.root.exists()


def test_a_root_taken_over_that_may_sign_no_ca_signs_none(place: Place) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    wish = root_wish().model_copy(update={"max_path_length": 0})
    ledger = begin_root(wish, key, NOW).ledger
    with pytest.raises(RootRefusal) as ended:
        plan_signing(ledger, read_ca_request(csr()), sign_wish(), NOW)
    assert ended.value.reason is RefusalReason.PATH_LENGTH


@pytest.mark.parametrize("content", [b"", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB", b"plain"])
def test_a_key_file_without_an_encrypted_key_is_damage(root: Place, content: bytes) -> None:
    if content == b"plain":
        key = ec.generate_private_key(ec.SECP384R1())
        content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (root.root / "root.key").write_bytes(content)
    assert ("KeyUnreadable", "root.key") in root.findings()
    refused(root, "Damaged", "crl")


@pytest.mark.parametrize("line", [b"[" * 200_000, b'{"number":' + b"9" * 5000 + b"}", b"\xff\xfe", b"\0"])
def test_a_ledger_line_that_no_parser_takes_is_damage(root: Place, line: bytes) -> None:
    root.ledger.write_bytes(root.ledger.read_bytes() + line + b"\n")
    done = root.run("verify")
    assert (done.exit_code, ".." in done.stdout) == (1, False), done.output
    assert "line 4 is not JSON" in done.stdout


def test_a_crl_of_a_minute_is_told_to_be_short(root: Place) -> None:
    assert "expires within a day" in root.json("crl", "--lifetime", "1m", "--dry-run")["notes"][0]


def test_a_ca_that_was_signed_without_the_ledger_is_revoked_by_its_certificate(place: Place) -> None:
    made, key = foreign(place)
    own = ec.generate_private_key(ec.SECP256R1())
    ca = issued(subject("Forgotten CA"), own, made.subject, key, 0x77)
    (place.path / "ca.crt").write_bytes(ca.public_bytes(Encoding.PEM))
    other = issued(subject("Other"), own, subject("Other"), own, 0x78)
    (place.path / "other.crt").write_bytes(other.public_bytes(Encoding.PEM))
    assert place.unlocked(*TAKEN).exit_code == 0
    assert "--revoke-certificate" in refused(place, "UnknownCertificate", "crl", "--revoke", "77", "--yes")
    refused(place, "Request", "crl", "--revoke-certificate", "other.crt", "--yes")
    refused(place, "Request", "crl", "--revoke-certificate", "old.crt", "--yes")
    named = ["--revoke-certificate", "ca.crt", "--reason", "cACompromise", "--yes"]
    assert place.json("crl", *named)["revokes"][0]["reason"] == "cACompromise"
    again = place.json("crl", *named)
    assert (again["revoked"], again["revokes"]) == (1, [])
    assert [one["state"] for one in place.json("inspect")["signed"]] == ["revoked"]
    assert place.findings(code=0) == set()
