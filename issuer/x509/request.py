"""Certificate signing requests (PKCS #10, RFC 2986), with their signature verified.

`pem` is written anew from the verified DER, so that nothing around it reaches a CA.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PSS, PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from issuer.x509.contents import Contents, read_contents
from issuer.x509.encoding.der import SEQUENCE, Extension, RequestInformation, items, only, request_information
from issuer.x509.encoding.lenient import strict_form
from issuer.x509.encoding.pem import read_blocks, write_pem
from issuer.x509.errors import LIBRARY_ERRORS, InvalidRequest
from issuer.x509.keys.public import Key, check_type, read_key
from issuer.x509.names import (
    SUBJECT_ALTERNATIVE_NAME,
    Name,
    quiet_subject,
    read_general_names,
    subject_names,
)

MAX_REQUEST_BYTES: Final = 64 * 1024
"""Longest PEM. A 16384-bit RSA request takes about 6 KB, 250 long names about 30 KB more."""

MAX_FIELD: Final = MAX_REQUEST_BYTES * 4 // 3 + 4
"""Characters of `spec.request`: that PEM in base64."""

MAX_ATTRIBUTES: Final = 250
"""Most attributes of a subject; people use ten."""
MAX_EXTENSIONS: Final = 100

_LABELS: Final = frozenset({"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"})


@dataclass(frozen=True, slots=True)
class CertificateSigningRequest:
    """A CSR whose signature is valid.

    `public_key` is DER SubjectPublicKeyInfo. `sans` are the subject alternative names, `names` these and the
    names inside the subject. `extensions` are all requested extensions, raw. `contents` is all that the bytes
    say, spelling and order included, for policies.
    """

    pem: str = field(repr=False)
    public_key: bytes = field(repr=False)
    subject: x509.Name
    names: frozenset[Name]
    sans: frozenset[Name]
    extensions: tuple[Extension, ...] = field(repr=False)
    attributes: tuple[str, ...] = field(repr=False)
    key: Key
    contents: Contents = field(repr=False, compare=False)


def decode_request(field: str) -> CertificateSigningRequest:
    """The request in `spec.request` as JSON holds it: base64 of PEM. Raises InvalidRequest."""
    if len(field) > MAX_FIELD:
        raise _too_large()
    try:
        pem = base64.b64decode(field, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("spec.request is not base64") from error
    return read_request(pem)


def read_request(pem: bytes) -> CertificateSigningRequest:
    """The one request in `pem`, its signature verified. Raises InvalidRequest saying which step failed."""
    der = _only_block(pem)
    request, signed = _parse(der)
    _check_signature(request, signed)
    try:
        information = request_information(signed)
        value = next((e.value for e in information.extensions if e.oid == SUBJECT_ALTERNATIVE_NAME), None)
        sans = read_general_names(value) if value is not None else frozenset()
        _check_count(information)
    except ValueError as error:
        raise InvalidRequest(f"the extensions of the certificate request can't be read: {error}") from error
    try:
        subject = quiet_subject(request)
        names = sans | subject_names(subject)
    except LIBRARY_ERRORS as error:
        raise InvalidRequest("the subject of the certificate request can't be read") from error
    public_key, key = _public_key(request)
    return CertificateSigningRequest(
        pem=write_pem("CERTIFICATE REQUEST", der),
        public_key=public_key,
        subject=subject,
        names=names,
        sans=sans,
        extensions=information.extensions,
        attributes=information.attributes,
        key=key,
        contents=read_contents(information.subject, information.extensions),
    )


def request_contents(pem: str) -> Contents:
    """Return the contents of a request that `read_request` has accepted before; its signature is not verified
    again.

    Raises ValueError.
    """
    signed, *_ = items(only(_only_block(pem.encode()), SEQUENCE).content)
    information = request_information(signed.whole)
    return read_contents(information.subject, information.extensions)


def _only_block(pem: bytes) -> bytes:
    if len(pem) > MAX_REQUEST_BYTES:
        raise _too_large()
    try:
        blocks = read_blocks(pem, limit=2)
    except ValueError as error:
        raise InvalidRequest(f"the certificate request is not PEM: {error}") from error
    if not blocks.found:
        raise InvalidRequest(
            "the certificate request is not PEM: no BEGIN CERTIFICATE REQUEST block is in it"
        )
    if len(blocks.found) != 1:
        raise InvalidRequest(
            "the certificate request holds more than one PEM block; send exactly one request"
        )
    label, der = blocks.found[0]
    if label not in _LABELS:
        raise InvalidRequest(f"the PEM block is a {label}, not a CERTIFICATE REQUEST")
    if blocks.trailing:
        raise InvalidRequest("there is trailing data behind the certificate request; remove it")
    return der


def _parse(der: bytes) -> tuple[x509.CertificateSigningRequest, bytes]:
    """Return the request as the library reads it, and the bytes of `der` that are signed."""
    try:
        request = x509.load_der_x509_csr(der)
    except LIBRARY_ERRORS:
        pass
    else:
        return request, request.tbs_certrequest_bytes
    try:
        strict, signed = strict_form(der)
        return x509.load_der_x509_csr(strict), signed
    except LIBRARY_ERRORS as error:
        raise InvalidRequest("the certificate request can't be parsed as PKCS #10") from error


def _check_signature(request: x509.CertificateSigningRequest, signed: bytes) -> None:
    """Raise InvalidRequest unless the request is signed by its own key.

    It proves no more than that the requester has the key, so SHA-1, which old devices use, will do, as for Go
    and so for Vault and step-ca; the library calls it invalid where it is asked about a whole request.
    """
    try:
        check_type(items(only(request.tbs_certrequest_bytes, SEQUENCE).content)[2].whole)
        algorithm = request.signature_hash_algorithm
        whole = request.tbs_certrequest_bytes == signed and not isinstance(algorithm, hashes.SHA1)
        valid = request.is_signature_valid if whole else _holds(request, signed)
    except LIBRARY_ERRORS as error:
        raise InvalidRequest(
            "the certificate request's key or signature algorithm is not supported"
        ) from error
    if isinstance(algorithm, hashes.MD5):
        raise InvalidRequest("the certificate request is signed by MD5: make it anew, with SHA-256")
    if not valid:
        raise InvalidRequest("the certificate request's signature doesn't verify with its own public key")


def _holds(request: x509.CertificateSigningRequest, signed: bytes) -> bool:
    """Return True if the request's signature is one of these bytes; raises what the library does."""
    key, parameters = request.public_key(), request.signature_algorithm_parameters
    algorithm = request.signature_hash_algorithm
    if parameters is None and isinstance(algorithm, hashes.SHA1):  # the library has none for ecdsa-with-SHA1
        parameters = ec.ECDSA(algorithm)
    try:
        if isinstance(key, rsa.RSAPublicKey) and isinstance(parameters, PKCS1v15 | PSS) and algorithm:
            key.verify(request.signature, signed, parameters, algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(parameters, ec.ECDSA):
            key.verify(request.signature, signed, parameters)
        elif isinstance(key, ed25519.Ed25519PublicKey) and parameters is None:
            key.verify(request.signature, signed)
        else:
            raise UnsupportedAlgorithm("such keys and signatures are read in DER alone")
    except InvalidSignature:
        return False
    return True


def _check_count(information: RequestInformation) -> None:
    """Refuse what would only take time. Raises ValueError."""
    relative_names = items(only(information.subject, SEQUENCE).content)
    if sum(len(items(one.content)) for one in relative_names[: MAX_ATTRIBUTES + 1]) > MAX_ATTRIBUTES:
        raise ValueError(f"the subject has more than {MAX_ATTRIBUTES} attributes")
    if len(information.extensions) > MAX_EXTENSIONS:
        raise ValueError(f"there are more than {MAX_EXTENSIONS} extensions")


def _public_key(request: x509.CertificateSigningRequest) -> tuple[bytes, Key]:
    try:
        key = request.public_key()
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), read_key(key)
    except LIBRARY_ERRORS as error:
        raise InvalidRequest("the certificate request's public key can't be read") from error


def _too_large() -> InvalidRequest:
    return InvalidRequest(f"the certificate request is larger than {MAX_REQUEST_BYTES} bytes")
