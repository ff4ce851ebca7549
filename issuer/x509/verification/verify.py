"""Verification: the certificate that a CA returned, compared with the request.

Some differences must never be delivered: another key, a name or a CA right that wasn't requested, times that
make no sense, a chain that doesn't hold now or by its CAs' name constraints, or that clients refuse for a
critical extension or its CAs' usages, extended usages beyond the request and the approving policy. Others are
the CA's to decide (other usages, subject additions, a shorter life); these are reported, and fatal only if
`strict`. A life that ends with the CA's is fatal unless `shorten`, whatever `strict` says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from cryptography import x509

from issuer.duration import format_seconds
from issuer.text import ascii_text, counted, first_of, rfc3339
from issuer.x509.certificates import (
    Certificate,
    alternative_names,
    basic_constraints,
    extension,
    is_authority,
    leaf_subject,
    names,
    public_key,
    usages,
)
from issuer.x509.chains.acceptance import barred_usages, strange_extensions
from issuer.x509.chains.chain import CLOCK_SKEW, Chain
from issuer.x509.chains.constraints import violations
from issuer.x509.chains.links import is_self_issued
from issuer.x509.describe import subject_text
from issuer.x509.extensions import NAME_CONSTRAINTS
from issuer.x509.names import unasked
from issuer.x509.request import CertificateSigningRequest
from issuer.x509.usages import (
    ANY_USAGE,
    CERT_SIGN,
    CRL_SIGN,
    ONLY_ON_REQUEST,
    SERVER_AND_CLIENT,
    named_usages,
    read_usages,
    usage_name,
)
from issuer.x509.verification.findings import FindingCode, VerificationFinding
from issuer.x509.verification.renewal import DEFAULT_RENEWAL, Renewal

LONGER_LIFE: Final = timedelta(hours=1)
"""The most by which a life may exceed the request: CAs backdate, and round up."""
BEFORE_CA: Final = timedelta(minutes=5)
"""The time between the end of a shortened certificate and its CA's end: clocks may differ by as much."""
SHORTEST_LIFE: Final = timedelta(hours=1)
"""The shortest life that a shortened certificate may have: see `controller/state/health/ca_expiry`."""
DEFAULT_LIFE: Final = timedelta(days=90)
"""The life of a request without a duration, as in cert-manager."""
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class RequestedCertificate:
    """The request, as far as its certificate is compared with it.

    `usages` are cert-manager's names; none mean its default. `path_length` is the number of CAs allowed below
    a CA, without meaning for others. `renewal` is that of the Certificate that the request was made for.
    """

    request: CertificateSigningRequest
    is_ca: bool
    usages: frozenset[str]
    duration: timedelta | None
    path_length: int = 0
    renewal: Renewal = DEFAULT_RENEWAL


@dataclass(frozen=True, slots=True)
class _Difference:
    """A difference before `strict` is applied: if `fatal` is None, `strict` decides."""

    code: FindingCode
    message: str
    fatal: bool | None = None
    expected: bool = False


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
    any_life = any_life and asked.duration is None
    differences = (
        *_key(chain, asked),
        *_names(chain, asked),
        *_authority(chain, asked),
        *_validity(chain.leaf, now),
        *_renewal(chain.leaf, asked, now, any_life),
        *_life(chain, asked.duration, now, shorten, any_life),
        *_chain_times(chain, now),
        *_constraints(chain),
        *_extensions(chain),
        *_usages(chain, asked, allowed),
        *_uses_of_cas(chain, asked),
        *_subject(chain, asked),
    )
    return tuple(
        VerificationFinding(one.code, one.message, strict if one.fatal is None else one.fatal, one.expected)
        for one in differences
    )


def _key(chain: Chain, asked: RequestedCertificate) -> Iterator[_Difference]:
    if public_key(chain.leaf) != asked.request.public_key:
        yield _Difference(
            FindingCode.PUBLIC_KEY_DIFFERS,
            "the certificate is for another public key than the request's",
            True,
        )


def _names(chain: Chain, asked: RequestedCertificate) -> Iterator[_Difference]:
    added = unasked(names(chain.leaf), asked.request.names)
    if added:
        yield _Difference(
            FindingCode.NAME_NOT_ASKED,
            f"the certificate has names that weren't asked for: {_list(added)}",
            True,
        )
    dropped = asked.request.sans - alternative_names(chain.leaf)
    if dropped:
        yield _Difference(
            FindingCode.NAME_DROPPED, f"the certificate lacks names that were asked for: {_list(dropped)}"
        )


def _authority(chain: Chain, asked: RequestedCertificate) -> Iterator[_Difference]:
    constraints = basic_constraints(chain.leaf)
    if constraints is not None and constraints.ca:
        if asked.is_ca:
            yield from _path_length(asked.path_length, constraints.path_length)
        else:
            yield _Difference(
                FindingCode.CA_NOT_ASKED, "the certificate is a CA's, which wasn't asked for", True
            )
        yield from _room_above(chain)
    elif asked.is_ca:
        yield _Difference(
            FindingCode.CA_DROPPED, "a CA certificate was asked for, and the certificate is not a CA's", True
        )
    rights = usages(chain.leaf).key & {CERT_SIGN, CRL_SIGN}
    added = rights - read_usages(asked.usages).key
    if added and not asked.is_ca:
        yield _Difference(
            FindingCode.CA_USAGE_NOT_ASKED,
            f"the certificate may do what wasn't asked for and only CAs do: {_list(added)}",
            True,
        )


def _path_length(asked: int, given: int | None) -> Iterator[_Difference]:
    if given is None or given > asked:
        has = "no bound on the CAs below it" if given is None else f"a path length of {given}"
        yield _Difference(
            FindingCode.PATH_LENGTH_TOO_LONG, f"the certificate has {has}, but {asked} was asked for", True
        )
    elif given < asked:
        yield _Difference(
            FindingCode.PATH_LENGTH_SHORTER,
            f"the certificate has a path length of {given}, but {asked} was asked for",
        )


def _room_above(chain: Chain) -> Iterator[_Difference]:
    """Check that each CA above has room for one more: the chain's check counts only those between."""
    below = 1
    for ca in chain.cas:
        constraints = basic_constraints(ca)
        room = None if constraints is None else constraints.path_length
        if room is not None and room < below:
            yield _Difference(
                FindingCode.NO_ROOM_FOR_CA,
                f"the CA {subject_text(ca)[:200]} allows {counted(room, 'CA')} below it, and this one would "
                f"be number {below}: nothing that it signs could be verified",
                True,
            )
        if not is_self_issued(ca):
            below += 1


def _validity(leaf: Certificate, now: datetime) -> Iterator[_Difference]:
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if end < begin:
        yield _Difference(
            FindingCode.VALIDITY_REVERSED,
            f"the certificate expires before it begins: {_life_text(leaf)}",
            True,
        )
    if end <= now:
        message = f"the certificate has expired: it is valid {_life_text(leaf)}, and it is {rfc3339(now)}"
        yield _Difference(FindingCode.EXPIRED, message, True)
    if begin > now + CLOCK_SKEW:
        message = (
            f"the certificate has not begun: it is valid {_life_text(leaf)}, and it is {rfc3339(now)}; "
            "compare the clocks"
        )
        yield _Difference(FindingCode.NOT_YET_VALID, message, True)


def _renewal(
    leaf: Certificate, asked: RequestedCertificate, now: datetime, any_life: bool
) -> Iterator[_Difference]:
    """Check when cert-manager would renew it: backdated far or cut short, that can be at once."""
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    wanted = DEFAULT_LIFE if asked.duration is None else asked.duration
    if asked.renewal.is_due_at_once(begin, end, now, wanted):
        why = asked.renewal.problem(begin, end, now, end - now if any_life else wanted)
        message = f"the certificate is valid {_life_text(leaf)}: {why}"
        yield _Difference(FindingCode.TOO_SHORT_TO_RENEW, message, True)


def _life_text(certificate: Certificate) -> str:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return f"from {rfc3339(begin)} to {rfc3339(end)}"


def _life(
    chain: Chain, duration: timedelta | None, now: datetime, shorten: bool, any_life: bool
) -> Iterator[_Difference]:
    begin, end = chain.leaf.not_valid_before_utc, chain.leaf.not_valid_after_utc
    # From now, not from notBefore: roles may backdate that for days, and it adds nothing to what lies ahead.
    wanted = DEFAULT_LIFE if duration is None else duration
    if end - now > wanted + LONGER_LIFE and not any_life:
        message = (
            f"the certificate lives {format_seconds(end - now)}, but {format_seconds(wanted)} was asked for"
        )
        yield _Difference(FindingCode.LIFE_TOO_LONG, message, True)
    # From notBefore if that is earlier, so that a late delivery of a good certificate is no difference.
    shorter = duration is not None and end - min(begin, now) < duration - CLOCK_SKEW
    if end >= chain.not_after - BEFORE_CA - CLOCK_SKEW:
        yield from _ended_by_ca(chain, duration, now, shorten, shorter)
    elif shorter:
        message = (
            f"the certificate expires at {rfc3339(end)}, sooner than the {format_seconds(wanted)} asked for"
        )
        yield _Difference(FindingCode.LIFE_SHORTER, message)


def _ended_by_ca(
    chain: Chain, duration: timedelta | None, now: datetime, shorten: bool, shorter: bool
) -> Iterator[_Difference]:
    end = chain.leaf.not_valid_after_utc
    ends = f"the certificate expires with its CA at {rfc3339(end)}"
    if end > chain.not_after:
        message = f"the certificate expires at {rfc3339(end)}, after its CA, at {rfc3339(chain.not_after)}"
        yield _Difference(FindingCode.OUTLIVES_CA, message, True)
    if duration is not None and shorter:
        message = f"{ends}, sooner than the {format_seconds(duration)} asked for"
        yield _Difference(FindingCode.ENDS_WITH_CA, message, not shorten)
    if (shorter or duration is None) and end - now < SHORTEST_LIFE:
        message = f"{ends}, so soon that it would be renewed again and again"
        yield _Difference(FindingCode.TOO_SHORT_TO_RENEW, message, True)


def _constraints(chain: Chain) -> Iterator[_Difference]:
    if not is_authority(chain.leaf) and extension(chain.leaf, NAME_CONSTRAINTS) is not None:
        message = "the certificate has name constraints, which only a CA may have"
        yield _Difference(FindingCode.NAME_CONSTRAINTS_IN_LEAF, message, True)
    found = tuple(islice(violations(chain), _SHOWN))
    if found:
        yield _Difference(FindingCode.NAME_CONSTRAINTS, "; ".join(found), True)


def _extensions(chain: Chain) -> Iterator[_Difference]:
    for certificate in (chain.leaf, *chain.cas):
        strange = strange_extensions(certificate)
        if strange:
            is_leaf = certificate is chain.leaf
            which = "the certificate" if is_leaf else f"the CA {subject_text(certificate)[:200]}"
            message = f"{which} has critical extensions that clients don't know and refuse: {_list(strange)}"
            yield _Difference(
                FindingCode.CRITICAL_EXTENSION if is_leaf else FindingCode.CHAIN_NOT_VALID, message, True
            )


def _chain_times(chain: Chain, now: datetime) -> Iterator[_Difference]:
    for ca in chain.cas:
        begin, end = ca.not_valid_before_utc, ca.not_valid_after_utc
        if not begin <= now + CLOCK_SKEW or end <= now:  # not from begin: that may be in year 1
            message = f"the CA {subject_text(ca)[:200]} is valid {_life_text(ca)}, and it is {rfc3339(now)}"
            yield _Difference(FindingCode.CHAIN_NOT_VALID, message, True)


def _usages(
    chain: Chain, asked: RequestedCertificate, allowed: frozenset[str] | None
) -> Iterator[_Difference]:
    wanted = read_usages(asked.usages, is_ca=asked.is_ca)
    given = usages(chain.leaf)
    missing = (wanted.key - given.key) | (wanted.extended - given.extended) | wanted.unknown
    if missing:
        message = f"usages are missing: {_list(map(usage_name, missing))}"
        if wanted.extended and not given.extended:
            message += " (without any extended usage, most software takes it to be good for all)"
        yield _Difference(FindingCode.USAGE_DROPPED, message)
    measure = wanted if allowed is None else named_usages(allowed)
    added = given.extended - wanted.extended
    unasked = added & ONLY_ON_REQUEST
    # A policy that says nothing of extended usages leaves the usual ones to the CA.
    beyond = added - unasked - (measure.extended or SERVER_AND_CLIENT)
    if unasked:
        message = f"the certificate has usages that must be asked for: {_list(map(usage_name, unasked))}"
        yield _Difference(FindingCode.USAGE_NOT_ASKED, message, True)
    if beyond:
        whose = "weren't asked for" if allowed is None else "weren't asked for, and the policy doesn't allow"
        message = f"the certificate has extended usages that {whose}: {_list(map(usage_name, beyond))}"
        yield _Difference(FindingCode.USAGE_BEYOND_POLICY, message, True)
    told = (given.key - wanted.key) | (added - unasked - beyond)
    if told:
        # Vault's roles add key agreement by default: it is news where a policy names other key usages.
        expected = allowed is None or not measure.key or given.key - wanted.key <= measure.key
        message = f"usages were added: {_list(map(usage_name, told))}"
        yield _Difference(FindingCode.USAGE_ADDED, message, expected=expected)


def _uses_of_cas(chain: Chain, asked: RequestedCertificate) -> Iterator[_Difference]:
    """Check that the CAs are for the extended usages that are asked for and there, or else for all there."""
    given = usages(chain.leaf).extended - {ANY_USAGE}
    wanted = given & read_usages(asked.usages, is_ca=asked.is_ca).extended or given
    for ca, barred in barred_usages(chain.cas, wanted):
        message = (
            f"the CA {subject_text(ca)[:200]} has extended usages of its own, without "
            f"{_list(map(usage_name, barred))}: clients refuse the certificate for that"
        )
        yield _Difference(FindingCode.USAGE_BARRED_BY_CA, message, True if barred == wanted else None)


def _subject(chain: Chain, asked: RequestedCertificate) -> Iterator[_Difference]:
    wanted, given = _attributes(asked.request.subject), _attributes(leaf_subject(chain.leaf))
    if added := given - wanted:
        yield _Difference(FindingCode.SUBJECT_ADDED, f"subject attributes were added: {_list(added)}")
    if dropped := wanted - given:
        yield _Difference(FindingCode.SUBJECT_DROPPED, f"subject attributes are missing: {_list(dropped)}")
    if wanted == given and _relative_names(asked.request.subject) != _relative_names(
        leaf_subject(chain.leaf)
    ):
        yield _Difference(
            FindingCode.SUBJECT_REORDERED, "the subject's attributes are in another order or grouping"
        )


def _attributes(subject: x509.Name) -> Counter[str]:
    return Counter(f"{attribute.rfc4514_attribute_name}={attribute.value!s}" for attribute in subject)


def _relative_names(subject: x509.Name) -> list[Counter[str]]:
    return [
        Counter(f"{attribute.oid.dotted_string}={attribute.value!s}" for attribute in relative_name)
        for relative_name in subject.rdns
    ]


def _list(things: Iterable[object]) -> str:
    return first_of(sorted(ascii_text(str(thing), 200) for thing in things), _SHOWN)
