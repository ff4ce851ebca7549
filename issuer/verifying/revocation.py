"""Asks the CRLs and OCSP responders that the certificates of a chain name, whether one is revoked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from issuer.pki.authorities.chains import access_urls, crl_urls
from issuer.pki.authorities.parts import UNDECODABLE
from issuer.pki.health.fetching import URLReader
from issuer.pki.health.ocsp import is_answered_by, ocsp_request
from issuer.pki.health.pointers import FetchedAnswer
from issuer.pki.lists.described import DescribedList, NamedAuthority, reason_of
from issuer.text import rfc3339
from issuer.verifying.findings import EndpointCode, EndpointFinding
from issuer.x509.certificates import Certificate, decoded
from issuer.x509.chains.chain import CLOCK_SKEW
from issuer.x509.crls import read_crls
from issuer.x509.describe import subject_text

_SHOWN: Final = 200
_AGE: Final = timedelta(days=1)
"""For an answer that doesn't say until when it holds: it could be sent again for ever (RFC 6960, 4.2.2.1)."""
_OCSP: Final = AuthorityInformationAccessOID.OCSP


class _NotKnown(Exception):
    """A source doesn't tell whether a certificate is revoked; the message is a part of a sentence."""

    cure = "have the CA's list published there: vault-issuer crl verify and pki health tell what clients find"


class _NothingNamed(_NotKnown):
    """A certificate names nothing that could be asked."""

    cure = "have the CA write it into certificates (config/urls of the mount; pki health tells)"


async def revocations(
    reader: URLReader, way: Iterable[Certificate], now: datetime
) -> AsyncIterator[EndpointFinding]:
    """Yield what is revoked on a way up from a certificate to its root, and what nothing tells of.

    The root itself is trusted or not: nobody revokes it. CRLs are asked before OCSP.
    """
    for number, (lower, upper) in enumerate(pairwise(map(decoded, way))):
        if lower is None or upper is None:
            continue
        what = f"the CA {subject_text(lower)[:_SHOWN]}" if number else "it"
        try:
            revoked = await _revoked(reader, lower, upper, now)
        except _NotKnown as error:
            text = f"whether {what} is revoked can't be told: {error}"
            # Most private CAs don't say where they are revoked, and no client of theirs looks.
            is_problem = number == 0 or not isinstance(error, _NothingNamed)
            yield EndpointFinding(EndpointCode.REVOCATION_UNKNOWN, text, error.cure, is_problem)
            continue
        if revoked:
            cure = (
                "make its successor, and issue everything again" if number else "ask for another, and reload"
            )
            yield EndpointFinding(EndpointCode.REVOKED, f"{what} is revoked {revoked}", cure)


async def _revoked(reader: URLReader, lower: x509.Certificate, upper: x509.Certificate, now: datetime) -> str:
    """Return since when and why a certificate is revoked, "" if it isn't. Raises _NotKnown."""
    problems = []
    try:
        lists = [one for one in crl_urls(lower) if _is_fetched(one)]
        responders = [one for one in access_urls(lower, _OCSP) if _is_fetched(one)]
    except UNDECODABLE as error:
        raise _NotKnown("its extensions can't be read") from error
    for url in lists:
        try:
            return _on_list(await reader.get(url), url, lower, upper, now)
        except _NotKnown as error:
            problems.append(f"{url}: {error}")
    for url in responders:
        try:
            answer = await reader.post_ocsp(url, ocsp_request(upper, lower.serial_number))
            return _answered(answer, lower, upper, now)
        except _NotKnown as error:
            problems.append(f"{url}: {error}")
    if problems:
        raise _NotKnown("; ".join(problems))
    raise _NothingNamed("it names no CRL and no OCSP responder by HTTP")


def _is_fetched(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _body(answer: FetchedAnswer) -> bytes:
    if answer.problem or answer.status != 200:
        raise _NotKnown(answer.problem or f"it answers {answer.status}")
    return answer.body


def _on_list(
    answer: FetchedAnswer, url: str, lower: x509.Certificate, upper: x509.Certificate, now: datetime
) -> str:
    body = _body(answer)
    try:
        lists = read_crls(body)
    except ValueError as error:
        raise _NotKnown("it is no CRL") from error
    authority = NamedAuthority(subject_text(upper), upper)
    every = [DescribedList(url, one, 0, (authority,), now, (lower.serial_number,)) for one in lists]
    whole = [one for one in every if one.signer is not None and one.base is None]
    found = max(whole or every[:1], key=lambda one: one.crl.last_update_utc)
    if found.base is not None:  # whoever is between could send it in the place of the whole one
        raise _NotKnown("it is a delta list, which doesn't have all that is revoked")
    if problems := list(found.problems()):
        raise _NotKnown(problems[0])
    entry = next((one for _, one in found.entries()), None)
    return "" if entry is None else f"since {rfc3339(entry.revocation_date_utc)} ({reason_of(entry)})"


def _answered(answer: FetchedAnswer, lower: x509.Certificate, upper: x509.Certificate, now: datetime) -> str:
    body = _body(answer)
    try:
        response = ocsp.load_der_ocsp_response(body)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise _NotKnown(f"it answers {response.response_status.name.lower()}, by OCSP's own words")
        if not is_answered_by(response, upper, now):
            raise _NotKnown("its answer is signed by another")
        one = next((one for one in response.responses if one.serial_number == lower.serial_number), None)
    except UNDECODABLE as error:
        raise _NotKnown("it answers nothing in OCSP's form") from error
    if one is None or one.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise _NotKnown("it doesn't know the certificate")
    if one.this_update_utc > now + CLOCK_SKEW:
        raise _NotKnown(f"its answer begins at {rfc3339(one.this_update_utc)} only: compare the clocks")
    if (ends := one.next_update_utc or one.this_update_utc + _AGE) <= now:
        raise _NotKnown(f"its answer expired at {rfc3339(ends)}")
    since = one.revocation_time_utc
    return "" if since is None else f"since {rfc3339(since)}"
