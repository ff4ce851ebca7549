"""Times: of the certificate, of the CAs above it, and of its renewal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from issuer.duration import format_seconds
from issuer.text import rfc3339
from issuer.x509.certificates import Certificate
from issuer.x509.chains.chain import CLOCK_SKEW, Chain
from issuer.x509.describe import subject_text
from issuer.x509.verification.differences import CertificateDifference, life_text
from issuer.x509.verification.findings import FindingCode
from issuer.x509.verification.requested import RequestedCertificate

LONGER_LIFE: Final = timedelta(hours=1)
"""The most by which a life may exceed the request: CAs backdate, and round up."""
BEFORE_CA: Final = timedelta(minutes=5)
"""The time between the end of a shortened certificate and its CA's end: clocks may differ by as much."""
SHORTEST_LIFE: Final = timedelta(hours=1)
"""The shortest life that a shortened certificate may have: see `controller/state/health/ca_expiry`."""
DEFAULT_LIFE: Final = timedelta(days=90)
"""The life of a request without a duration, as in cert-manager."""


def time_differences(
    chain: Chain, asked: RequestedCertificate, now: datetime, *, shorten: bool, any_life: bool
) -> Iterator[CertificateDifference]:
    """Yield what differs at `now`; `shorten` and `any_life` are those of `verify`."""
    any_life = any_life and asked.duration is None
    yield from _validity(chain.leaf, now)
    yield from _renewal(chain.leaf, asked, now, any_life)
    yield from _life(chain, asked.duration, now, shorten, any_life)
    yield from _chain_times(chain, now)


def _validity(leaf: Certificate, now: datetime) -> Iterator[CertificateDifference]:
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if end < begin:
        yield CertificateDifference(
            FindingCode.VALIDITY_REVERSED,
            f"the certificate expires before it begins: {life_text(leaf)}",
            True,
        )
    if end <= now:
        message = f"the certificate has expired: it is valid {life_text(leaf)}, and it is {rfc3339(now)}"
        yield CertificateDifference(FindingCode.EXPIRED, message, True)
    if begin > now + CLOCK_SKEW:
        message = (
            f"the certificate has not begun: it is valid {life_text(leaf)}, and it is {rfc3339(now)}; "
            "compare the clocks"
        )
        yield CertificateDifference(FindingCode.NOT_YET_VALID, message, True)


def _renewal(
    leaf: Certificate, asked: RequestedCertificate, now: datetime, any_life: bool
) -> Iterator[CertificateDifference]:
    """Check when cert-manager would renew it: backdated far or cut short, that can be at once."""
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    wanted = DEFAULT_LIFE if asked.duration is None else asked.duration
    if asked.renewal.is_due_at_once(begin, end, now, wanted):
        why = asked.renewal.problem(begin, end, now, end - now if any_life else wanted)
        message = f"the certificate is valid {life_text(leaf)}: {why}"
        yield CertificateDifference(FindingCode.TOO_SHORT_TO_RENEW, message, True)


def _life(
    chain: Chain, duration: timedelta | None, now: datetime, shorten: bool, any_life: bool
) -> Iterator[CertificateDifference]:
    begin, end = chain.leaf.not_valid_before_utc, chain.leaf.not_valid_after_utc
    # From now, not from notBefore: roles may backdate that for days, and it adds nothing to what lies ahead.
    wanted = DEFAULT_LIFE if duration is None else duration
    if end - now > wanted + LONGER_LIFE and not any_life:
        message = (
            f"the certificate lives {format_seconds(end - now)}, but {format_seconds(wanted)} was asked for"
        )
        yield CertificateDifference(FindingCode.LIFE_TOO_LONG, message, True)
    # From notBefore if that is earlier, so that a late delivery of a good certificate is no difference.
    shorter = duration is not None and end - min(begin, now) < duration - CLOCK_SKEW
    if end >= chain.not_after - BEFORE_CA - CLOCK_SKEW:
        yield from _ended_by_ca(chain, duration, now, shorten, shorter)
    elif shorter:
        message = (
            f"the certificate expires at {rfc3339(end)}, sooner than the {format_seconds(wanted)} asked for"
        )
        yield CertificateDifference(FindingCode.LIFE_SHORTER, message)


def _ended_by_ca(
    chain: Chain, duration: timedelta | None, now: datetime, shorten: bool, shorter: bool
) -> Iterator[CertificateDifference]:
    end = chain.leaf.not_valid_after_utc
    ends = f"the certificate expires with its CA at {rfc3339(end)}"
    if end > chain.not_after:
        message = f"the certificate expires at {rfc3339(end)}, after its CA, at {rfc3339(chain.not_after)}"
        yield CertificateDifference(FindingCode.OUTLIVES_CA, message, True)
    if duration is not None and shorter:
        message = f"{ends}, sooner than the {format_seconds(duration)} asked for"
        yield CertificateDifference(FindingCode.ENDS_WITH_CA, message, not shorten)
    if (shorter or duration is None) and end - now < SHORTEST_LIFE:
        message = f"{ends}, so soon that it would be renewed again and again"
        yield CertificateDifference(FindingCode.TOO_SHORT_TO_RENEW, message, True)


def _chain_times(chain: Chain, now: datetime) -> Iterator[CertificateDifference]:
    for ca in chain.cas:
        begin, end = ca.not_valid_before_utc, ca.not_valid_after_utc
        if not begin <= now + CLOCK_SKEW or end <= now:  # not from begin: that may be in year 1
            message = f"the CA {subject_text(ca)[:200]} is valid {life_text(ca)}, and it is {rfc3339(now)}"
            yield CertificateDifference(FindingCode.CHAIN_NOT_VALID, message, True)
