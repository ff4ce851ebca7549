"""Keys of provisioners as JWKs: read, used and compared; what is none is refused, and nothing is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from issuer.step.errors import AnotherKey, KeyUnusable
from issuer.step.keys import ProvisionerKey, read_private, read_public
from tests.rsa_keys import rsa_key
from tests.unit.step.fake import encoded, jwk

DATA = b"header.claims"


def number(value: int) -> str:
    return encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def text(found: dict[str, Any]) -> bytes:
    return json.dumps(found).encode()


def read_own(found: Any) -> ProvisionerKey:
    """Read a private JWK that is compared with itself."""
    return read_private(text(found), read_public(found))


def rsa_jwk(key: rsa.RSAPrivateKey, **more: Any) -> dict[str, Any]:
    numbers = key.private_numbers()
    public = numbers.public_numbers
    parts = {"n": public.n, "e": public.e, "d": numbers.d, "p": numbers.p, "q": numbers.q}
    return {"kty": "RSA", **{part: number(value) for part, value in parts.items()}, **more}


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
    read = read_own(found)
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
    read = read_own({"kty": "OKP", "crv": "Ed25519", "x": encoded(public), "d": encoded(raw)})
    assert read.algorithm == "EdDSA"
    key.public_key().verify(read.sign(DATA), DATA)


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", None])
def test_a_key_of_rsa_signs(algorithm: str | None) -> None:
    key = rsa_key()
    read = read_own(rsa_jwk(key, **({"alg": algorithm} if algorithm else {})))
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
        read_own(found)
    assert GOOD["d"] not in repr(raised.value)
    assert raised.value.__cause__ is None


RSA = rsa_key()
P, Q, D = (getattr(RSA.private_numbers(), part) for part in "pqd")
N = P * Q
PRIME = (
    # RFC 3526, group 14: with n prime there are no factors to find, and the search for them never ends.
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B"
    "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"
    "49286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D"
    "670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
    "3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF"
)


@pytest.mark.parametrize(
    "changed",
    [
        {"n": number(int(PRIME, 16)), "d": number(pow(65537, -1, int(PRIME, 16) - 1)), "p": "", "q": ""},
        {"n": number(int(PRIME, 16)), "p": number(int(PRIME, 16)), "q": number(1)},
        {"p": "", "q": ""},
        {"p": number(P + 2)},
        {"p": number(N), "q": number(1)},
        {"d": number(D + 2)},
        {"d": number(D + (P - 1) * (Q - 1))},
        {"d": number(1)},
        {"d": encoded(b"\x01" * 20_000)},
        {"e": number((1 << 32) + 1)},
        {"n": encoded(b"\xff" * 513)},
    ],
    ids=range(11),
)
def test_rsa_keys_whose_numbers_do_not_belong_together_are_refused_at_once(changed: dict[str, str]) -> None:
    found = {name: value for name, value in {**rsa_jwk(RSA), **changed}.items() if value}
    with pytest.raises(KeyUnusable):
        read_own(found)


def test_factors_that_are_no_primes_make_no_key_that_signs_wrongly() -> None:
    p, q = 3 * (1 << 1022) + 9, 5 * (1 << 1021) + 15
    found = {"kty": "RSA", "e": number(65537), "n": number(p * q), "p": number(p), "q": number(q)}
    with pytest.raises(KeyUnusable):
        read_own({**found, "d": number(pow(65537, -1, (p - 1) * (q - 1)))})


@pytest.mark.parametrize(
    "public",
    [None, b"", read_public(jwk(ec.generate_private_key(ec.SECP256R1()), private=False))],
    ids=["none", "empty", "another"],
)
def test_a_key_of_another_public_half_is_refused_before_it_is_built(
    public: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("issuer.step.keys._private", None)
    with pytest.raises(AnotherKey):
        read_private(text(GOOD), public)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"x" * 40_000])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(KeyUnusable):
        read_private(content, read_public(GOOD))


@pytest.mark.parametrize(
    "found", [None, [], {}, {"kty": "EC"}, {"kty": "EC", "crv": "P-256", "x": 1, "y": 2}]
)
def test_a_public_half_that_cannot_be_read_is_none(found: Any) -> None:
    assert read_public(found) is None


def test_nothing_of_a_key_is_shown() -> None:
    shown = repr(read_own(GOOD))
    assert GOOD["d"] not in shown


@pytest.mark.parametrize(
    "changed",
    [{"e": number((1 << 32) + 1)}, {"n": encoded(b"\xff" * 513)}, {"e": encoded(bytes(20_000) + b"\x03")}],
    ids=["exponent", "modulus", "text"],
)
def test_a_public_half_that_costs_much_is_not_read(changed: dict[str, str]) -> None:
    assert read_public({**rsa_jwk(RSA), **changed}) is None
