"""OCSP requests, and the signatures of answers (RFC 6960). Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from issuer.x509.chains.links import signed_by


def ocsp_request(authority: x509.Certificate, serial: int) -> bytes:
    """Return an OCSP request for a serial number of a CA, DER.

    SHA-1 names the CA there, as every responder knows it (RFC 6960); it protects nothing.
    """
    public = x509.SubjectKeyIdentifier.from_public_key(authority.public_key()).digest
    name = hashlib.sha1(authority.subject.public_bytes(), usedforsecurity=False).digest()
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name, public, serial, SHA1())  # noqa: S303
    return builder.build().public_bytes(Encoding.DER)


def is_answered_by(response: ocsp.OCSPResponse, authority: x509.Certificate, now: datetime) -> bool:
    """Return True if the CA signed an answer, or a responder that it lets do so now (RFC 6960, 4.2.2.2)."""
    signed = (one for one in response.certificates if signed_by(one, authority))
    delegates = [one for one in signed if _may_answer(one) and now < one.not_valid_after_utc]
    return any(_verifies(response, one.public_key()) for one in (authority, *delegates))


def _may_answer(certificate: x509.Certificate) -> bool:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usages


def _verifies(response: ocsp.OCSPResponse, key: Any) -> bool:
    signed, signature = response.tbs_response_bytes, response.signature
    try:
        hashed = response.signature_hash_algorithm
        if isinstance(key, rsa.RSAPublicKey) and hashed is not None:
            key.verify(signature, signed, padding.PKCS1v15(), hashed)
        elif isinstance(key, ec.EllipticCurvePublicKey) and hashed is not None:
            key.verify(signature, signed, ec.ECDSA(hashed))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
