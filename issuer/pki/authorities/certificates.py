"""Comparison of a CA certificate with the file: what differs needs a new certificate, so a rotation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from issuer.pki.errors import PkiError
from issuer.pki.file.authority import Authority
from issuer.pki.resources.resource import FieldChange
from issuer.x509.errors import LIBRARY_ERRORS

_TOLERANCE: Final = 3600
"""Seconds by which a lifetime may differ: Vault dates certificates back by 30 s, and cuts to its signer's."""
_SUBJECT: Final = (
    ("organization", NameOID.ORGANIZATION_NAME),
    ("ou", NameOID.ORGANIZATIONAL_UNIT_NAME),
    ("country", NameOID.COUNTRY_NAME),
    ("province", NameOID.STATE_OR_PROVINCE_NAME),
    ("locality", NameOID.LOCALITY_NAME),
)


UNDECODABLE: Final = LIBRARY_ERRORS
"""Errors of `cryptography` over what others made: at loading, or later, when a part is looked at."""


def read_cas(pems: Iterable[object], where: str) -> list[x509.Certificate]:
    """Return CAs that Vault gives as PEM. Raises PkiError, with the number of one that can't be read."""
    found = []
    for number, pem in enumerate(pems if isinstance(pems, list | tuple) else [pems], 1):
        try:
            found.append(x509.load_pem_x509_certificate(str(pem).encode()))
        except UNDECODABLE as error:
            raise PkiError(f"Certificate {number} of {where} can't be read here: {error}") from error
    return found


def is_ca(certificate: x509.Certificate) -> bool:
    """Return True if basicConstraints say that it is a CA's. Raises what UNDECODABLE names."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def spki_sha256(certificate: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """Return the SHA-256 of a public key (SubjectPublicKeyInfo, DER) in hex."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def other_key(authority: Authority, keyed: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """Return a sentence if a certificate or request has another key than the file's `spkiSHA256`, else ""."""
    found = spki_sha256(keyed)
    if authority.spki_sha256 in (None, found):
        return ""
    return (
        f"has another key than spkiSHA256 says: {found}. Nothing was made or changed; correct the file, or "
        "find out who replaced the key"
    )


def serial_text(certificate: x509.Certificate) -> str:
    """Return a serial number in Vault's form, `aa:bb:...`."""
    text = f"{certificate.serial_number:x}"
    text = text.zfill(len(text) + len(text) % 2)
    return ":".join(text[at : at + 2] for at in range(0, len(text), 2))


def rotation_needs(authority: Authority, certificate: x509.Certificate) -> Iterator[FieldChange]:
    """Yield what of the file only a new certificate could bring."""
    if authority.imported is not None or authority.existing:
        return
    yield from _subject(authority, certificate)
    yield from _key(authority, certificate)
    lived = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    wanted = authority.lifetime
    if authority.offline is None and wanted is not None:
        seconds = int(lived.total_seconds())
        if abs(seconds - wanted) > _TOLERANCE:
            yield FieldChange("lifetime", f"{round(seconds / 3600)}h", f"{round(wanted / 3600)}h")
    length = path_length(certificate)
    if length != authority.max_path_length:
        yield FieldChange("maxPathLength", length, authority.max_path_length)
    names = permitted_names(certificate)
    if sorted(names) != sorted(authority.permitted_dns_domains):
        yield FieldChange("permittedDNSDomains", list(names), list(authority.permitted_dns_domains))


def _subject(authority: Authority, certificate: x509.Certificate) -> Iterator[FieldChange]:
    subject = authority.subject
    if subject is None:
        return
    names = certificate.subject
    common = [str(one.value) for one in names.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if common != [subject.common_name]:
        yield FieldChange("subject.commonName", ", ".join(common), subject.common_name)
    for field, oid in _SUBJECT:
        found = [str(one.value) for one in names.get_attributes_for_oid(oid)]
        wanted = list(getattr(subject, field))
        if sorted(found) != sorted(wanted):
            yield FieldChange(f"subject.{field}", found, wanted)


def _key(authority: Authority, certificate: x509.Certificate) -> Iterator[FieldChange]:
    key = certificate.public_key()
    kind, bits = "other", 0
    if isinstance(key, rsa.RSAPublicKey):
        kind, bits = "rsa", key.key_size
    elif isinstance(key, ec.EllipticCurvePublicKey):
        kind, bits = "ec", key.key_size
    elif isinstance(key, ed25519.Ed25519PublicKey):
        kind = "ed25519"
    if (kind, bits) != (authority.key.type, authority.key.size):
        yield FieldChange("key", f"{kind} {bits}", f"{authority.key.type} {authority.key.size}")


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
