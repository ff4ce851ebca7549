"""A CA as Vault holds it: chain up to a root, dates, key, and the pointers that it carries. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from issuer.pki.authorities.parts import is_ca, read_cas
from issuer.pki.errors import PkiError
from issuer.text import rfc3339
from issuer.x509.certificates import unread_part
from issuer.x509.chains.chain import signing_ca
from issuer.x509.chains.links import signed_by
from issuer.x509.errors import ChainError


def chain_problems(read: Mapping[str, Any], now: datetime, *, whole: bool) -> Iterator[str]:
    """Yield what is wrong with a CA whose `issuer/NAME` was read: a line each. A `whole` chain has a root."""
    if not read.get("key_id"):
        yield "Vault doesn't hold its key, so it can sign nothing"
    try:
        chain = read_cas(read.get("ca_chain") or (), "its chain")
    except PkiError as error:
        yield str(error)
        return
    if not chain:
        yield "Vault gives no chain for it"
        return
    if unread := next(_unread(chain), ""):
        yield unread
        return
    for certificate in _way_of(chain, now, whole=whole):
        yield from ca_problems(certificate, now)
    for number, upper in enumerate(chain[1:], 1):
        if not any(signed_by(lower, upper) for lower in chain[:number]):  # cross-signed: two are above one
            yield (
                f"its chain is broken: {chain[number - 1].subject.rfc4514_string()} is not signed by "
                f"{upper.subject.rfc4514_string()}"
            )
    if whole and not any(signed_by(one, one) for one in chain):
        yield f"its chain ends at {chain[-1].subject.rfc4514_string()}, which is no root"


def _unread(chain: Sequence[x509.Certificate]) -> Iterator[str]:
    for number, certificate in enumerate(chain, 1):
        if part := unread_part(certificate):
            yield f"of certificate {number} of its chain {part}: the chain can't be checked here"


def _way_of(chain: Sequence[x509.Certificate], now: datetime, *, whole: bool) -> Sequence[x509.Certificate]:
    """Return the CAs of a way up that holds now, all of `chain` if there is none.

    Vault's ca_chain also has those of other ways, such as a root's older certificate for its key.
    """
    for way in ways_above(chain, (), now)[0]:
        holds = way.cas[0] == chain[0] and not any(any(ca_problems(one, now)) for one in way.cas)
        if holds and (way.complete or not whole):
            return way.cas
    return chain


@dataclass(frozen=True, slots=True)
class CAWay:
    """The CAs of a way up, bottom up, when the first of them ends, and if it ends in a root."""

    cas: tuple[x509.Certificate, ...]
    ends: datetime
    complete: bool

    @property
    def top(self) -> x509.Certificate:
        """The root, or the topmost CA known."""
        return self.cas[-1]


def ways_above(
    chain: Sequence[x509.Certificate], beside: Iterable[x509.Certificate], now: datetime
) -> tuple[list[CAWay], str]:
    """Return the ways from a CA, first of `chain`, up to its tops, as clients verify them, the one that is
    delivered first; and what is wrong where there is none. Of `beside` the roots alone are used, as clients
    have those."""
    try:
        found = signing_ca([*chain, *(one for one in beside if signed_by(one, one))], now)
    except ChainError as error:
        return [], str(error)
    cas = [tuple(one for one in way.cas if isinstance(one, x509.Certificate)) for way in found.ways]
    return [CAWay(of, way.ends, way.complete) for of, way in zip(cas, found.ways, strict=True)], ""


def ca_problems(certificate: x509.Certificate, now: datetime) -> Iterator[str]:
    """Yield what keeps one certificate from being that of a CA now."""
    name = certificate.subject.rfc4514_string()
    if now >= certificate.not_valid_after_utc:
        yield f"{name} expired at {rfc3339(certificate.not_valid_after_utc)}"
    if now < certificate.not_valid_before_utc:
        yield f"{name} is not valid before {rfc3339(certificate.not_valid_before_utc)}; check the clocks"
    if not is_ca(certificate):
        yield f"{name} is no CA (basic constraints)"


def pointer_problems(certificate: x509.Certificate, urls: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the kinds of pointers that differ from `config/urls` of the mount that signed, as it is now.

    Templated URLs are not compared: they name the issuer.
    """
    if urls is None or urls.get("enable_templating"):
        return
    for field, carried in (
        ("issuing_certificates", access_urls(certificate, AuthorityInformationAccessOID.CA_ISSUERS)),
        ("ocsp_servers", access_urls(certificate, AuthorityInformationAccessOID.OCSP)),
        ("crl_distribution_points", crl_urls(certificate)),
    ):
        wanted = sorted(str(one) for one in urls.get(field) or ())
        if sorted(carried) != wanted:
            yield (
                f"its certificate was signed with {field} {_listed(carried)}, and the mount that signed has "
                f"{_listed(wanted)} now; a new certificate would take it"
            )


def access_urls(certificate: x509.Certificate, method: x509.ObjectIdentifier) -> list[str]:
    """Return the URLs of authority information access for one method."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return []
    return [
        one.access_location.value
        for one in found
        if one.access_method == method and isinstance(one.access_location, x509.UniformResourceIdentifier)
    ]


def crl_urls(certificate: x509.Certificate) -> list[str]:
    """Return the URLs of a certificate's CRL distribution points."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return []
    names = [name for point in points for name in point.full_name or ()]
    return [one.value for one in names if isinstance(one, x509.UniformResourceIdentifier)]


def _listed(values: Sequence[str]) -> str:
    return ", ".join(values) or "none"
