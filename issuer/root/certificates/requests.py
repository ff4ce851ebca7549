"""Requests to a root: CSRs of CAs, and certificates of other roots. Read, and what is refused.

Nothing of a CSR but subject and key is signed; so an extension that asks for more than a CA gets is no
danger, but a sign that another certificate is wanted, and a person decides. Another root's certificate is
signed by its own key, as a CSR is; of it name, key, key identifier and name constraints are taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_public_key

from issuer.root.certificates.constraints import constraints_of
from issuer.root.certificates.keys import PublicKey
from issuer.root.errors import RootRefusal
from issuer.root.reasons import RefusalReason
from issuer.x509.certificates import basic_constraints
from issuer.x509.chains.links import signed_by
from issuer.x509.errors import LIBRARY_ERRORS, InvalidRequest
from issuer.x509.extensions import (
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    SUBJECT_KEY_IDENTIFIER,
    asked_constraints,
    read_key_usage,
)
from issuer.x509.request import CertificateSigningRequest, read_request
from issuer.x509.usages import CERT_SIGN, CRL_SIGN

DIGITAL_SIGNATURE: Final = "digital signature"
_USAGES: Final = frozenset({CERT_SIGN, CRL_SIGN, DIGITAL_SIGNATURE, "signing"})
_NAMES: Final = {
    "2.5.29.17": "subjectAltName",
    "2.5.29.30": "nameConstraints",
    "2.5.29.32": "certificatePolicies",
    "2.5.29.37": "extendedKeyUsage",
    BASIC_CONSTRAINTS: "basicConstraints",
    KEY_USAGE: "keyUsage",
}


@dataclass(frozen=True, slots=True)
class CARequest:
    """A CSR of a CA whose signature is valid, or another root's certificate (`is_root`), to be cross-signed.

    `path_length` is what it asks for, None if it doesn't say. `digital_signature`: it asks for that usage.
    `key_id` is the identifier by which CAs below a root name its key, None for the usual one.
    """

    subject: x509.Name
    key: PublicKey = field(repr=False)
    path_length: int | None
    digital_signature: bool
    is_root: bool = False
    key_id: bytes | None = None
    constraints: x509.NameConstraints | None = None


def read_ca_request(pem: bytes, ignored: Collection[str] = ()) -> CARequest:
    """Return the CSR of a CA, or another root in place of one. `ignored` are extensions, by name or OID, that
    may stand in a CSR for nothing.

    Raises RootRefusal with everything in it that no CA's request should have.
    """
    if b"CERTIFICATE-----" in pem:
        return _root_request(pem)
    try:
        request = read_request(pem)
        problems = [*_subject(request), *_extensions(request, frozenset(ignored))]
        asked = asked_constraints(request.extensions)
        usage = next((one.value for one in request.extensions if one.oid == KEY_USAGE), None)
        usages = frozenset[str]() if usage is None else read_key_usage(usage)
    except (InvalidRequest, ValueError) as error:
        raise RootRefusal(RefusalReason.REQUEST, f"The CSR can't be used: {error}.") from error
    key = load_der_public_key(request.public_key)
    if not isinstance(key, PublicKey):
        problems.append("its key is neither RSA, EC nor Ed25519")
    elif request.public_key not in x509.load_pem_x509_csr(request.pem.encode()).tbs_certrequest_bytes:
        # As RSA-PSS, or with a curve's parameters: the certificate would spell it otherwise than the CSR,
        # and its SHA-256 would not be the one that is read aloud where the CSR was made.
        problems.append(
            "its key is restricted to RSA-PSS, or has a curve written out; make a plain RSA key, or an EC "
            "key on a named curve"
        )
    if problems or not isinstance(key, PublicKey):
        raise RootRefusal(RefusalReason.REQUEST, "The CSR is refused: " + "; ".join(problems) + ".")
    length = None if asked is None else asked.path_length
    return CARequest(request.subject, key, length, DIGITAL_SIGNATURE in usages)


def _root_request(pem: bytes) -> CARequest:
    """Return another root whose signature by its own key is valid. Raises RootRefusal."""
    try:
        (root,) = x509.load_pem_x509_certificates(pem)
        problems = list(_root_problems(root))
        found = [one.value for one in root.extensions]
        key_id = next((one.digest for one in found if isinstance(one, x509.SubjectKeyIdentifier)), None)
        constraints = constraints_of(root)
    except (ValueError, *LIBRARY_ERRORS) as error:
        message = "The file is neither a CSR nor the certificate of one root, PEM, that can be read."
        raise RootRefusal(RefusalReason.REQUEST, message) from error
    key = root.public_key()
    if problems or not isinstance(key, PublicKey):
        told = "; ".join(problems or ["its key is neither RSA, EC nor Ed25519"])
        raise RootRefusal(RefusalReason.REQUEST, f"The certificate can't be cross-signed: {told}.")
    return CARequest(root.subject, key, None, False, True, key_id, constraints)


def _root_problems(root: x509.Certificate) -> Iterator[str]:
    if not signed_by(root, root):
        yield "it isn't signed by its own key, so it is no root; have the CA itself make a CSR"
    constraints = basic_constraints(root)
    if root.version is not x509.Version.v3 or constraints is None or not constraints.ca:
        yield "it is no CA's (basicConstraints)"
    if constraints is not None and constraints.path_length == 0:
        yield "its path length is 0, so it signs no CA that needs it"


def _subject(request: CertificateSigningRequest) -> Iterator[str]:
    if not list(request.subject):
        yield "it has no subject"
    for defect in request.contents.defects:
        yield f"its {defect.place[0]} {defect.problem}"


def _extensions(request: CertificateSigningRequest, ignored: frozenset[str]) -> Iterator[str]:
    for one in request.extensions:
        name = _NAMES.get(one.oid, one.oid)
        if one.oid in ignored or name in ignored or one.oid == SUBJECT_KEY_IDENTIFIER:
            continue
        if one.oid == BASIC_CONSTRAINTS:
            asked = asked_constraints(request.extensions)
            if asked is not None and not asked.ca:
                yield "it asks for no CA (basicConstraints CA:FALSE): it is that of a server or client"
        elif one.oid == KEY_USAGE:
            more = read_key_usage(one.value) - _USAGES
            if more:
                yield f"it asks for usages that no CA needs: {', '.join(sorted(more))}"
        else:
            yield (
                f"it asks for the extension {name}, which a CA doesn't get; make the CSR without it, or "
                f"sign without it by --ignore-extension {name}"
            )
