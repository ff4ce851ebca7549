"""Faults that clients refuse in a chain whose links, dates and names all hold.

Go's crypto/x509, OpenSSL and cryptography's verifier agree on these (docs/chain-verification.md): a critical
extension that they don't know (RFC 5280 section 4.2), and a use that a CA above isn't for. RFC 5280 has no
rule for the latter: clients take a CA's extended usages for bounds of what it signs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from issuer.x509.certificates import Certificate, information, usages
from issuer.x509.extensions import BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, KEY_USAGE, NAME_CONSTRAINTS
from issuer.x509.names import SUBJECT_ALTERNATIVE_NAME
from issuer.x509.usages import ANY_USAGE

_KNOWN: Final = frozenset(
    {
        BASIC_CONSTRAINTS,
        KEY_USAGE,
        EXTENDED_KEY_USAGE,
        NAME_CONSTRAINTS,
        SUBJECT_ALTERNATIVE_NAME,
        "2.5.29.31",  # CRL distribution points
        "2.5.29.32",  # certificate policies
        "2.5.29.33",  # policy mappings
        "2.5.29.36",  # policy constraints
        "2.5.29.54",  # inhibit anyPolicy
    }
)
"""Extensions that may be critical: those that both Go 1.26 and OpenSSL 3.0 process."""


def strange_extensions(certificate: Certificate) -> tuple[str, ...]:
    """The OIDs of critical extensions that clients don't know, in their order."""
    found = information(certificate).extensions
    return tuple(one.oid for one in found if one.critical and one.oid not in _KNOWN)


def barred_usages(
    cas: Iterable[Certificate], extended: frozenset[str]
) -> Iterator[tuple[Certificate, frozenset[str]]]:
    """Yield each CA that isn't for all of the extended usages (OIDs), with those that it isn't for."""
    for ca in cas:
        try:
            allowed = usages(ca).extended
        except ValueError:
            allowed = frozenset({""})  # none that anybody could name
        barred = extended - allowed
        if allowed and barred and ANY_USAGE not in allowed:
            yield ca, barred
