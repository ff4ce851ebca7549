"""Keys that a tenant may have written: none keeps the process busy."""

from __future__ import annotations

from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from issuer.x509.certificates import decode, decode_leaf, public_key
from issuer.x509.chains.links import signed_by
from issuer.x509.encoding.der import element, items, only
from issuer.x509.encoding.pem import read_blocks, write_pem
from issuer.x509.errors import EncryptedPrivateKey, InvalidCertificate, InvalidPrivateKey, InvalidRequest
from issuer.x509.keys.private import PrivateKey, read_private_key
from issuer.x509.request import read_request
from tests.builders import NOW, csr_pem
from tests.rsa_keys import rsa_key

INTEGER, SEQUENCE, OCTETS = 2, 0x30, 4
NUMBERS = rsa_key().private_numbers()
E, D, P, Q = NUMBERS.public_numbers.e, NUMBERS.d, NUMBERS.p, NUMBERS.q
# Primes that everybody knows; the library takes 13 s to see that they are.
LARGE: Final = (2**4423 - 1, 2**4253 - 1)
DIFFIE_HELLMAN: Final = bytes.fromhex("06092a864886f70d010301")


def integer(number: int) -> bytes:
    return element(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def rsa_pem(e: int, d: int, p: int, q: int) -> bytes:
    parts = (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    return write_pem("RSA PRIVATE KEY", element(SEQUENCE, b"".join(map(integer, parts)))).encode()


def pem_of(key: PrivateKey, password: str = "") -> bytes:
    how = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def of_diffie_hellman() -> bytes:
    algorithm = element(SEQUENCE, DIFFIE_HELLMAN + element(SEQUENCE, integer(LARGE[0]) + integer(2)))
    return write_pem(
        "PRIVATE KEY", element(SEQUENCE, integer(0) + algorithm + element(OCTETS, integer(5)))
    ).encode()


@pytest.mark.parametrize(
    "pem",
    [
        pem_of(rsa_key()),
        b"a note\n" + rsa_pem(E, D, P, Q).replace(b"KEY-----\n", b"KEY-----\nNote: x\n\n", 1),
        pem_of(ec.generate_private_key(ec.SECP384R1())),
        pem_of(ed25519.Ed25519PrivateKey.generate()),
    ],
    ids=["RSA", "old RSA", "EC", "Ed25519"],
)
def test_keys_that_tls_takes_are_read(pem: bytes) -> None:
    assert pem_of(read_private_key(pem)).startswith(b"-----BEGIN PRIVATE KEY")


@pytest.mark.parametrize(
    ("pem", "says"),
    [
        (rsa_pem(65537, pow(65537, -1, (LARGE[0] - 1) * (LARGE[1] - 1)), *LARGE), "8676 bits"),
        (rsa_pem(E, D + 2, P, Q), "no RSA key"),
        (rsa_pem(E, D, P, Q + 2), "no RSA key"),
        (rsa_pem(pow(65537, -1, (P - 1) * (Q - 1)), 65537, P, Q), "no RSA key"),
        (of_diffie_hellman(), "type that TLS doesn't take"),
        (of_diffie_hellman().replace(b"PRIVATE", b"RSA PRIVATE"), "not readable"),
        (of_diffie_hellman().replace(b"PRIVATE", b"DH PRIVATE"), "type that TLS doesn't take"),
        (b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", "not readable"),
    ],
    ids=[
        "large",
        "exponent",
        "factor",
        "public exponent",
        "Diffie-Hellman",
        "Diffie-Hellman as RSA",
        "label",
        "nothing",
    ],
)
def test_others_are_refused_at_once(pem: bytes, says: str) -> None:
    with pytest.raises(InvalidPrivateKey, match=says):
        read_private_key(pem)


def test_a_key_with_a_password_is_told_apart() -> None:
    old = rsa_key().private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")
    )
    for pem in (old, pem_of(rsa_key(), "x")):
        with pytest.raises(EncryptedPrivateKey):
            read_private_key(pem)


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [("06092a864886f70d010301", (LARGE[0], 2)), ("06072a8648ce3e0201", (LARGE[0], 2, 2**1279 - 1))],
    ids=["PKCS #3", "X9.42"],
)
def test_request_and_certificate_of_a_diffie_hellman_key_are_refused_at_once(
    kind: str, numbers: tuple[int, ...]
) -> None:
    """Whoever may make a CertificateRequest could stop the controller by two kilobytes."""
    parameters = element(SEQUENCE, b"".join(map(integer, numbers)))
    algorithm = element(SEQUENCE, bytes.fromhex(kind) + parameters)
    slow = element(SEQUENCE, algorithm + element(3, b"\0" + integer(7)))
    key = ec.generate_private_key(ec.SECP256R1())
    own = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    [request, *_] = read_blocks(csr_pem("a.example.test"), 1).found
    with pytest.raises(InvalidRequest, match="not supported"):
        read_request(write_pem("CERTIFICATE REQUEST", with_key(request[1], slow)).encode())
    name = x509.Name([])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    changed = with_key(certificate, slow)
    assert own not in changed
    with pytest.raises(InvalidCertificate, match="Diffie-Hellman"):
        decode_leaf(changed)
    assert public_key(decode(changed)) == slow, "a CA's that nobody needs is carried"
    assert not signed_by(decode(certificate), decode(changed))


def with_key(signed: bytes, key: bytes) -> bytes:
    """Return a request or certificate with another SubjectPublicKeyInfo; its signature no longer fits."""
    first, *rest = items(only(signed, SEQUENCE).content)
    parts = [
        key
        if one.tag == SEQUENCE and (inner := items(one.content) or [one])[-1].tag == 3 and len(inner) == 2
        else one.whole
        for one in items(first.content)
    ]
    return element(SEQUENCE, element(SEQUENCE, b"".join(parts)) + b"".join(one.whole for one in rest))
