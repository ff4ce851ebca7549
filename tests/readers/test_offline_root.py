"""Chains and CRLs of an offline root, as OpenSSL, GnuTLS, NSS, Java and Go judge them, revoked and not."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.readers.readers import HERE
from tests.unit.root.support import Place, csr, subject

NAME: Final = "shop.example.test"


@dataclass(frozen=True, slots=True)
class Chain:
    """Files of a root, a CA that it signed, a leaf, and the CRLs of both; `bad/` revokes the CA."""

    folder: Path

    def run(self, *words: str) -> str:
        """Run a program in the folder. Returns what it says, with "refused" before it if it fails."""
        ran = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False)
        return ("refused " if ran.returncode else "") + ran.stdout + ran.stderr


@pytest.fixture(scope="module", params=["ec-p384", "rsa-4096"])
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return chain_below(request.param, tmp_path_factory.mktemp("chain"))


def chain_below(kind: str, folder: Path) -> Chain:
    """Make a chain below a root with such a key, by the command."""
    with pytest.MonkeyPatch.context() as patched:
        place = Place(folder, patched, now=datetime.now(UTC))
        place.init("--key", kind, "--permit", "DNS:example.test")
        key = ec.generate_private_key(ec.SECP384R1())
        (folder / "env.csr").write_bytes(csr(key))
        signed = place.sign("env.csr", "--lifetime", "1y", "--permit", "DNS:example.test")["signed"][0]
        place.json("crl", "--publish", "good")
        place.json(
            "crl", "--revoke", signed["serial"], "--reason", "cACompromise", "--yes", "--publish", "bad"
        )
    ca = x509.load_pem_x509_certificate((folder / "env.pem").read_bytes())
    for name, content in {
        "root.pem": (folder / "root" / "root.pem").read_bytes(),
        "ca.pem": ca.public_bytes(Encoding.PEM),
        "leaf.pem": _leaf(ca, key).public_bytes(Encoding.PEM),
        "ca.crl.pem": _crl(ca, key).public_bytes(Encoding.PEM),
    }.items():
        (folder / name).write_bytes(content)
    return Chain(folder)


def _leaf(ca: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = datetime.now(UTC)
    own = ec.generate_private_key(ec.SECP256R1()).public_key()
    builder = x509.CertificateBuilder().subject_name(subject("shop")).issuer_name(ca.subject).public_key(own)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(minutes=2))
    builder = builder.not_valid_after(now + timedelta(days=30))
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    for extension, critical in (
        (x509.SubjectAlternativeName([x509.DNSName(NAME)]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False),
        (x509.SubjectKeyIdentifier.from_public_key(own), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1")]), False),
        (usage, True),
    ):
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA384())


def _crl(ca: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> x509.CertificateRevocationList:
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(ca.subject).last_update(now)
    builder = builder.next_update(now + timedelta(days=7)).add_extension(x509.CRLNumber(1), critical=False)
    own = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return builder.add_extension(own, critical=False).sign(key, hashes.SHA384())


def openssl(chain: Chain, crl: str) -> str:
    lists = ["-CRLfile", f"{crl}/root.crl.pem", "-CRLfile", "ca.crl.pem", "-crl_check_all"]
    strict = ["-x509_strict", "-purpose", "sslserver", "-verify_hostname", NAME]
    return chain.run(
        *["openssl", "verify", *strict, *lists, "-CAfile", "root.pem", "-untrusted", "ca.pem", "leaf.pem"]
    )


def gnutls(chain: Chain, crl: str) -> str:
    (chain.folder / "whole.pem").write_text(
        "".join((chain.folder / one).read_text() for one in ("leaf.pem", "ca.pem"))
    )
    lists = "".join((chain.folder / one).read_text() for one in (f"{crl}/root.crl.pem", "ca.crl.pem"))
    (chain.folder / "lists.pem").write_text(lists)
    words = ["certtool", "--verify", "--verify-hostname", NAME, "--load-ca-certificate", "root.pem"]
    return chain.run(*words, "--load-crl", "lists.pem", "--infile", "whole.pem")


def nss(chain: Chain, crl: str) -> str:
    base = f"sql:nss-{crl}"
    (chain.folder / f"nss-{crl}").mkdir(exist_ok=True)
    told = chain.run("certutil", "-N", "-d", base, "--empty-password")
    for name, trust in (("root", "C,,"), ("ca", ",,"), ("leaf", ",,")):
        told += chain.run("certutil", "-A", "-d", base, "-n", name, "-t", trust, "-i", f"{name}.pem")
    # It verifies the signature as it takes the list in.
    told += chain.run("crlutil", "-I", "-d", base, "-i", f"{crl}/root.crl")
    return told + chain.run("certutil", "-V", "-d", base, "-n", "leaf", "-u", "V", "-e")


def java(chain: Chain, crl: str) -> str:
    """Judge the list and the CA's certificate: keytool looks into no list while it builds a chain."""
    store = ["-keystore", f"java-{crl}", "-storepass", "password"]
    told = chain.run("keytool", "-importcert", "-noprompt", "-alias", "root", "-file", "root.pem", *store)
    # Without -noprompt and without an answer it takes only what a trusted certificate has signed.
    told += chain.run("keytool", "-importcert", "-trustcacerts", "-alias", "ca", "-file", "ca.pem", *store)
    listed = chain.run("keytool", "-printcrl", "-file", f"{crl}/root.crl", *store)
    verified = "Verified by root in keystore" in listed
    serial = f"{x509.load_pem_x509_certificate((chain.folder / 'ca.pem').read_bytes()).serial_number:x}"
    told += "" if verified else f"refused {listed}"
    told += listed
    return told + ("refused: revoked" if serial in listed.lower().replace(":", "") else "")


def go(chain: Chain, crl: str) -> str:
    files = ["root.pem", "ca.pem", "leaf.pem", f"{crl}/root.crl"]
    return chain.run("go", "run", str(HERE / "revocation.go"), *files)


VERIFIERS: Final[dict[str, tuple[Callable[[Chain, str], str], tuple[str, ...], str]]] = {
    "OpenSSL": (openssl, ("openssl",), ""),
    "GnuTLS": (gnutls, ("certtool",), "apt-get install gnutls-bin"),
    "NSS": (nss, ("certutil", "crlutil"), "apt-get install libnss3-tools"),
    "Java": (java, ("keytool",), "apt-get install default-jre-headless"),
    "Go": (go, ("go",), ""),
}
"""Each verifier, the programs that it takes, and how Debian has them."""


@pytest.mark.parametrize("name", VERIFIERS)
def test_a_chain_is_accepted_until_its_ca_is_revoked(chain: Chain, name: str) -> None:
    judged_rightly(chain, name)


def judged_rightly(chain: Chain, name: str) -> None:
    """Assert that a verifier takes the chain, and refuses it once its CA is revoked. Skip if it is absent."""
    verify, programs, package = VERIFIERS[name]
    absent = [one for one in programs if shutil.which(one) is None]
    if absent:
        pytest.skip(f"{', '.join(absent)} not installed: {name} judges nothing here. {package}")
    good = verify(chain, "good")
    assert "refused" not in good, good
    bad = verify(chain, "bad")
    assert "refused" in bad, bad
    assert "revoked" in bad.lower(), bad
