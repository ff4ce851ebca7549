"""Verification: the certificate that a CA returned, compared with the request.

Some differences must never be delivered: another key, a name or a CA right that wasn't requested, times that
make no sense, a chain that doesn't hold now or by its CAs' name constraints, or that clients refuse for a
critical extension or its CAs' usages, extended usages beyond the request and the approving policy. Others are
the CA's to decide (other usages, subject additions, a shorter life); these are reported, and fatal only if
`strict`. A life that ends with the CA's is fatal unless `shorten`, whatever `strict` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from cryptography import x509

from issuer.text import counted
from issuer.x509.certificates import (
    alternative_names,
    basic_constraints,
    extension,
    is_authority,
    leaf_subject,
    names,
    public_key,
    usages,
)
from issuer.x509.chains.acceptance import strange_extensions
from issuer.x509.chains.chain import Chain
from issuer.x509.chains.constraints import violations
from issuer.x509.chains.links import is_self_issued
from issuer.x509.describe import subject_text
from issuer.x509.extensions import NAME_CONSTRAINTS
from issuer.x509.names import unasked
from issuer.x509.usages import CERT_SIGN, CRL_SIGN, read_usages
from issuer.x509.verification.differences import CertificateDifference, listed
from issuer.x509.verification.findings import FindingCode, VerificationFinding
from issuer.x509.verification.lifetimes import time_differences
from issuer.x509.verification.requested import RequestedCertificate
from issuer.x509.verification.usages import usage_differences

_SHOWN: Final = 5


def verify(
    chain: Chain,
    asked: RequestedCertificate,
    now: datetime,
    *,
    allowed: frozenset[str] | None = None,
    strict: bool = False,
    shorten: bool = False,
    any_life: bool = False,
) -> tuple[VerificationFinding, ...]:
    """Return the differences between `chain` and `asked` at `now` (an aware datetime), none if there are
    none.

    `allowed` are the usages, by cert-manager's names, that the approving policy allows; None if no policy
    approved, and then only those of the request are. `shorten` accepts a life cut off by the CA's own end.
    `any_life` accepts one of any length where none was asked for: the CA was to choose it. The links of the
    chain were checked when it was built. Sources: RFC 5280 section 6.1.3; cert-manager's `CertificateRequest`
    fields.
    """
    differences = (
        *_key(chain, asked),
        *_names(chain, asked),
        *_authority(chain, asked),
        *time_differences(chain, asked, now, shorten=shorten, any_life=any_life),
        *_constraints(chain),
        *_extensions(chain),
        *usage_differences(chain, asked, allowed),
        *_subject(chain, asked),
    )
    return tuple(
        VerificationFinding(one.code, one.message, strict if one.fatal is None else one.fatal, one.expected)
        for one in differences
    )


def _key(chain: Chain, asked: RequestedCertificate) -> Iterator[CertificateDifference]:
    if public_key(chain.leaf) != asked.request.public_key:
        yield CertificateDifference(
            FindingCode.PUBLIC_KEY_DIFFERS,
            "the certificate is for another public key than the request's",
            True,
        )


def _names(chain: Chain, asked: RequestedCertificate) -> Iterator[CertificateDifference]:
    added = unasked(names(chain.leaf), asked.request.names)
    if added:
        yield CertificateDifference(
            FindingCode.NAME_NOT_ASKED,
            f"the certificate has names that weren't asked for: {listed(added)}",
            True,
        )
    dropped = asked.request.sans - alternative_names(chain.leaf)
    if dropped:
        yield CertificateDifference(
            FindingCode.NAME_DROPPED, f"the certificate lacks names that were asked for: {listed(dropped)}"
        )


def _authority(chain: Chain, asked: RequestedCertificate) -> Iterator[CertificateDifference]:
    constraints = basic_constraints(chain.leaf)
    if constraints is not None and constraints.ca:
        if asked.is_ca:
            yield from _path_length(asked.path_length, constraints.path_length)
        else:
            yield CertificateDifference(
                FindingCode.CA_NOT_ASKED, "the certificate is a CA's, which wasn't asked for", True
            )
        yield from _room_above(chain)
    elif asked.is_ca:
        yield CertificateDifference(
            FindingCode.CA_DROPPED, "a CA certificate was asked for, and the certificate is not a CA's", True
        )
    rights = usages(chain.leaf).key & {CERT_SIGN, CRL_SIGN}
    added = rights - read_usages(asked.usages).key
    if added and not asked.is_ca:
        yield CertificateDifference(
            FindingCode.CA_USAGE_NOT_ASKED,
            f"the certificate may do what wasn't asked for and only CAs do: {listed(added)}",
            True,
        )


def _path_length(asked: int, given: int | None) -> Iterator[CertificateDifference]:
    if given is None or given > asked:
        has = "no bound on the CAs below it" if given is None else f"a path length of {given}"
        yield CertificateDifference(
            FindingCode.PATH_LENGTH_TOO_LONG, f"the certificate has {has}, but {asked} was asked for", True
        )
    elif given < asked:
        yield CertificateDifference(
            FindingCode.PATH_LENGTH_SHORTER,
            f"the certificate has a path length of {given}, but {asked} was asked for",
        )


def _room_above(chain: Chain) -> Iterator[CertificateDifference]:
    """Check that each CA above has room for one more: the chain's check counts only those between."""
    below = 1
    for ca in chain.cas:
        constraints = basic_constraints(ca)
        room = None if constraints is None else constraints.path_length
        if room is not None and room < below:
            yield CertificateDifference(
                FindingCode.NO_ROOM_FOR_CA,
                f"the CA {subject_text(ca)[:200]} allows {counted(room, 'CA')} below it, and this one would "
                f"be number {below}: nothing that it signs could be verified",
                True,
            )
        if not is_self_issued(ca):
            below += 1


def _constraints(chain: Chain) -> Iterator[CertificateDifference]:
    if not is_authority(chain.leaf) and extension(chain.leaf, NAME_CONSTRAINTS) is not None:
        message = "the certificate has name constraints, which only a CA may have"
        yield CertificateDifference(FindingCode.NAME_CONSTRAINTS_IN_LEAF, message, True)
    found = tuple(islice(violations(chain), _SHOWN))
    if found:
        yield CertificateDifference(FindingCode.NAME_CONSTRAINTS, "; ".join(found), True)


def _extensions(chain: Chain) -> Iterator[CertificateDifference]:
    for certificate in (chain.leaf, *chain.cas):
        strange = strange_extensions(certificate)
        if strange:
            is_leaf = certificate is chain.leaf
            which = "the certificate" if is_leaf else f"the CA {subject_text(certificate)[:200]}"
            message = f"{which} has critical extensions that clients don't know and refuse: {listed(strange)}"
            yield CertificateDifference(
                FindingCode.CRITICAL_EXTENSION if is_leaf else FindingCode.CHAIN_NOT_VALID, message, True
            )


def _subject(chain: Chain, asked: RequestedCertificate) -> Iterator[CertificateDifference]:
    wanted, given = _attributes(asked.request.subject), _attributes(leaf_subject(chain.leaf))
    if added := given - wanted:
        yield CertificateDifference(
            FindingCode.SUBJECT_ADDED, f"subject attributes were added: {listed(added)}"
        )
    if dropped := wanted - given:
        yield CertificateDifference(
            FindingCode.SUBJECT_DROPPED, f"subject attributes are missing: {listed(dropped)}"
        )
    if wanted == given and _relative_names(asked.request.subject) != _relative_names(
        leaf_subject(chain.leaf)
    ):
        yield CertificateDifference(
            FindingCode.SUBJECT_REORDERED, "the subject's attributes are in another order or grouping"
        )


def _attributes(subject: x509.Name) -> Counter[str]:
    return Counter(f"{attribute.rfc4514_attribute_name}={attribute.value!s}" for attribute in subject)


def _relative_names(subject: x509.Name) -> list[Counter[str]]:
    return [
        Counter(f"{attribute.oid.dotted_string}={attribute.value!s}" for attribute in relative_name)
        for relative_name in subject.rdns
    ]
