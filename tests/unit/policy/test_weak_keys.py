"""Keys that protect nothing: denied where no role of Vault's looks at them, but for sizes a policy allows."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.policy.evaluation import violations
from issuer.x509.keys.public import Key, read_key
from tests.rsa_keys import rsa_key
from tests.unit.policy.forge import facts, policy

PATH = "spec.constraints.privateKey"


@cache
def csr(kind: str) -> bytes:
    """A CSR without names by a key of that kind."""
    key: CertificateIssuerPrivateKeyTypes
    match kind.split("-"):
        case ["rsa", size, *rest]:
            key = rsa_key(int(size), int(rest[0]) if rest else 65537)
        case ["ec", curve]:
            key = ec.generate_private_key(getattr(ec, curve)())
        case ["dsa"]:
            key = dsa.generate_private_key(1024)  # its parameters take a second at 2048
        case ["ed448"]:
            key = ed448.Ed448PrivateKey.generate()
        case _:
            key = ed25519.Ed25519PrivateKey.generate()
    algorithm = None if kind in {"ed448", "ed25519"} else hashes.SHA256()
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, algorithm).public_bytes(Encoding.PEM)


def denied(kind: str, private_key: dict[str, object] | None = None, *, policy_only: bool = True) -> list[str]:
    """Return a policy's violations by a key; with `policy_only` the CA itself checks none."""
    constraints = {} if private_key is None else {"privateKey": private_key}
    asked = replace(facts(csr(kind)), policy_only=policy_only)
    found = violations(policy(allowed={}, constraints=constraints), asked)
    assert all(one.field.startswith(PATH) for one in found)
    return [one.message for one in found]


GOOD = ["rsa-2048", "rsa-3072", "ec-SECP256R1", "ec-SECP384R1", "ec-SECP521R1", "ed25519"]
WEAK = ["rsa-1024", "rsa-2040", "rsa-2048-3", "ec-SECP224R1", "ec-SECP256K1", "ec-BrainpoolP256R1"]


@pytest.mark.parametrize("kind", GOOD)
def test_good_keys_pass(kind: str) -> None:
    assert denied(kind) == []


@pytest.mark.parametrize("kind", [*WEAK, "dsa", "ed448"])
def test_weak_keys_are_denied_where_policy_is_the_only_guard(kind: str) -> None:
    (message,) = denied(kind)
    assert message.startswith("WeakKey: ")
    assert denied(kind, policy_only=False) == [], "elsewhere Vault's role has its say"


@pytest.mark.parametrize(
    ("kind", "private_key", "passes"),
    [
        ("rsa-1024", {"minSize": 1024}, True),
        ("rsa-1024", {"algorithm": "RSA", "minSize": 1024}, True),
        ("rsa-1024", {"algorithm": "RSA"}, False),
        ("rsa-1024", {"maxSize": 4096}, False),
        ("rsa-1024", {"minSize": 2048}, False),
        ("rsa-1024", {"minSize": 256}, False),
        ("rsa-1024", {"minSize": 0}, False),
        ("rsa-1024", {"algorithm": "RSA", "minSize": 512}, True),
        ("ec-SECP224R1", {"minSize": 224}, True),
        ("ec-SECP224R1", {"algorithm": "ECDSA"}, False),
        ("ec-SECP256K1", {"minSize": 0}, False),
        ("rsa-2048-3", {"minSize": 1024}, False),
        ("rsa-2048", {"maxSize": 8192}, True),
    ],
)
def test_a_policy_says_otherwise_of_small_sizes_alone(
    kind: str, private_key: dict[str, object], passes: bool
) -> None:
    assert (not denied(kind, private_key)) is passes


def test_a_key_of_9000_bits_is_denied_whatever_the_policy_says() -> None:
    asked = facts(csr("ed25519"))
    large = replace(asked, csr=replace(asked.csr, key=Key("RSA", 9000)), policy_only=True)
    (found,) = violations(policy(allowed={}, constraints={"privateKey": {"minSize": 1024}}), large)
    assert found.message == "WeakKey: the key has 9000 bits, more than the 8192 at most"


def flaw(modulus: int, exponent: int = 65537) -> str:
    return read_key(rsa.RSAPublicNumbers(exponent, modulus).public_key()).flaw


def good() -> int:
    return rsa_key().public_key().public_numbers().n


def test_flaws_of_rsa_keys_are_named() -> None:
    assert flaw(good()) == ""
    assert flaw(good(), 2**256 - 1) == ""
    assert flaw(good(), 2**256 + 1) == "has an exponent of more than 256 bits"
    assert flaw(good(), 17) == "has the exponent 17, which is less than 65537"
    assert flaw(good() * 751) == "has a modulus with a small factor"


def test_a_modulus_of_infineons_form_is_known() -> None:
    """Factors are k * M + (65537^a mod M), with M the product of the first primes."""
    primes = [number for number in range(2, 170) if all(number % one for one in range(2, number))]
    product = 1
    for prime in primes:
        product *= prime
    one, two = (
        factor * product + pow(65537, power, product) for factor, power in ((2**900 + 1, 5), (2**901, 77))
    )
    assert flaw(one * two) == "was made by a library whose keys can be broken (ROCA, CVE-2017-15361)"
