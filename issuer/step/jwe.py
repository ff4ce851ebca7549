"""A provisioner's key encrypted under a password, as a JWE. Pure.

step-ca keeps it in the compact form, and `step crypto jwk create` writes it as JSON; step-issuer's library
reads both.

Sources: RFC 7516 section 5.2 (decryption) and 7.2.2 (flattened JSON), RFC 7518 section 4.8 (PBES2) and 5.3
(AES GCM). step-ca writes PBES2-HS256+A128KW with A256GCM and 600,000 iterations, which take 0.16 s.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from issuer.step.errors import KeyUnusable, WrongPassword

MAX_BYTES: Final = 32 * 1024
"""The most bytes of a JWE: step-ca's are about 600, of an RSA key 3 KiB."""
MAX_ITERATIONS: Final = 1_000_000
"""The most PBKDF2 iterations: about a quarter of a second. Who serves the key sets them."""
MIN_ITERATIONS: Final = 1_000  # RFC 7518, section 4.8.1.2
_MAX_SALT: Final = 256
_WRAPS: Final[dict[str, tuple[hashes.HashAlgorithm, int]]] = {
    "PBES2-HS256+A128KW": (hashes.SHA256(), 16),
    "PBES2-HS384+A192KW": (hashes.SHA384(), 24),
    "PBES2-HS512+A256KW": (hashes.SHA512(), 32),
}
_PARTS: Final = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
_CONTENT_KEYS: Final = {"A128GCM": 16, "A192GCM": 24, "A256GCM": 32}


@dataclass(frozen=True, slots=True)
class EncryptedKey:
    """The parts of a JWE whose header was understood."""

    protected: str
    algorithm: str
    iterations: int
    salt: bytes
    content_key_size: int
    wrapped: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> EncryptedKey:
        """Read a JWE, compact or as JSON. Raises KeyUnusable for what is none, or asks for too much work."""
        if len(text) > MAX_BYTES:
            raise KeyUnusable(f"it is larger than {MAX_BYTES} bytes")
        parts = _parts(text)
        try:
            header = orjson.loads(_decoded(parts[0]))
            wrapped, nonce, ciphertext, tag = map(_decoded, parts[1:])
        except ValueError as error:
            raise KeyUnusable("it is no JWE: a part of it can't be decoded") from error
        if not isinstance(header, dict) or "zip" in header or "crit" in header:
            raise KeyUnusable("its header is none of a provisioner's key")
        algorithm, iterations, salt, size = _header(header)
        return cls(parts[0], algorithm, iterations, salt, size, wrapped, nonce, ciphertext + tag)

    def decrypt(self, password: bytes) -> bytes:
        """Return what is encrypted. Raises WrongPassword. Takes a tenth of a second and more."""
        digest, size = _WRAPS[self.algorithm]
        derived = PBKDF2HMAC(digest, size, self.algorithm.encode() + b"\0" + self.salt, self.iterations)
        try:
            key = aes_key_unwrap(derived.derive(password), self.wrapped)
            if len(key) != self.content_key_size:
                raise WrongPassword("the password does not open it")
            return AESGCM(key).decrypt(self.nonce, self.ciphertext, self.protected.encode())
        except (InvalidUnwrap, InvalidTag, ValueError) as error:
            raise WrongPassword("the password does not open it") from error


def is_json(text: str) -> bool:
    """Return True for a JWE as JSON, and False for a JWK, which begins like one."""
    return len(text) <= MAX_BYTES and "ciphertext" in (_json(text) or {})


def _parts(text: str) -> list[str]:
    """Return header, wrapped key, nonce, ciphertext and tag, each in base64url. Raises KeyUnusable."""
    found = _json(text)
    if found is not None:
        if not found.keys() <= {*_PARTS}:
            raise KeyUnusable("it is a JWE as JSON with more than one recipient, or with open headers")
        texts = [part for part in map(found.get, _PARTS) if isinstance(part, str)]
        if len(texts) < len(_PARTS):
            raise KeyUnusable("it is a JWE as JSON that lacks a part")
        return texts
    packed = "".join(text.split())  # as step-issuer's library does: some fold it into lines
    parts = packed.split(".")
    if len(parts) == len(_PARTS):
        return parts
    if _is_wrapped(packed):
        raise KeyUnusable("it is a JWE in base64: decode it once more, and store what comes out")
    raise KeyUnusable("it is neither a compact JWE of five parts nor one as JSON")


def _json(text: str) -> dict[str, Any] | None:
    """Return a JSON object, None for what is none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _is_wrapped(packed: str) -> bool:
    try:
        inner = base64.b64decode(packed, validate=True)
    except ValueError:
        return False
    return inner.startswith(b"{") or inner.count(b".") == len(_PARTS) - 1


def _header(header: dict[str, Any]) -> tuple[str, int, bytes, int]:
    algorithm, encryption, iterations = header.get("alg"), header.get("enc"), header.get("p2c")
    if algorithm not in _WRAPS or encryption not in _CONTENT_KEYS:
        raise KeyUnusable(
            f"it is encrypted otherwise than by {', '.join(_WRAPS)} with {', '.join(_CONTENT_KEYS)}"
        )
    if type(iterations) is not int or not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
        raise KeyUnusable(f"its iterations (p2c) are not from {MIN_ITERATIONS} to {MAX_ITERATIONS}")
    try:
        salt = _decoded(header.get("p2s", ""))
    except ValueError as error:
        raise KeyUnusable("its salt (p2s) can't be decoded") from error
    if not 8 <= len(salt) <= _MAX_SALT:
        raise KeyUnusable("its salt (p2s) is too short or too long")
    return algorithm, iterations, salt, _CONTENT_KEYS[encryption]


def _decoded(part: object) -> bytes:
    """Return base64url without padding, decoded. Raises ValueError."""
    if not isinstance(part, str) or not part.isascii():
        raise ValueError("not base64url")
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
