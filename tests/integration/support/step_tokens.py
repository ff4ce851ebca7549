"""One-time tokens for step-ca, made from its documentation and none of our code."""

from __future__ import annotations

import json
import time
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

_LIFE = 300  # seconds, as step-ca's own client takes


def decrypted_key(encrypted: str, password: str) -> dict[str, Any]:
    """The JWK inside a compact JWE of PBES2-HS256+A128KW and A256GCM (RFC 7518, 4.8 and 5.3)."""
    head, wrapped, nonce, body, tag = encrypted.split(".")
    header = json.loads(_decode(head))
    assert (header["alg"], header["enc"]) == ("PBES2-HS256+A128KW", "A256GCM")
    salt = header["alg"].encode() + b"\0" + _decode(header["p2s"])
    derived = PBKDF2HMAC(hashes.SHA256(), 16, salt, header["p2c"]).derive(password.encode())
    key = AESGCM(aes_key_unwrap(derived, _decode(wrapped)))
    jwk: dict[str, Any] = json.loads(key.decrypt(_decode(nonce), _decode(body) + _decode(tag), head.encode()))
    return jwk


def token(jwk: dict[str, Any], provisioner: str, audience: str, *names: str, **changed: Any) -> str:
    """An ES256 token for a CSR with these names, the first of which is its subject; `changed` are claims."""
    now = int(time.time())
    claims = {
        "iss": provisioner,
        "aud": audience,
        "sub": names[0],
        "sans": list(names),
        "jti": uuid.uuid4().hex,
        "iat": now,
        "nbf": now,
        "exp": now + _LIFE,
        **changed,
    }
    signed = ".".join(
        _encode(json.dumps(part).encode())
        for part in ({"alg": "ES256", "kid": jwk["kid"], "typ": "JWT"}, claims)
    )
    numbers = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP256R1())
    key = ec.EllipticCurvePrivateNumbers(_number(jwk["d"]), numbers).private_key()
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_encode(r.to_bytes(32) + s.to_bytes(32))}"


def _number(text: str) -> int:
    return int.from_bytes(_decode(text))


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
