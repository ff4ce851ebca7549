"""Private keys of a root: made, read in every PEM that OpenSSL writes, and encrypted for keeping.

Keys are kept as PKCS #8, encrypted by PBES2 with scrypt and AES-256-CBC (RFC 7914, RFC 8018). The library's
`BestAvailableEncryption` takes PBKDF2 with 2,048 rounds (cryptography 50), which a graphics card tries
millions of times a second; its builder can't say otherwise for PKCS #8. OpenSSL reads both.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from issuer.root.errors import RootRefusal
from issuer.root.reasons import RefusalReason
from issuer.x509.encoding.der import INTEGER, OCTET_STRING, OID, SEQUENCE, element
from issuer.x509.encoding.pem import write_pem
from issuer.x509.keys.public import read_key

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

SCRYPT_N: Final = 1 << 14
"""CPU and memory cost: 16 MiB with r = 8, the most below the 32 MiB that OpenSSL's reader takes."""
SCRYPT_R: Final = 8
SCRYPT_P: Final = 8
"""Parallel cost: with it the work is more than OWASP's N=2^14, r=8, p=5. A try takes about 0.3 s."""
SHORTEST_PASSPHRASE: Final = 12
"""Characters of each passphrase: the file may be stolen, and then only the passphrase is in the way."""
LONGEST_PASSPHRASE: Final = 500
"""Bytes of each passphrase: OpenSSL reads 1,023 bytes, for two of them and a colon."""

_PBES2_OID: Final = bytes.fromhex("2a864886f70d01050d")
_SCRYPT_OID: Final = bytes.fromhex("2b06010401da47040b")
_AES_256_CBC_OID: Final = bytes.fromhex("60864801650304012a")
_KEY: Final = re.compile(rb"-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)


class KeyKind(StrEnum):
    """Kinds of key that a new root can have."""

    EC_P384 = "ec-p384"
    RSA_4096 = "rsa-4096"


class Passphrase:
    """The passphrase of a key, from one person or several; no repr shows it.

    Several are joined by a colon in their order, so that OpenSSL can open the key without this command:
    each person knows one part, and no part alone opens it.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = tuple(parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __repr__(self) -> str:
        return "(secret)"

    __str__ = __repr__

    @property
    def text(self) -> bytes:
        """The whole of it in UTF-8."""
        return ":".join(self._parts).encode()

    def check(self) -> None:
        """Raise RootRefusal if a part is too short, too long, given twice, or can't be typed for OpenSSL."""
        for number, part in enumerate(self._parts, 1):
            whose = f"passphrase {number}" if len(self._parts) > 1 else "the passphrase"
            if len(part) < SHORTEST_PASSPHRASE:
                raise _bad(f"{whose} is shorter than {SHORTEST_PASSPHRASE} characters; take several words")
            if not part.isprintable():
                raise _bad(f"{whose} holds a control character, or a mark that an editor wrote before it")
            if len(part.encode()) > LONGEST_PASSPHRASE:
                raise _bad(f"{whose} is longer than {LONGEST_PASSPHRASE} bytes; OpenSSL couldn't read it")
        if len(set(self._parts)) != len(self._parts):
            raise _bad("both passphrases are the same; each person takes one of their own")


def make_key(kind: KeyKind) -> PrivateKey:
    """Return a new key."""
    if kind is KeyKind.RSA_4096:
        return rsa.generate_private_key(public_exponent=65_537, key_size=4096)
    return ec.generate_private_key(ec.SECP384R1())


def encrypted_pem(key: PrivateKey, passphrase: Passphrase) -> str:
    """Return the key as an encrypted PKCS #8 block."""
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    salt, vector = secrets.token_bytes(16), secrets.token_bytes(16)
    derived = Scrypt(salt=salt, length=32, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).derive(passphrase.text)
    padder = PKCS7(128).padder()
    encryptor = Cipher(AES256(derived), CBC(vector)).encryptor()
    secret = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    costs = b"".join(map(_integer, (SCRYPT_N, SCRYPT_R, SCRYPT_P)))
    derivation = _algorithm(_SCRYPT_OID, element(SEQUENCE, element(OCTET_STRING, salt) + costs))
    cipher = _algorithm(_AES_256_CBC_OID, element(OCTET_STRING, vector))
    scheme = _algorithm(_PBES2_OID, element(SEQUENCE, derivation + cipher))
    return write_pem("ENCRYPTED PRIVATE KEY", element(SEQUENCE, scheme + element(OCTET_STRING, secret)))


def read_private_key(pem: bytes, passphrase: Passphrase | None) -> PrivateKey:
    """Return the one key in a PEM text: PKCS #8, PKCS #1 or SEC 1, encrypted or not.

    Raises RootRefusal for a wrong passphrase, and for anything that is no usable key.
    """
    found = [match.group(0) for match in _KEY.finditer(pem)]
    if len(found) != 1:
        raise _unreadable(f"it holds {'no' if not found else 'more than one'} private key in PEM")
    encrypted = b"ENCRYPTED" in found[0]
    if encrypted and passphrase is None:
        raise RootRefusal(RefusalReason.WRONG_PASSPHRASE, "The key is encrypted; give its passphrase.")
    try:
        key = load_pem_private_key(found[0], passphrase.text if encrypted and passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's own words tell no more, and a chain of exceptions could show the file.
        if encrypted:
            message = "The key can't be decrypted: the passphrase is wrong, or the file is damaged."
            raise RootRefusal(RefusalReason.WRONG_PASSPHRASE, message) from None
        raise _unreadable("it can't be read; convert it by openssl pkcs8 -topk8") from None
    if not isinstance(key, PrivateKey):
        raise _unreadable("it is neither RSA, EC nor Ed25519")
    return key


def is_encrypted(pem: bytes) -> bool:
    """Return True if a passphrase is needed to read the key."""
    return any(b"ENCRYPTED" in match.group(0) for match in _KEY.finditer(pem))


def public_der(key: PublicKey) -> bytes:
    """Return the SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def digest_of(key: PrivateKey | PublicKey) -> hashes.HashAlgorithm | None:
    """Return the digest that signatures by this key take: as strong as its curve; none for Ed25519."""
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        if key.curve.key_size > 384:
            return hashes.SHA512()
        return hashes.SHA256() if key.curve.key_size < 384 else hashes.SHA384()
    return hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) else None


def sign_bytes(key: PrivateKey, data: bytes) -> bytes:
    """Return a signature of `data`."""
    digest = digest_of(key)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(digest or hashes.SHA384()))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, PKCS1v15(), digest or hashes.SHA256())
    return key.sign(data)


def has_signed(key: PublicKey, signature: bytes, data: bytes) -> bool:
    """Return True if `signature` is one of `data` by this key."""
    digest = digest_of(key)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(digest or hashes.SHA384()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, PKCS1v15(), digest or hashes.SHA256())
        else:
            key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def key_text(key: PublicKey) -> str:
    """Return the kind and size of a key in words, such as "ECDSA 384"."""
    found = read_key(key)
    return f"{found.algorithm or 'unknown'} {found.size}" if found.size > 0 else found.algorithm


def _algorithm(oid: bytes, parameters: bytes) -> bytes:
    return element(SEQUENCE, element(OID, oid) + parameters)


def _integer(value: int) -> bytes:
    return element(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _bad(problem: str) -> RootRefusal:
    return RootRefusal(RefusalReason.WRONG_PASSPHRASE, f"Refused: {problem}.")


def _unreadable(problem: str) -> RootRefusal:
    return RootRefusal(RefusalReason.UNREADABLE, f"The private key can't be used: {problem}.")
