"""Roots in a folder, at a time of the test's own, and CSRs; commands run as a person runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner, Result

from issuer.cli.main import app
from issuer.cli.root import commands as command
from issuer.root.ceremony.file import RootWish, SignWish, checked_wish
from issuer.root.ceremony.roots import begin_root, spki_hex
from issuer.root.certificates import keys
from issuer.root.certificates.keys import PrivateKey
from issuer.root.record.ledger import RootLedger
from tests.scripts import ROOT, run_script

NOW: Final = datetime(2027, 3, 1, 12, tzinfo=UTC)
DAY: Final = timedelta(days=1)
PASSPHRASE: Final = "correct horse battery"
NEW_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
"""Words of `openssl req` for a key that takes no time to make."""
CRL_URL: Final = "http://pki.example.test/root.crl"


def subject(name: str, organization: str = "Example") -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def csr(
    key: Any = None,
    name: str = "Environment CA",
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> bytes:
    """A CSR as PEM; with a new P-256 key unless one is given."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject(name))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def spki(pem: bytes) -> str:
    """The SHA-256 of a CSR's key, in hex."""
    return spki_hex(x509.load_pem_x509_csr(pem).public_key())


def root_wish(**more: Any) -> RootWish:
    return checked_wish(RootWish, {"subject": {"commonName": "Example Root CA"}, **more})


def sign_wish(**more: Any) -> SignWish:
    return checked_wish(SignWish, {"request": "env.csr", **more})


def new_root(
    key: PrivateKey | None = None, now: datetime = NOW, **more: Any
) -> tuple[RootLedger, PrivateKey]:
    """The ledger of a new root, P-256 for speed, and its key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    return begin_root(root_wish(**more), key, now).ledger, key


@dataclass(slots=True)
class Place:
    """A folder in which a person works: a passphrase file, CSRs, and the root in `root`."""

    path: Path
    monkeypatch: pytest.MonkeyPatch = field(repr=False)
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.monkeypatch.chdir(self.path)
        self.monkeypatch.setattr(command, "_now", lambda: self.now)
        # Half a second for each signature otherwise; test_keys takes the real cost.
        self.monkeypatch.setattr(keys, "SCRYPT_N", 16)
        self.secret("passphrase", PASSPHRASE)

    @property
    def root(self) -> Path:
        return self.path / "root"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.jsonl"

    def key(self, key: PrivateKey, file: str = "ca.key") -> None:
        """Write a key without encryption."""
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.path / file).write_bytes(plain)

    def secret(self, name: str, text: str) -> Path:
        file = self.path / name
        file.touch(0o600)
        file.write_text(text + "\n")
        return file

    def csr(self, file: str = "env.csr", **more: Any) -> str:
        """Write a CSR, and return the SHA-256 of its key."""
        pem = csr(**more)
        (self.path / file).write_bytes(pem)
        return spki(pem)

    def run(self, *words: str) -> Result:
        """Run `vault-issuer root ...`."""
        return CliRunner().invoke(app, ["root", *words])

    def unlocked(self, *words: str) -> Result:
        """Run it with the passphrase."""
        return self.run(*words, "--passphrase-file", "passphrase")

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Run it with the passphrase unless it only looks, and return its JSON."""
        with_key = [] if words[0] in ("inspect", "verify") else ["--passphrase-file", "passphrase"]
        done = self.run(*words, *with_key, "-o", "json")
        assert done.exit_code == code, done.output
        parsed: dict[str, Any] = json.loads(done.stdout)
        return parsed

    def init(self, *words: str) -> None:
        done = self.unlocked("init", "--common-name", "Example Root CA", "--crl-url", CRL_URL, *words)
        assert done.exit_code == 0, done.output

    def sign(self, name: str = "env.csr", *words: str) -> dict[str, Any]:
        """Sign a CSR that is there, and return what the command says."""
        return self.json(
            "sign", name, "--yes", "--spki-sha256", spki((self.path / name).read_bytes()), *words
        )

    def findings(self, *words: str, code: int = 1) -> set[tuple[str, str]]:
        """What `verify` finds: codes and paths."""
        return {(one["code"], one["path"]) for one in self.json("verify", *words, code=code)["findings"]}


def openssl(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run openssl and return what it printed; fails the test if it fails."""
    return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True)


def process(
    script: str, *words: str, cwd: Path, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a Python script in a process of its own, which finds `issuer` from any folder."""
    return run_script(script, *words, before=before, cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT)})


WITHOUT_NETWORK: Final = ("unshare", "--user", "--map-root-user", "--net")
"""Words that run a program without a network."""


def why_not_alone() -> str:
    """Return why no program can be run by WITHOUT_NETWORK on this machine, or nothing."""
    if shutil.which(WITHOUT_NETWORK[0]) is None:
        return "unshare is not installed (Debian: util-linux)"
    tried = subprocess.run([*WITHOUT_NETWORK, "true"], capture_output=True, text=True, check=False)
    return f"no network namespace may be made here: {tried.stderr.strip()}" if tried.returncode else ""


def alone() -> list[str]:
    """Return WITHOUT_NETWORK.

    Skips the test where no namespace may be made, and fails it for root, as whom CI's machine runs it.
    """
    why = why_not_alone()
    if not why:
        return list(WITHOUT_NETWORK)
    said = f"NOT SHOWN: `vault-issuer root` without a network. {why}"
    if os.geteuid() == 0:
        pytest.fail(said)
    warnings.warn(said, stacklevel=1)
    pytest.skip(said)


def verified_by_openssl(root: Path, certificate: Path, *words: str | Path) -> None:
    """Verify a certificate up to a root at the tests' time; fails the test if OpenSSL doesn't accept it."""
    moment = str(int((NOW + DAY).timestamp()))
    openssl("verify", "-x509_strict", "-attime", moment, "-CAfile", root, *words, certificate)
