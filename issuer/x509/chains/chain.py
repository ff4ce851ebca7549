"""Checked chains, built from a leaf and a heap of certificates (RFC 5280 section 6, without policies).

Every link is checked: names as raw bytes, signature, the CA flag, the right to sign certificates, path
length. Where there are several ways up (cross-signing), `ways_up` alone chooses, by the time it is given: so
an issuer's status names the chain that certificates are delivered with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from cryptography import x509

from issuer.text import counted
from issuer.x509.certificates import (
    MAX_CERTIFICATES,
    Certificate,
    basic_constraints,
    extension,
    information,
    public_key,
    write_certificates,
)
from issuer.x509.chains.anchors import Anchors
from issuer.x509.chains.links import ca_signed_by, is_proven, is_root, is_self_issued, signed_by
from issuer.x509.describe import subject_text
from issuer.x509.encoding.raw import RawCertificate
from issuer.x509.errors import ChainError
from issuer.x509.extensions import KEY_USAGE, may_sign_certificates

CLOCK_SKEW: Final = timedelta(minutes=5)
"""The most that notBefore may lie ahead."""
MAX_CAS: Final = 10
"""Most CAs in one chain."""
_MAX_LINKS: Final = 400
"""Most links that are tried; only a heap made for it needs more."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A leaf and the CAs above it, bottom up, each link checked.

    `complete` says that `top` is self-signed. Then `intermediates` ends below it; otherwise it ends with it,
    as the topmost CA known is no root.
    """

    leaf: Certificate
    intermediates: tuple[Certificate, ...]
    top: Certificate
    complete: bool

    @property
    def cas(self) -> tuple[Certificate, ...]:
        """All CAs, bottom up."""
        return (*self.intermediates, self.top) if self.complete else self.intermediates

    @property
    def certificate_pem(self) -> str:
        """Leaf and intermediates, without the root: what goes into `status.certificate`."""
        return write_certificates((self.leaf, *self.intermediates))

    @property
    def ca_pem(self) -> str:
        """The root, or the topmost CA known: what goes into `status.ca`."""
        return write_certificates((self.top,))

    @property
    def not_after(self) -> datetime:
        """The end of the CA that ends first."""
        return min(ca.not_valid_after_utc for ca in self.cas)


@dataclass(frozen=True, slots=True)
class Way:
    """The CAs above a leaf, bottom up, each link checked.

    `complete`: it ends in a root. `proven`: that root is signed by its own key for certain. `begins` is when
    the last of its CAs begins, `ends` when the first of them ends.
    """

    cas: tuple[Certificate, ...]
    complete: bool
    proven: bool
    begins: datetime
    ends: datetime

    @classmethod
    def of(cls, cas: tuple[Certificate, ...]) -> Way:
        """The way of these CAs."""
        begins = max(ca.not_valid_before_utc for ca in cas)
        ends = min(ca.not_valid_after_utc for ca in cas)
        complete = is_root(cas[-1])
        return cls(cas, complete, complete and is_proven(cas[-1]), begins, ends)

    @property
    def top(self) -> Certificate:
        """The root, or the topmost CA known."""
        return self.cas[-1]

    def is_current(self, now: datetime) -> bool:
        """Return True if no CA of it has ended, and all have begun."""
        return self.begins <= now + CLOCK_SKEW and now < self.ends

    def below(self, leaf: Certificate) -> Chain:
        """The chain that it makes with `leaf`."""
        return Chain(leaf, self.cas[:-1] if self.complete else self.cas, self.top, self.complete)


@dataclass(frozen=True, slots=True)
class SigningCA:
    """A CA that signs, with the ways up from it that its certificates get, the preferred one first."""

    ways: tuple[Way, ...]

    @property
    def not_after(self) -> datetime:
        """The latest end that a certificate of it can have: on the way that lasts longest."""
        return max(way.ends for way in self.ways)

    @property
    def roots(self) -> tuple[Certificate, ...]:
        """The roots that its ways end in, the preferred one first; none where no root is known."""
        return tuple(dict.fromkeys(way.top for way in self.ways if way.complete))

    def is_current(self, now: datetime) -> bool:
        """Return True if there is a way up without a CA that has ended or not begun."""
        return any(way.is_current(now) for way in self.ways)


def build_chain(leaf: Certificate, pool: Iterable[Certificate], now: datetime) -> Chain:
    """The preferred chain from `leaf` up through `pool` at `now`: see `candidate_chains`."""
    return candidate_chains(leaf, pool, now)[0]


def candidate_chains(
    leaf: Certificate, pool: Iterable[Certificate], now: datetime, anchors: Anchors | None = None
) -> tuple[Chain, ...]:
    """The chains from `leaf` up through `pool`, at least one, the preferred one first.

    Preferred as by `ways_up`, those that last as long as `leaf` before those that don't. What doesn't belong
    to a chain is left out. A chain ends early only where no certificate at hand signed its top; a signer that
    mustn't sign (no CA, path length) breaks it. Raises ChainError when no valid chain is left. Certificates
    must come from `bundle` or `certificates`.
    """
    others = _pool(one for one in pool if one != leaf)
    issuer = information(leaf).issuer
    signed: dict[bytes, bool] = {}  # the same CA may be there twice, cross-signed: one signature is enough
    signers = []
    for one in others:
        if _subject(one) == issuer:
            key = public_key(one)
            if key not in signed:
                signed[key] = signed_by(leaf, one)
            if signed[key]:
                signers.append(one)
    if not signers:
        raise ChainError(_why_no_signer(leaf, others))
    ways = ways_up(signers, others, now, until=leaf.not_valid_after_utc, anchors=anchors)
    return tuple(way.below(leaf) for way in ways)


def signing_ca(cas: Sequence[Certificate], now: datetime, anchors: Anchors | None = None) -> SigningCA:
    """The CA `cas[0]` with the ways up through `cas` that a leaf of it gets at `now`.

    Raises ChainError where none of its certificates would have a chain.
    """
    first, others = cas[0], _pool(cas)
    name, key = _subject(first), public_key(first)
    signers = [one for one in others if _subject(one) == name and public_key(one) == key]
    return SigningCA(ways_up(signers, others, now, until=now, anchors=anchors))


def ways_up(
    signers: Sequence[Certificate],
    pool: tuple[Certificate, ...],
    now: datetime,
    until: datetime,
    anchors: Anchors | None,
) -> tuple[Way, ...]:
    """The ways up from `signers`, certificates of one CA, through `pool`, the preferred one first.

    A way through a CA that has ended or not begun is not taken while there is another, nor one without any of
    `anchors` while one has them, nor one without its root while there is one with it. Of these, the ways that
    last `until` then come before those that don't, each in the order of `pool`: it is the operator's (Vault's
    `manual_chain`). Of ways that all end sooner, the one that ends last comes first. Raises ChainError where
    there is none.
    """
    problems: list[str] = []
    ways: list[Way] = []
    for signer in signers:
        above = _above(signer, pool)
        problems += above.problems
        ways += above.ways
    if not ways:
        raise ChainError("; ".join(dict.fromkeys(problems)) or "no chain was found")
    ways = [way for way in ways if way.is_current(now)] or ways
    if anchors is not None:
        ways = [way for way in ways if anchors.hold(way.cas)] or ways
    ways = [way for way in ways if way.proven] or [way for way in ways if way.complete] or ways
    lasting = [way for way in ways if until <= way.ends]
    ending = sorted((way for way in ways if way.ends < until), key=lambda way: way.ends, reverse=True)
    return (*lasting, *ending)


def _pool(certificates: Iterable[Certificate]) -> tuple[Certificate, ...]:
    found = tuple(dict.fromkeys(certificates))
    if len(found) > MAX_CERTIFICATES:
        raise ChainError(f"there are more than {MAX_CERTIFICATES} certificates to build a chain from")
    return found


@dataclass(frozen=True, slots=True)
class _Above:
    """The ways up from the CA that signed a leaf, in the pool's order, and why other ways ended."""

    ways: tuple[Way, ...]
    problems: tuple[str, ...]


# The same CAs stand above every leaf of an issuer, so what is above its signer is found once.
@lru_cache(maxsize=64)
def _above(signer: Certificate, pool: tuple[Certificate, ...]) -> _Above:
    search = _Search.of(pool)
    problem = _unfit(signer, ())
    if problem:
        return _Above((), (f"{_shown(signer)} {problem}",))
    ways = tuple(map(Way.of, search.paths((signer,))))
    return _Above(ways, tuple(search.problems))


@dataclass(slots=True)
class _Search:
    """One walk up from a CA. `links` counts what was tried, `problems` says why branches ended."""

    by_subject: dict[bytes, list[Certificate]]
    problems: list[str] = field(default_factory=list)
    links: int = 0

    @classmethod
    def of(cls, pool: Iterable[Certificate]) -> _Search:
        by_subject: dict[bytes, list[Certificate]] = {}
        for certificate in pool:
            by_subject.setdefault(_subject(certificate), []).append(certificate)
        return cls(by_subject)

    def paths(self, below: tuple[Certificate, ...]) -> Iterator[tuple[Certificate, ...]]:
        """The ways up from the last of `below`, each with `below` at its bottom."""
        child = below[-1]
        if is_root(child):
            yield below
            return
        named = self.by_subject.get(information(child).issuer, [])
        signers = [one for one in named if one not in below and self._signed(child, one)]
        if not signers:
            yield below
            return
        for signer in signers:
            problem = _unfit(signer, below)
            if problem:
                self.problems.append(f"{_shown(signer)} {problem}")
            else:
                yield from self.paths((*below, signer))

    def _signed(self, child: Certificate, signer: Certificate) -> bool:
        self.links += 1
        if self.links > _MAX_LINKS:
            raise ChainError(
                "the certificates are too entangled to build a chain; give only those of this CA"
            )
        return ca_signed_by(child, signer)


def _why_no_signer(leaf: Certificate, pool: tuple[Certificate, ...]) -> str:
    found = information(leaf)
    if found.issuer == found.subject and signed_by(leaf, leaf):
        return "the certificate is self-signed; no CA stands behind it"
    if any(_subject(one) == found.issuer for one in pool):
        return "the certificate's signature doesn't verify with any CA that has its issuer's name"
    return "no certificate at hand has the name of the issuer; the CA's own certificate is missing"


def _unfit(signer: Certificate, below: tuple[Certificate, ...]) -> str | None:
    """Return why `signer` mustn't stand above `below`, or None (RFC 5280 sections 4.2.1.3 and 4.2.1.9)."""
    try:
        constraints, usage = basic_constraints(signer), extension(signer, KEY_USAGE)
        may_sign = usage is None or may_sign_certificates(usage)
    except ValueError as error:
        return f"signed the certificate below it, but its CA rights can't be read: {error}"
    if _is_old(signer):
        if not is_root(signer):
            return "signed the certificate below it, but is not a CA: only roots may be of version 1 or 2"
        if not information(signer).extensions:
            return None
    if constraints is None or not constraints.ca:
        return "signed the certificate below it, but is not a CA (basicConstraints)"
    if not may_sign:
        return "is a CA whose key usage doesn't allow signing certificates"
    between = sum(1 for ca in below if not is_self_issued(ca))
    if constraints.path_length is not None and between > constraints.path_length:
        return f"allows {counted(constraints.path_length, 'CA')} below it, but the chain has {between}"
    if len(below) >= MAX_CAS:
        return f"would be CA number {len(below) + 1} of the chain; at most {MAX_CAS} are allowed"
    return None


def _is_old(certificate: Certificate) -> bool:
    """Return True for version 1 or 2, which has no extensions to say that it is a CA.

    Go and OpenSSL accept such a root, and no such intermediate (RFC 5280 section 6.1.4 (k)).
    """
    if isinstance(certificate, RawCertificate):
        return certificate.version < 3
    return certificate.version is x509.Version.v1


def _subject(certificate: Certificate) -> bytes:
    return information(certificate).subject


def _shown(certificate: Certificate) -> str:
    return f"the certificate of {subject_text(certificate)[:200] or 'no subject'}"
