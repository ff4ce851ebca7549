"""Certificates of files that an apply would import: shown to who reviews the plan, and part of its SHA-256.

Pure. Keys that are in the files don't get here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.pki.authorities.bundles import BadBundle, certificates_of
from issuer.pki.authorities.parts import spki_sha256
from issuer.pki.errors import OtherAuthority
from issuer.pki.file.authority import Authority
from issuer.pki.plan.step import PkiStep
from issuer.pki.resources.resource import FieldChange
from issuer.text import rfc3339

Chains = Mapping[str, Sequence[x509.Certificate]]
"""Certificates of bundles that are there, by authority: the CA first, then those above it."""
Brought = Mapping[str, bytes]
"""Files that an offline CA gave back and that are there, by authority."""


def files_sha256(steps: Collection[PkiStep], chains: Chains, brought: Brought) -> str:
    """Return the SHA-256, in hex, of the certificates that these steps import."""
    digest = hashlib.sha256()
    for step in steps:
        if not (step.authority and step.action.applies):
            continue
        content = b"".join(one.public_bytes(Encoding.DER) for one in chains.get(step.authority, ()))
        content += brought.get(step.authority, b"")
        digest.update(f"{step.authority} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def shown_certificate(chain: Sequence[x509.Certificate]) -> tuple[FieldChange, ...]:
    """Return what a reviewer knows a CA by, and the subjects of those above it; none without a chain."""
    if not chain:
        return ()
    certificate = chain[0]
    facts = {
        "subject": certificate.subject.rfc4514_string(),
        "SHA-256": certificate.fingerprint(hashes.SHA256()).hex(),
        "spkiSHA256": spki_sha256(certificate),
        "notAfter": rfc3339(certificate.not_valid_after_utc),
        "chain": [one.subject.rfc4514_string() for one in chain[1:]],
    }
    return tuple(FieldChange(name, None, value) for name, value in facts.items() if value)


def brought_certificates(content: bytes) -> list[x509.Certificate]:
    """Return the certificates of a file that an offline CA gave back, one that signed none of the others
    first; none if they can't be read, which the apply says."""
    try:
        found = certificates_of(content)
    except BadBundle:
        return []
    signers = {one.issuer for one in found if one.issuer != one.subject}
    return sorted(found, key=lambda one: one.subject in signers or one.issuer == one.subject)


def renewed(
    mount: str, name: str, standing: x509.Certificate, given: Sequence[x509.Certificate]
) -> tuple[tuple[FieldChange, ...], str]:
    """Return what differs in the certificate that a file has for the key of a CA that stands, and a note.

    Vault's own certificate counts as the newer one if it ends later: there is only the note then.
    """
    own = spki_sha256(standing)
    for one in given:
        if one == standing or spki_sha256(one) != own:
            continue
        ends = (rfc3339(standing.not_valid_after_utc), rfc3339(one.not_valid_after_utc))
        if one.not_valid_after_utc < standing.not_valid_after_utc:
            return (
                (),
                f"has a certificate until {ends[0]}, that of the file ends at {ends[1]}; bring the newer",
            )
        prints = (standing.fingerprint(hashes.SHA256()).hex(), one.fingerprint(hashes.SHA256()).hex())
        changes = (FieldChange("SHA-256", *prints), FieldChange("notAfter", *ends))
        return tuple(one for one in changes if one.before != one.after), _RENEWAL.format(
            mount=mount, name=name
        )
    return (), ""


_RENEWAL: Final = (
    "the file has another certificate for the same key; an apply never replaces one. By hand: import the "
    "certificates without the key (vault write {mount}/issuers/import/cert pem_bundle=@FILE), and make the "
    "id that has a key in the answer's mapping, NEW, the CA: vault patch {mount}/issuer/{name} "
    "issuer_name={name}-old, then vault patch {mount}/issuer/NEW issuer_name={name}. Then pki apply: it sets "
    "default issuer and settings. The old one stays for its CRL and chains"
)


def hold_bundle(
    name: str, authority: Authority, standing: x509.Certificate, chain: Sequence[x509.Certificate]
) -> None:
    """Raise OtherAuthority if a bundle has another key than the CA that stands under its name."""
    if authority.imported is None or not chain or spki_sha256(chain[0]) == spki_sha256(standing):
        return
    raise OtherAuthority(
        f"mount {authority.mount} has another CA as {name} than {authority.imported.bundle}: its public key "
        f"is {spki_sha256(standing)} (SHA-256), that of the file {spki_sha256(chain[0])}. Nothing was sent; "
        "bring the right file, or call the authority otherwise",
        key="import",
    )
