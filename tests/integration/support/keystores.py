"""Reads Java keystores (JKS), as cert-manager writes them beside PKCS#12, without Java.

Source: the layout and the two home-made algorithms (integrity and key protection) as OpenJDK's
sun.security.provider.JavaKeyStore and KeyProtector define them.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12PrivateKeyTypes

_MAGIC = 0xFEEDFEED
_KEY, _TRUSTED = 1, 2
_SHA1 = 20


@dataclass(frozen=True, slots=True)
class JavaKeystore:
    """Chains and decrypted keys by alias, and trusted certificates by alias."""

    keys: dict[str, tuple[PKCS12PrivateKeyTypes, list[x509.Certificate]]]
    trusted: dict[str, x509.Certificate]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, form: str) -> int:
        """One big-endian number of a `struct` form."""
        return int(struct.unpack(f">{form}", self.take(struct.calcsize(form)))[0])

    def take(self, count: int) -> bytes:
        """So many bytes."""
        self._at += count
        return self._data[self._at - count : self._at]

    def text(self) -> str:
        """A string after its length."""
        return self.take(self.number("H")).decode()

    def certificate(self) -> x509.Certificate:
        """A certificate after its type and length."""
        assert self.text() in {"X.509", "X509"}  # cert-manager writes the second
        return x509.load_der_x509_certificate(self.take(self.number("I")))


def read_jks(data: bytes, password: str) -> JavaKeystore:
    """A keystore whose integrity holds with the password. Raises AssertionError."""
    secret = password.encode("utf-16-be")
    body, digest = data[:-_SHA1], data[-_SHA1:]
    assert hashlib.sha1(secret + b"Mighty Aphrodite" + body).digest() == digest, "another password or altered"
    reader = _Reader(body)
    assert (reader.number("I"), reader.number("I")) == (_MAGIC, 2)
    found = JavaKeystore({}, {})
    for _ in range(reader.number("I")):
        kind, alias, _ = reader.number("I"), reader.text(), reader.number("Q")
        if kind == _TRUSTED:
            found.trusted[alias] = reader.certificate()
            continue
        assert kind == _KEY
        key = _decrypted(reader.take(reader.number("I")), secret)
        found.keys[alias] = (key, [reader.certificate() for _ in range(reader.number("I"))])
    return found


def _decrypted(protected: bytes, secret: bytes) -> PKCS12PrivateKeyTypes:
    _, content = _tlv(protected)  # an algorithm, then an octet string of salt, ciphertext and check
    algorithm_end, _ = _tlv(content)
    _, inner = _tlv(content[algorithm_end:])
    salt, cipher, check = inner[:_SHA1], inner[_SHA1:-_SHA1], inner[-_SHA1:]
    stream, block = b"", salt
    while len(stream) < len(cipher):
        block = hashlib.sha1(secret + block).digest()
        stream += block
    plain = bytes(one ^ other for one, other in zip(cipher, stream, strict=False))
    assert hashlib.sha1(secret + plain).digest() == check
    return load_der_private_key(plain, None)  # type: ignore[return-value]


def _tlv(data: bytes) -> tuple[int, bytes]:
    """End and content of the first DER element."""
    length, at = data[1], 2
    if length & 0x80:
        at += length & 0x7F
        length = int.from_bytes(data[2:at])
    return at + length, data[at : at + length]
