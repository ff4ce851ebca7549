"""Comparison of a CA certificate with the file: what differs needs a new certificate, so a rotation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from issuer.pki.authorities.parts import (
    SUBJECT_FIELDS,
    Keyed,
    key_kind,
    path_length,
    permitted_names,
    spki_sha256,
)
from issuer.pki.file.authority import Authority
from issuer.pki.resources.resource import FieldChange

_TOLERANCE: Final = 3600
"""Seconds by which a lifetime may differ: Vault dates certificates back by 30 s, and cuts to its signer's."""


def other_key(authority: Authority, keyed: Keyed) -> str:
    """Return a sentence if a certificate or request has another key than the file's `spkiSHA256`, else ""."""
    found = spki_sha256(keyed)
    if authority.spki_sha256 in (None, found):
        return ""
    return (
        f"has another key than spkiSHA256 says: {found}. Nothing was made or changed; correct the file, or "
        "find out who replaced the key"
    )


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
    for oid, field in SUBJECT_FIELDS.items():
        found = [str(one.value) for one in names.get_attributes_for_oid(oid)]
        wanted = list(getattr(subject, field))
        if sorted(found) != sorted(wanted):
            yield FieldChange(f"subject.{field}", found, wanted)


def _key(authority: Authority, certificate: x509.Certificate) -> Iterator[FieldChange]:
    kind, bits = key_kind(certificate)
    if (kind, bits) != (authority.key.type, authority.key.size):
        yield FieldChange("key", f"{kind} {bits}", f"{authority.key.type} {authority.key.size}")
