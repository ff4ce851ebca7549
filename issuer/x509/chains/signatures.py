"""Signatures of certificates, verified from their bytes where the cryptography library does not.

For CAs that the library can't decode, and for roots that signed themselves by SHA-1 or MD5: that proves
nothing of a root (RFC 5280 section 6.1 doesn't look at it), it only tells a root from a CA that was signed by
another key of the same name.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from issuer.x509.encoding.der import INTEGER, OID, SEQUENCE, Item, items, only, read_oid
from issuer.x509.errors import LIBRARY_ERRORS
from issuer.x509.keys.public import check_type

_RSA: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "1.2.840.113549.1.1.11": hashes.SHA256,
    "1.2.840.113549.1.1.12": hashes.SHA384,
    "1.2.840.113549.1.1.13": hashes.SHA512,
    "1.2.840.113549.1.1.4": hashes.MD5,
    "1.2.840.113549.1.1.5": hashes.SHA1,
    "1.3.14.3.2.29": hashes.SHA1,
}
_ECDSA: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "1.2.840.10045.4.3.2": hashes.SHA256,
    "1.2.840.10045.4.3.3": hashes.SHA384,
    "1.2.840.10045.4.3.4": hashes.SHA512,
    "1.2.840.10045.4.1": hashes.SHA1,
}
_OLD: Final = {oid for oid, digest in (_RSA | _ECDSA).items() if digest in (hashes.MD5, hashes.SHA1)}
_PSS: Final = "1.2.840.113549.1.1.10"
_KEYS: Final[dict[str, type]] = {
    **dict.fromkeys((*_RSA, _PSS), rsa.RSAPublicKey),
    **dict.fromkeys(_ECDSA, ec.EllipticCurvePublicKey),
    "1.3.101.112": ed25519.Ed25519PublicKey,
    "1.3.101.113": ed448.Ed448PublicKey,
}
_PSS_HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256,
    "2.16.840.1.101.3.4.2.2": hashes.SHA384,
    "2.16.840.1.101.3.4.2.3": hashes.SHA512,
}
_LONGEST_SALT: Final = 512


class Signature(NamedTuple):
    """A signature: the bytes that were signed, its AlgorithmIdentifier, and the signature itself."""

    signed: bytes
    algorithm: bytes
    value: bytes


def read_signature(certificate: bytes) -> Signature:
    """The signature of a certificate's DER. Raises ValueError."""
    signed, algorithm, value = items(only(certificate, SEQUENCE).content)
    if not value.content or value.content[0]:
        raise ValueError("the signature is not a whole number of octets")
    return Signature(signed.whole, algorithm.whole, value.content[1:])


def is_made_by(signature: Signature, public_key_info: bytes, *, old: bool) -> bool | None:
    """Return True if the key (SubjectPublicKeyInfo) made the signature; None if that can't be told here.

    `old` admits SHA-1 and MD5, which prove nothing any more.
    """
    try:
        algorithm, *parameters = items(only(signature.algorithm, SEQUENCE).content)
        oid = read_oid(only(algorithm.whole, OID).content)
        check_type(public_key_info)
        key = load_der_public_key(public_key_info)
        wanted = _KEYS.get(oid)
        if wanted is None or (oid in _OLD and not old):
            return None
        if not isinstance(key, wanted):
            return False
        _verify(key, signature, oid, parameters)
    except InvalidSignature:
        return False
    except LIBRARY_ERRORS:
        return None
    return True


def _verify(key: object, signature: Signature, oid: str, parameters: list[Item]) -> None:
    value, signed = signature.value, signature.signed
    if isinstance(key, rsa.RSAPublicKey):
        if oid == _PSS:
            digest, salt = _pss(parameters)
            key.verify(value, signed, padding.PSS(padding.MGF1(digest), salt), digest)
        else:
            key.verify(value, signed, padding.PKCS1v15(), _RSA[oid]())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(value, signed, ec.ECDSA(_ECDSA[oid]()))
    elif isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        key.verify(value, signed)
    else:
        raise TypeError("a key of another kind")


def _pss(parameters: list[Item]) -> tuple[hashes.HashAlgorithm, int]:
    """Hash and salt length (RFC 4055 section 3.1); the mask must be made by the same hash."""
    found = {item.tag: item.content for item in items(parameters[0].content)} if parameters else {}
    digest = read_oid(items(only(found.get(0xA0, b""), SEQUENCE).content)[0].content)
    mask = items(only(found.get(0xA1, b""), SEQUENCE).content)
    salt = int.from_bytes(only(found.get(0xA2, b"\x02\x01\x14"), INTEGER).content, "big", signed=True)
    if items(mask[1].content)[0].content != items(only(found[0xA0], SEQUENCE).content)[0].content:
        raise ValueError("the mask is made by another hash")
    if digest not in _PSS_HASHES or not 0 <= salt <= _LONGEST_SALT:
        raise ValueError("the parameters of the signature are not usual ones")
    return _PSS_HASHES[digest](), salt
