"""Keys: encrypted with scrypt, opened by OpenSSL, read in every form that OpenSSL writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from issuer.root.certificates.keys import (
    KeyKind,
    Passphrase,
    encrypted_pem,
    has_signed,
    make_key,
    public_der,
    read_private_key,
    sign_bytes,
)
from issuer.root.errors import RootRefusal
from issuer.root.reasons import RefusalReason
from tests.rsa_keys import rsa_key
from tests.unit.root.support import PASSPHRASE, Place, openssl

TWO = Passphrase(["correct horse battery", "staple of the second"])


def test_new_keys_are_p384_or_rsa_4096() -> None:
    key = make_key(KeyKind.EC_P384)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp384r1"


def test_openssl_opens_the_key_with_both_passphrases_joined(tmp_path: Path) -> None:
    key = make_key(KeyKind.EC_P384)
    file = tmp_path / "root.key"
    file.write_text(encrypted_pem(key, TWO))
    assert "scrypt" in openssl("asn1parse", "-in", file).stdout
    joined = "pass:correct horse battery:staple of the second"
    out = openssl("pkey", "-in", file, "-passin", joined, "-pubout", "-outform", "PEM").stdout
    assert public_der(key.public_key()) == public_der(read_public(out))


def read_public(pem: str) -> ec.EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(pem.encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


@pytest.mark.usefixtures("place")  # where scrypt costs nothing
def test_each_key_is_encrypted_with_a_salt_of_its_own() -> None:
    key = make_key(KeyKind.EC_P384)
    assert encrypted_pem(key, TWO) != encrypted_pem(key, TWO)


@pytest.mark.parametrize(
    "words",
    [
        ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes256"],
        ["ecparam", "-name", "secp384r1", "-genkey"],
        ["rsa", "-in", "plain.key", "-traditional"],
        ["rsa", "-in", "plain.key", "-traditional", "-aes128"],
        ["pkey", "-in", "plain.key", "-aes256"],
        ["genpkey", "-algorithm", "ED25519"],
    ],
    ids=["PKCS8", "PKCS8-encrypted", "SEC1", "PKCS1", "PKCS1-encrypted", "RSA-PKCS8-encrypted", "Ed25519"],
)
def test_keys_of_openssl_are_read(words: list[str], place: Place) -> None:
    place.key(rsa_key(), "plain.key")
    encrypted = any(one.startswith("-aes") for one in words)
    flag = "-pass" if words[0] == "genpkey" else "-passout"
    openssl(*words, *([flag, f"pass:{PASSPHRASE}"] if encrypted else []), "-out", "ca.key")
    file = place.path / "ca.key"
    key = read_private_key(file.read_bytes(), Passphrase([PASSPHRASE]) if encrypted else None)
    assert has_signed(key.public_key(), sign_bytes(key, b"text"), b"text")
    assert not has_signed(key.public_key(), sign_bytes(key, b"text"), b"texts")
    if encrypted:
        with pytest.raises(RootRefusal) as refused:
            read_private_key(file.read_bytes(), Passphrase(["wrong passphrase"]))
        assert refused.value.reason is RefusalReason.WRONG_PASSPHRASE


@pytest.mark.usefixtures("place")
def test_a_wrong_passphrase_shows_nothing_of_key_or_passphrase() -> None:
    pem = encrypted_pem(make_key(KeyKind.EC_P384), TWO)
    with pytest.raises(RootRefusal) as refused:
        read_private_key(pem.encode(), Passphrase(["correct horse battery"]))
    assert refused.value.reason is RefusalReason.WRONG_PASSPHRASE
    assert refused.value.__cause__ is None
    assert "horse" not in f"{refused.value}{TWO!r}{TWO}"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (["short"], "shorter than 12"),
        (["long enough to be one", "short"], "passphrase 2 is shorter"),
        (["long enough to be one"] * 2, "are the same"),
        (["x" * 501], "longer than 500"),
    ],
)
def test_poor_passphrases_are_refused(parts: list[str], said: str) -> None:
    with pytest.raises(RootRefusal, match=said):
        Passphrase(parts).check()


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN CERTIFICATE-----", b"\xff\xfe", b"no key"])
def test_what_is_no_key_is_refused(pem: bytes) -> None:
    with pytest.raises(RootRefusal) as refused:
        read_private_key(pem, None)
    assert refused.value.reason is RefusalReason.UNREADABLE


def test_rsa_signs_too() -> None:
    key = rsa_key()
    assert has_signed(key.public_key(), sign_bytes(key, b"text"), b"text")
