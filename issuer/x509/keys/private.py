"""Private keys that others have written, read in bounded time.

The library tests the factors of an RSA key for being primes: 1.4 s for 4,484 bits, 13 s for 8,676, and more
than five minutes for 19,630, which are 15 KB of PEM. So it does with a Diffie-Hellman key, which no TLS
client has: 38 s for 4,423 bits. Nothing else runs meanwhile.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from cryptography.exceptions import InternalError
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from issuer.x509.encoding.der import SEQUENCE, items, only
from issuer.x509.encoding.pem import write_pem
from issuer.x509.errors import LIBRARY_ERRORS, EncryptedPrivateKey, InvalidPrivateKey
from issuer.x509.keys.public import LARGEST_EXPONENT_BITS, key_type

MAX_RSA_BITS: Final = 8192
"""The largest RSA key that is used: a signature takes about 50 ms; one of 16,384 bits some ten times that."""

PrivateKey = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)


_ANY_TYPE: Final = "PRIVATE KEY"  # PKCS #8, which names the type inside
_LABELS: Final = frozenset({_ANY_TYPE, "RSA PRIVATE KEY", "EC PRIVATE KEY"})
_TYPES: Final = frozenset(
    {
        "1.2.840.113549.1.1.1",  # RSA
        "1.2.840.10045.2.1",  # elliptic curves
        "1.3.101.112",  # Ed25519
        "1.3.101.113",  # Ed448
    }
)
_BEGIN: Final = re.compile(rb"-----BEGIN ([A-Z0-9. ]{0,40}PRIVATE KEY)-----")
_HEADER_END: Final = re.compile(rb"\r?\n[ \t]*\r?\n")


def read_private_key(pem: bytes) -> PrivateKey:
    """Return the first private key of a PEM text, unencrypted and of a type that TLS takes.

    Raises InvalidPrivateKey, and EncryptedPrivateKey. The caller bounds the length.
    """
    label, der = _first_block(pem)
    try:
        if label == _ANY_TYPE and _type_of(der) not in _TYPES:
            raise _wrong_type()
        clean = write_pem(label, der).encode()
        key = load_pem_private_key(clean, password=None, unsafe_skip_rsa_key_validation=True)
    except InvalidPrivateKey:
        raise
    except (*LIBRARY_ERRORS, InternalError) as error:
        raise _unreadable() from error
    if isinstance(key, rsa.RSAPrivateKey):
        _check_rsa(key)
    elif not isinstance(key, (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        raise _wrong_type()
    return key


def _first_block(pem: bytes) -> tuple[str, bytes]:
    begin = _BEGIN.search(pem)
    end = -1 if begin is None else pem.find(b"-----END " + begin[1] + b"-----", begin.end())
    if begin is None or end < 0:
        raise _unreadable()
    label, body = begin[1].decode("ascii"), pem[begin.end() : end]
    if label.startswith("ENCRYPTED ") or b"ENCRYPTED" in body:  # PKCS #8, and OpenSSL's old form
        raise EncryptedPrivateKey("is encrypted")
    if label not in _LABELS:
        raise _wrong_type()
    if b":" in body:
        body = [*_HEADER_END.split(body, maxsplit=1), b""][1]
    try:
        return label, base64.b64decode(body.translate(None, b" \t\r\n"), validate=True)
    except binascii.Error as error:
        raise _unreadable() from error


def _type_of(der: bytes) -> str:
    """Return the OID of a PKCS #8 key's type. Raises ValueError."""
    _version, algorithm, *_ = items(only(der, SEQUENCE).content)
    return key_type(algorithm.whole)


def _unreadable() -> InvalidPrivateKey:
    return InvalidPrivateKey("is not readable PEM")


def _wrong_type() -> InvalidPrivateKey:
    return InvalidPrivateKey("is of a type that TLS doesn't take")


def _check_rsa(key: rsa.RSAPrivateKey) -> None:
    if key.key_size > MAX_RSA_BITS:
        raise InvalidPrivateKey(f"is an RSA key of {key.key_size} bits, and {MAX_RSA_BITS} are the most")
    numbers = key.private_numbers()
    public, p, q, d = numbers.public_numbers, numbers.p, numbers.q, numbers.d
    exponents = (numbers.dmp1, numbers.dmq1)
    if (
        public.e.bit_length() > LARGEST_EXPONENT_BITS
        or not rsa_numbers_fit(public, p, q, d)
        or exponents != (d % (p - 1), d % (q - 1))
        or numbers.iqmp * q % p != 1
    ):
        raise InvalidPrivateKey("has numbers that make no RSA key")


def rsa_numbers_fit(public: rsa.RSAPublicNumbers, p: int, q: int, d: int) -> bool:
    """Return True if factors and private exponent belong to the public numbers.

    Factors are never looked for, nor tested for being primes: the one may take for ever, the other minutes.
    """
    half = (public.n.bit_length() + 1) // 2
    return (
        3 <= p < 1 << half
        and 3 <= q < 1 << half
        and 1 < d < public.n
        and p * q == public.n
        and public.e * d % (p - 1) == 1
        and public.e * d % (q - 1) == 1
    )
