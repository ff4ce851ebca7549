"""What the files of a certificate hold."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)

from issuer.agent.files.contents import (
    CHAIN_ONLY,
    CertificateSet,
    FileKind,
    KeyEncoding,
    StoreProfile,
    is_legacy,
)
from tests.ca import TestCA

KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def made() -> CertificateSet:
    ca = TestCA.make()
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("web.example.com")]), critical=False)
    )
    from cryptography.hazmat.primitives import hashes

    signed = ca.sign(csr.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode())
    leaf = x509.load_pem_x509_certificate(signed.leaf_pem.encode())
    der = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return CertificateSet((ca.intermediate,), (ca.root,), leaf, der)


def test_combined_pem_has_the_key_first(made: CertificateSet) -> None:
    text = made.render(FileKind.COMBINED)
    assert text.startswith(b"-----BEGIN PRIVATE KEY-----")
    key = load_pem_private_key(text, None)
    leaf, ca = x509.load_pem_x509_certificates(text)
    assert key.public_key() == leaf.public_key()
    assert ca == made.chain[0]


def test_chain_leaves_the_root_to_clients(made: CertificateSet) -> None:
    leaf, root = made.certificate, made.roots[0]
    assert x509.load_pem_x509_certificates(made.render(FileKind.CHAIN)) == list(made.chain)
    assert x509.load_pem_x509_certificates(made.render(FileKind.FULL_CHAIN)) == [leaf, *made.chain]
    assert x509.load_pem_x509_certificates(made.render(FileKind.CA)) == [root]
    assert x509.load_der_x509_certificate(made.render(FileKind.CA_DER)) == root
    assert x509.load_der_x509_certificate(made.render(FileKind.CERTIFICATE_DER)) == leaf
    assert x509.load_pem_x509_certificate(made.render(FileKind.CERTIFICATE)) == leaf


def test_key_is_pkcs8(made: CertificateSet) -> None:
    assert load_der_private_key(made.render(FileKind.KEY_DER), None).public_key() == KEY.public_key()
    assert load_pem_private_key(made.render(FileKind.KEY), None).public_key() == KEY.public_key()


FORMS = [
    (ec.generate_private_key(ec.SECP256R1()), "EC PRIVATE KEY", "ec"),
    (rsa.generate_private_key(65537, 2048), "RSA PRIVATE KEY", "rsa"),
]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
@pytest.mark.parametrize(("key", "label", "command"), FORMS, ids=[label for _, label, _ in FORMS])
def test_older_form_of_a_key_is_that_of_openssl(
    made: CertificateSet, tmp_path: Path, key: PrivateKeyTypes, label: str, command: str
) -> None:
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    given = replace(made, key_der=der)
    text = given.render(FileKind.KEY, key_encoding=KeyEncoding.PKCS1)
    assert text.startswith(f"-----BEGIN {label}-----\n".encode())
    assert given.render(FileKind.COMBINED, key_encoding=KeyEncoding.PKCS1).startswith(text)
    (tmp_path / "pkcs8.pem").write_bytes(given.render(FileKind.KEY))
    (tmp_path / "key.der").write_bytes(given.render(FileKind.KEY_DER, key_encoding=KeyEncoding.PKCS1))
    for words in (
        ("pkey", "-in", str(tmp_path / "pkcs8.pem"), "-traditional"),
        (
            command,
            "-in",
            str(tmp_path / "key.der"),
            "-inform",
            "DER",
            *(["-traditional"] * (command != "ec")),
        ),
    ):
        ran = subprocess.run(("openssl", *words), capture_output=True, check=True)
        assert ran.stdout == text


def test_key_without_an_older_form_stays_pkcs8(made: CertificateSet) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    given = replace(made, key_der=der)
    for kind in (FileKind.KEY, FileKind.KEY_DER):
        assert given.render(kind, key_encoding=KeyEncoding.PKCS1) == given.render(kind)


def test_old_readers_get_triple_des(made: CertificateSet) -> None:
    store = made.render(FileKind.PKCS12, name="web", password=b"secret", profile=StoreProfile.LEGACY)
    assert is_legacy(store)
    assert pkcs12.load_pkcs12(store, b"secret").key is not None
    for profile, password in ((StoreProfile.MODERN, b"secret"), (StoreProfile.LEGACY, None)):
        assert not is_legacy(made.render(FileKind.PKCS12, name="web", password=password, profile=profile))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
def test_openssl_names_the_algorithms_of_old_readers(tmp_path: Path, made: CertificateSet) -> None:
    store = tmp_path / "web.p12"
    store.write_bytes(
        made.render(FileKind.PKCS12, name="web", password=b"secret", profile=StoreProfile.LEGACY)
    )
    words = ("openssl", "pkcs12", "-info", "-in", str(store), "-passin", "pass:secret", "-nokeys", "-nocerts")
    told = subprocess.run(words, capture_output=True, text=True, check=True).stderr
    assert "MAC: sha1" in told
    assert told.count("pbeWithSHA1And3-KeyTripleDES-CBC") == 2  # certificates and key


@pytest.mark.parametrize("password", [None, b"changeit"])
def test_pkcs12_holds_all_of_it(made: CertificateSet, password: bytes | None) -> None:
    store = pkcs12.load_pkcs12(made.render(FileKind.PKCS12, name="web", password=password), password)
    assert store.cert is not None
    assert store.cert.certificate == made.certificate
    assert store.cert.friendly_name == b"web"
    assert {one.certificate for one in store.additional_certs} == {*made.chain, *made.roots}


@pytest.mark.parametrize("kind", sorted(set(FileKind) - CHAIN_ONLY))
def test_cas_alone_have_no_key_and_no_certificate(made: CertificateSet, kind: FileKind) -> None:
    with pytest.raises(ValueError, match="only CAs are kept here"):
        CertificateSet(made.chain, made.roots).render(kind)


def test_repr_hides_the_key(made: CertificateSet) -> None:
    assert made.key_der is not None
    assert repr(made.key_der) not in repr(made)
    assert "key_der" not in repr(made)
