"""Lists of revoked CAs, with their number and the time by which the next one comes.

Source: RFC 5280 section 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography import x509

from issuer.root.certificates.keys import PrivateKey, PublicKey, digest_of
from issuer.root.certificates.profile import authority_key_identifier
from issuer.x509.errors import LIBRARY_ERRORS

LARGEST_CRL_NUMBER: Final = (1 << 159) - 1
"""Readers take 20 octets, the first bit being the sign (RFC 5280 section 5.2.3)."""
LARGEST_SERIAL: Final = (1 << 159) - 1
"""Largest serial number that a CRL can name (RFC 5280 section 4.1.2.2)."""


class RevocationCause(StrEnum):
    """Reasons for which a CA is revoked (RFC 5280 section 5.3.1)."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


@dataclass(frozen=True, slots=True)
class RevokedCA:
    """One revoked certificate."""

    serial: int
    date: datetime
    cause: RevocationCause


def signed_crl(
    issuer: x509.Certificate,
    key: PrivateKey,
    number: int,
    revoked: Iterable[RevokedCA],
    this_update: datetime,
    next_update: datetime,
) -> x509.CertificateRevocationList:
    """Return a CRL; `revoked` may be empty. Nothing on it is revoked after its begin, which lints refuse."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(this_update)
        .next_update(next_update)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(authority_key_identifier(issuer), critical=False)
    )
    for one in revoked:
        builder = builder.add_revoked_certificate(_entry(replace(one, date=min(one.date, this_update))))
    return builder.sign(key, digest_of(key))  # type: ignore[arg-type]


def crl_number(crl: x509.CertificateRevocationList) -> int:
    """Return the number of a CRL; 0 for one without, as OpenSSL makes them by default."""
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0


def revoked_in(crl: x509.CertificateRevocationList) -> tuple[RevokedCA, ...]:
    """Return what a CRL revokes, in its order."""
    return tuple(RevokedCA(one.serial_number, one.revocation_date_utc, _cause(one)) for one in crl)


def crl_problems(
    crl: x509.CertificateRevocationList, issuer: x509.Certificate, revoked: Iterable[RevokedCA]
) -> Iterator[str]:
    """Yield in words why a CRL isn't that of `issuer` with all of `revoked` in it."""
    key = issuer.public_key()
    try:
        number, extensions, name = crl_number(crl), list(crl.extensions), crl.issuer
    except LIBRARY_ERRORS:
        yield "its number, or another part, can't be read; make it once more (openssl ca -gencrl)"
        return
    if name != issuer.subject:
        yield "it is the CRL of another CA by its name"
    elif not isinstance(key, PublicKey) or not crl.is_signature_valid(key):
        yield "its signature is not the root's"
    if not 0 <= number <= LARGEST_CRL_NUMBER:
        yield "its number is negative, or larger than readers take"
    for extension in extensions:
        # Those of RFC 5280 that are critical, delta lists and issuing points, make a list of a part.
        if extension.critical:
            yield f"it lists a part only ({extension.oid.dotted_string} is critical); take the whole list"
    missing = {one.serial for one in revoked} - {one.serial_number for one in crl}
    if missing:
        yield f"it lacks {len(missing)} of the revoked CAs"


def _entry(revoked: RevokedCA) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(revoked.serial).revocation_date(revoked.date)
    if revoked.cause is not RevocationCause.UNSPECIFIED:  # which RFC 5280 leaves out
        builder = builder.add_extension(x509.CRLReason(_FLAGS[revoked.cause]), critical=False)
    return builder.build()


def _cause(entry: x509.RevokedCertificate) -> RevocationCause:
    try:
        flag = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except (x509.ExtensionNotFound, *LIBRARY_ERRORS):  # a reason that nobody knows, too
        return RevocationCause.UNSPECIFIED
    return next((cause for cause, one in _FLAGS.items() if one is flag), RevocationCause.UNSPECIFIED)


_FLAGS: Final = {cause: x509.ReasonFlags(cause.value) for cause in RevocationCause}
