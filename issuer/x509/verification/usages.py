"""Usages: of the certificate, and those that its CAs are for."""

from __future__ import annotations

from collections.abc import Iterator

from issuer.x509.certificates import usages
from issuer.x509.chains.acceptance import barred_usages
from issuer.x509.chains.chain import Chain
from issuer.x509.describe import subject_text
from issuer.x509.usages import (
    ANY_USAGE,
    ONLY_ON_REQUEST,
    SERVER_AND_CLIENT,
    named_usages,
    read_usages,
    usage_name,
)
from issuer.x509.verification.differences import CertificateDifference, listed
from issuer.x509.verification.findings import FindingCode
from issuer.x509.verification.requested import RequestedCertificate


def usage_differences(
    chain: Chain, asked: RequestedCertificate, allowed: frozenset[str] | None
) -> Iterator[CertificateDifference]:
    """Yield what differs; `allowed` is that of `verify`."""
    yield from _usages(chain, asked, allowed)
    yield from _uses_of_cas(chain, asked)


def _usages(
    chain: Chain, asked: RequestedCertificate, allowed: frozenset[str] | None
) -> Iterator[CertificateDifference]:
    wanted = read_usages(asked.usages, is_ca=asked.is_ca)
    given = usages(chain.leaf)
    missing = (wanted.key - given.key) | (wanted.extended - given.extended) | wanted.unknown
    if missing:
        message = f"usages are missing: {listed(map(usage_name, missing))}"
        if wanted.extended and not given.extended:
            message += " (without any extended usage, most software takes it to be good for all)"
        yield CertificateDifference(FindingCode.USAGE_DROPPED, message)
    measure = wanted if allowed is None else named_usages(allowed)
    added = given.extended - wanted.extended
    unasked = added & ONLY_ON_REQUEST
    # A policy that says nothing of extended usages leaves the usual ones to the CA.
    beyond = added - unasked - (measure.extended or SERVER_AND_CLIENT)
    if unasked:
        message = f"the certificate has usages that must be asked for: {listed(map(usage_name, unasked))}"
        yield CertificateDifference(FindingCode.USAGE_NOT_ASKED, message, True)
    if beyond:
        whose = "weren't asked for" if allowed is None else "weren't asked for, and the policy doesn't allow"
        message = f"the certificate has extended usages that {whose}: {listed(map(usage_name, beyond))}"
        yield CertificateDifference(FindingCode.USAGE_BEYOND_POLICY, message, True)
    told = (given.key - wanted.key) | (added - unasked - beyond)
    if told:
        # Vault's roles add key agreement by default: it is news where a policy names other key usages.
        expected = allowed is None or not measure.key or given.key - wanted.key <= measure.key
        message = f"usages were added: {listed(map(usage_name, told))}"
        yield CertificateDifference(FindingCode.USAGE_ADDED, message, expected=expected)


def _uses_of_cas(chain: Chain, asked: RequestedCertificate) -> Iterator[CertificateDifference]:
    """Check that the CAs are for the extended usages that are asked for and there, or else for all there."""
    given = usages(chain.leaf).extended - {ANY_USAGE}
    wanted = given & read_usages(asked.usages, is_ca=asked.is_ca).extended or given
    for ca, barred in barred_usages(chain.cas, wanted):
        message = (
            f"the CA {subject_text(ca)[:200]} has extended usages of its own, without "
            f"{listed(map(usage_name, barred))}: clients refuse the certificate for that"
        )
        yield CertificateDifference(
            FindingCode.USAGE_BARRED_BY_CA, message, True if barred == wanted else None
        )
