"""Parts of CA certificates, and certificates in the answers of Vault. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from issuer.pki.errors import PkiError
from issuer.text import ascii_text
from issuer.x509.encoding.der import certificate_information
from issuer.x509.errors import LIBRARY_ERRORS
from issuer.x509.name_text import name_text

UNDECODABLE: Final = LIBRARY_ERRORS
"""Errors of `cryptography` over what others made: at loading, or later, when a part is looked at."""
SUBJECT_FIELDS: Final = {
    NameOID.ORGANIZATION_NAME: "organization",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "ou",
    NameOID.COUNTRY_NAME: "country",
    NameOID.STATE_OR_PROVINCE_NAME: "province",
    NameOID.LOCALITY_NAME: "locality",
}
"""Keys of a subject in the file, but for the common name."""

Keyed = x509.Certificate | x509.CertificateSigningRequest
"""Statements that name a public key."""


def read_ca(data: Mapping[str, Any], where: str) -> x509.Certificate:
    """Return the certificate of an answer. Raises PkiError."""
    return read_cas([data.get("certificate")], where)[0]


def read_chain(data: Mapping[str, Any], where: str) -> list[x509.Certificate]:
    """Return the chain of an answer, the CA first: its certificate alone without one. Raises PkiError."""
    return read_cas(data.get("ca_chain") or [data.get("certificate")], where)


def read_cas(pems: Iterable[object], where: str) -> list[x509.Certificate]:
    """Return CAs that Vault gives as PEM. Raises PkiError, with the number of one that can't be read."""
    found = []
    for number, pem in enumerate(pems if isinstance(pems, list | tuple) else [pems], 1):
        try:
            found.append(x509.load_pem_x509_certificate(str(pem).encode()))
        except UNDECODABLE as error:
            raise PkiError(f"Certificate {number} of {where} can't be read here: {error}") from error
    return found


def shown_name(certificate: x509.Certificate, *, of_issuer: bool = False) -> str:
    """Return the subject of a CA, or its issuer's name, for people: also one that the library can't read."""
    try:
        return (certificate.issuer if of_issuer else certificate.subject).rfc4514_string()
    except UNDECODABLE:
        found = certificate_information(certificate.tbs_certificate_bytes)
        return ascii_text(name_text(found.issuer if of_issuer else found.subject))


def is_ca(certificate: x509.Certificate) -> bool:
    """Return True if basicConstraints say that it is a CA's. Raises what UNDECODABLE names."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def spki(keyed: Keyed) -> bytes:
    """Return a public key (SubjectPublicKeyInfo) as DER."""
    return keyed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spki_sha256(keyed: Keyed) -> str:
    """Return the SHA-256 of a public key (SubjectPublicKeyInfo, DER) in hex."""
    return hashlib.sha256(spki(keyed)).hexdigest()


def key_kind(certificate: x509.Certificate) -> tuple[str, int]:
    """Return type and bits of a key, in the file's words: 0 bits for ed25519, "other" for a type that it has
    no word for."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ec", key.key_size
    return ("ed25519" if isinstance(key, ed25519.Ed25519PublicKey) else "other"), 0


def serial_text(certificate: x509.Certificate) -> str:
    """Return a serial number in Vault's form, `aa:bb:...`."""
    text = f"{certificate.serial_number:x}"
    text = text.zfill(len(text) + len(text) % 2)
    return ":".join(text[at : at + 2] for at in range(0, len(text), 2))


def path_length(certificate: x509.Certificate) -> int | None:
    """Return the number of CAs that may follow below a certificate; None without a bound."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    except x509.ExtensionNotFound:
        return None


def permitted_names(certificate: x509.Certificate) -> list[str]:
    """Return the DNS names that a certificate's own name constraints permit; none if it names none."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return []
    return [one.value for one in found.permitted_subtrees or () if isinstance(one, x509.DNSName)]
