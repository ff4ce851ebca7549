"""Keys of provisioners as JWKs: read, used and compared; what is none is refused, and nothing is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from issuer.step.errors import KeyUnusable
from issuer.step.keys import read_private, read_public
from tests.unit.step.fake import encoded, jwk

DATA = b"header.claims"


def number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def text(found: dict[str, Any]) -> bytes:
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    ("curve", "name", "algorithm", "digest"),
    [
        (ec.SECP256R1(), "P-256", "ES256", hashes.SHA256()),
        (ec.SECP384R1(), "P-384", "ES384", hashes.SHA384()),
        (ec.SECP521R1(), "P-521", "ES512", hashes.SHA512()),
    ],
)
def test_keys_of_elliptic_curves_sign(
    curve: ec.EllipticCurve, name: str, algorithm: str, digest: hashes.HashAlgorithm
) -> None:
    key = ec.generate_private_key(curve)
    numbers = key.private_numbers()
    public = numbers.public_numbers
    size = (curve.key_size + 7) // 8
    parts = {"x": public.x, "y": public.y, "d": numbers.private_value}
    found = {"kty": "EC", "crv": name, **{k: encoded(v.to_bytes(size, "big")) for k, v in parts.items()}}
    read = read_private(text(found))
    assert read.algorithm == algorithm
    assert read.public == read_public(found)
    signature = read.sign(DATA)
    assert len(signature) == 2 * size
    r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
    key.public_key().verify(encode_dss_signature(r, s), DATA, ec.ECDSA(digest))


def test_a_key_of_ed25519_signs() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    read = read_private(text({"kty": "OKP", "crv": "Ed25519", "x": encoded(public), "d": encoded(raw)}))
    assert read.algorithm == "EdDSA"
    key.public_key().verify(read.sign(DATA), DATA)


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", None])
def test_a_key_of_rsa_signs(algorithm: str | None) -> None:
    key = rsa.generate_private_key(65537, 2048)
    numbers = key.private_numbers()
    found = {
        "kty": "RSA",
        "n": number(numbers.public_numbers.n),
        "e": number(numbers.public_numbers.e),
        "d": number(numbers.d),
        **({"alg": algorithm} if algorithm else {}),
    }
    read = read_private(text(found))
    assert read.algorithm == (algorithm or "RS256")
    digest = hashes.SHA384() if algorithm == "PS384" else hashes.SHA256()
    filling: padding.AsymmetricPadding = padding.PKCS1v15()
    if algorithm == "PS384":
        filling = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
    key.public_key().verify(read.sign(DATA), DATA, filling, digest)


KEY = ec.generate_private_key(ec.SECP256R1())
GOOD = jwk(KEY, private=True)


@pytest.mark.parametrize(
    "found",
    [
        {},
        [],
        {**GOOD, "kty": "oct"},
        {**GOOD, "crv": "P-192"},
        {**GOOD, "d": ""},
        {**GOOD, "d": "*" * 43},
        {**GOOD, "x": GOOD["y"]},
        {**GOOD, "d": 5},
        {name: value for name, value in GOOD.items() if name != "d"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"},
        {"kty": "OKP", "crv": "X25519", "x": "AA", "d": "AA"},
        {"kty": "RSA", "n": "AA", "e": "AQAB", "d": "AA"},
        {"kty": "RSA", "n": encoded(b"\xff" * 4096), "e": "AQAB", "d": "AA"},
    ],
    ids=range(13),
)
def test_what_is_no_private_key_is_refused_and_not_shown(found: Any) -> None:
    with pytest.raises(KeyUnusable) as raised:
        read_private(text(found))
    assert GOOD["d"] not in repr(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"x" * 40_000])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(KeyUnusable):
        read_private(content)


@pytest.mark.parametrize(
    "found", [None, [], {}, {"kty": "EC"}, {"kty": "EC", "crv": "P-256", "x": 1, "y": 2}]
)
def test_a_public_half_that_cannot_be_read_is_none(found: Any) -> None:
    assert read_public(found) is None


def test_nothing_of_a_key_is_shown() -> None:
    shown = repr(read_private(text(GOOD)))
    assert GOOD["d"] not in shown
