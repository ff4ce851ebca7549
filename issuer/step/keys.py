"""A provisioner's key, as a JWK: compared with the public half that the CA names, read, and used. Pure.

A tenant may have written both halves: every number is bounded before anything is reckoned with it.

Sources: RFC 7517 and RFC 7518 section 6 (keys), RFC 7518 section 3 and RFC 8037 (signatures).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from issuer.step.errors import AnotherKey, KeyUnusable
from issuer.x509.keys.private import rsa_numbers_fit

_MAX_JWK: Final = 32 * 1024
_CURVES: Final[dict[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm, str]]] = {
    "P-256": (ec.SECP256R1(), hashes.SHA256(), "ES256"),
    "P-384": (ec.SECP384R1(), hashes.SHA384(), "ES384"),
    "P-521": (ec.SECP521R1(), hashes.SHA512(), "ES512"),
}
_RSA_HASHES: Final = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_MAX_RSA_BITS: Final = 4096
_MAX_EXPONENT: Final = 1 << 32
_MAX_TEXT: Final = 4 * _MAX_RSA_BITS // 8 // 3 + 4  # base64url of the largest number

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class ProvisionerKey:
    """A private key: signs tokens by `algorithm` (a name of JWS). `public` is its public half, as DER."""

    algorithm: str
    public: bytes = field(repr=False)
    _sign: Callable[[bytes], bytes] = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of JWS."""
        return self._sign(data)


def read_private(text: bytes, public: bytes | None) -> ProvisionerKey:
    """Read a private JWK whose public half is `public`, as DER.

    Raises AnotherKey, and KeyUnusable, which repeats nothing of it.
    """
    if len(text) > _MAX_JWK:
        raise KeyUnusable(f"it is larger than {_MAX_JWK} bytes")
    try:
        jwk = orjson.loads(text)
        if not isinstance(jwk, dict):
            raise KeyUnusable("it is no JWK")
        half = _public(jwk)
        if _der(half) != public:
            raise AnotherKey("it is not the provisioner's")
        return _private(jwk, half)
    except (ValueError, TypeError, KeyError, UnsupportedAlgorithm):  # their texts may hold what they read
        raise KeyUnusable(
            "it is no private JWK of a kind that signs tokens (EC on P-256, P-384 or P-521, Ed25519, RSA of "
            f"at most {_MAX_RSA_BITS} bits with its factors p and q)"
        ) from None


def read_public(jwk: Any) -> bytes | None:
    """Return the public half of a JWK as DER, None if it can't be read."""
    try:
        return _der(_public(jwk))
    except (ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm):
        return None


def _private(jwk: dict[str, Any], public: PublicKey) -> ProvisionerKey:
    if isinstance(public, ec.EllipticCurvePublicKey):
        curve, digest, algorithm = _CURVES[jwk["crv"]]
        private = ec.EllipticCurvePrivateNumbers(_number(jwk["d"]), public.public_numbers()).private_key()
        size = (curve.key_size + 7) // 8

        def sign_ec(data: bytes) -> bytes:
            r, s = decode_dss_signature(private.sign(data, ec.ECDSA(digest)))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")

        return ProvisionerKey(algorithm, _der(public), sign_ec)
    if isinstance(public, ed25519.Ed25519PublicKey):
        edwards = ed25519.Ed25519PrivateKey.from_private_bytes(_octets(jwk["d"]))
        if _der(edwards.public_key()) != _der(public):
            raise ValueError("two keys")
        return ProvisionerKey("EdDSA", _der(public), edwards.sign)
    return _private_rsa(jwk, public)


def _private_rsa(jwk: dict[str, Any], public: rsa.RSAPublicKey) -> ProvisionerKey:
    private = _rsa_numbers(jwk, public.public_numbers()).private_key(unsafe_skip_rsa_key_validation=True)
    algorithm = str(jwk.get("alg") or "RS256")
    digest = _RSA_HASHES[algorithm[2:]]
    if algorithm[:2] not in ("RS", "PS"):
        raise ValueError("not RSA's")
    filling: padding.AsymmetricPadding = padding.PKCS1v15()
    if algorithm[:2] == "PS":
        filling = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
    try:
        public.verify(private.sign(b"", filling, digest), b"", filling, digest)
    except (InvalidSignature, InternalError):
        raise ValueError("does not sign") from None
    return ProvisionerKey(algorithm, _der(public), lambda data: private.sign(data, filling, digest))


def _rsa_numbers(jwk: dict[str, Any], numbers: rsa.RSAPublicNumbers) -> rsa.RSAPrivateNumbers:
    """Return the numbers of a private key if they belong together. Raises ValueError, KeyError."""
    d, p, q = (_number(jwk[part]) for part in ("d", "p", "q"))
    if not rsa_numbers_fit(numbers, p, q, d):
        raise ValueError("no factors, or no exponents")
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), numbers)


def _public(jwk: dict[str, Any]) -> PublicKey:
    kind = jwk["kty"]
    if kind == "EC":
        curve = _CURVES[jwk["crv"]][0]
        return ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), curve).public_key()
    if kind == "OKP" and jwk["crv"] == "Ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(_octets(jwk["x"]))
    if kind == "RSA":
        modulus, exponent = _number(jwk["n"]), _number(jwk["e"])
        if modulus.bit_length() > _MAX_RSA_BITS or exponent > _MAX_EXPONENT:
            raise ValueError("too large")
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    raise ValueError("no kind that signs")


def _der(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _number(text: Any) -> int:
    return int.from_bytes(_octets(text), "big")


def _octets(text: Any) -> bytes:
    if not isinstance(text, str) or not text or not text.isascii() or len(text) > _MAX_TEXT:
        raise ValueError("not base64url, or too long")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64url") from None
