"""Kinds of keys, and flaws of keys that look like others and protect nothing.

Sources: the CA/Browser Forum's Baseline Requirements, 6.1.6; boulder's goodkey; Nemec and others, "The Return
of Coppersmith's Attack" (ROCA, CVE-2017-15361), whose fingerprint is used here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from issuer.x509.encoding.der import OID, SEQUENCE, items, only, read_oid

SMALLEST_EXPONENT: Final = 65_537
"""The smallest RSA exponent accepted: smaller ones, 3 above all, let forged signatures pass careless readers.
"""
LARGEST_EXPONENT_BITS: Final = 256
_SMALL_FACTOR: Final = 752
_CURVES: Final = frozenset({"secp224r1", "secp256r1", "secp384r1", "secp521r1"})
# Primes for which the powers of 65537 are few among all remainders: moduli made by Infineon's library are
# such powers for each of them, others for all of them once in 2^27 times.
_ROCA_PRIMES: Final = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)


# The library tests for primes while it reads such a key: 6 s for 4,423 bits, minutes for 9,941 (1.3 KB).
_DIFFIE_HELLMAN: Final = frozenset({"1.2.840.113549.1.3.1", "1.2.840.10046.2.1"})


@dataclass(frozen=True, slots=True)
class Key:
    """A public key's algorithm as cert-manager calls it and its size in bits (-1: it has only one).

    Other algorithms than RSA, ECDSA on a NIST curve and Ed25519 have the empty name. `flaw` is what is wrong
    with the key whatever its size, in words that complete "it ...".
    """

    algorithm: str
    size: int
    flaw: str = ""


def check_type(public_key_info: bytes) -> None:
    """Raise UnsupportedAlgorithm for a key that signs nothing and that the library reads for minutes.

    Takes a SubjectPublicKeyInfo before the library does. Raises ValueError where it is none.
    """
    algorithm = items(only(public_key_info, SEQUENCE).content)[0]
    if key_type(algorithm.whole) in _DIFFIE_HELLMAN:
        raise UnsupportedAlgorithm("a Diffie-Hellman key signs nothing")


def key_type(algorithm: bytes) -> str:
    """Return the OID of an AlgorithmIdentifier. Raises ValueError."""
    first = items(only(algorithm, SEQUENCE).content)[0]
    return read_oid(only(first.whole, OID).content)


def read_key(key: CertificatePublicKeyTypes) -> Key:
    """Return the kind and size of a public key, with the flaw that makes it worthless, if it has one."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return Key("RSA", key.key_size, _rsa_flaw(numbers.n, numbers.e))
    if isinstance(key, ec.EllipticCurvePublicKey):
        return Key("ECDSA" if key.curve.name in _CURVES else "", key.curve.key_size)
    return Key("Ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "", -1)


def subject_key_identifier(public_key: bytes) -> bytes:
    """Return the key identifier by method 1 of RFC 5280 section 4.2.1.2. `public_key` is DER
    SubjectPublicKeyInfo. Raises what the library raises for a bad one."""
    key = load_der_public_key(public_key)
    return x509.SubjectKeyIdentifier.from_public_key(key).digest  # type: ignore[arg-type]


def _rsa_flaw(modulus: int, exponent: int) -> str:
    if exponent % 2 == 0:
        return "has an even exponent"
    if exponent < SMALLEST_EXPONENT:
        return f"has the exponent {exponent}, which is less than {SMALLEST_EXPONENT}"
    if exponent.bit_length() > LARGEST_EXPONENT_BITS:
        return f"has an exponent of more than {LARGEST_EXPONENT_BITS} bits"
    if all(modulus % prime in powers for prime, powers in _roca_powers()):
        return "was made by a library whose keys can be broken (ROCA, CVE-2017-15361)"
    if any(modulus % number == 0 for number in range(2, _SMALL_FACTOR)):
        return "has a modulus with a small factor"
    return ""


@lru_cache(maxsize=1)
def _roca_powers() -> tuple[tuple[int, frozenset[int]], ...]:
    return tuple(
        (prime, frozenset(pow(SMALLEST_EXPONENT, power, prime) for power in range(prime)))
        for prime in _ROCA_PRIMES
    )
