"""From a leaf and a heap of certificates to a checked chain (RFC 5280 section 6, without time and policies).

Every link is checked: names as raw bytes, signature, the CA flag, the right to sign certificates, path
length. Time is `verify`'s matter, as this module has no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from issuer.x509.certificates import (
    MAX_CERTIFICATES,
    basic_constraints,
    information,
    read_certificates,
    write_certificates,
)
from issuer.x509.describe import subject_text
from issuer.x509.errors import LIBRARY_ERRORS, ChainError

E = TypeVar("E", bound=x509.ExtensionType)

__all__ = ["Chain", "build_chain", "read_certificates"]

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

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    top: x509.Certificate
    complete: bool

    @property
    def cas(self) -> tuple[x509.Certificate, ...]:
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
        """When the first of the CAs ends."""
        return min(ca.not_valid_after_utc for ca in self.cas)


def build_chain(leaf: x509.Certificate, pool: Iterable[x509.Certificate]) -> Chain:
    """The best chain from `leaf` up through `pool`, in whatever order that is; what doesn't belong is left
    out.

    A complete chain is better than one without its root, then one that ends later, then a shorter one. A
    chain ends early only where no certificate at hand signed its top; a signer that mustn't sign (no CA, path
    length) breaks it. Raises ChainError when no valid chain is left. Certificates must come from
    `read_certificates`.
    """
    others = tuple(certificate for certificate in dict.fromkeys(pool) if certificate != leaf)
    if len(others) > MAX_CERTIFICATES:
        raise ChainError(f"there are more than {MAX_CERTIFICATES} certificates to build a chain from")
    issuer = information(leaf).issuer
    signers = [one for one in others if _subject(one) == issuer and signed_by(leaf, one)]
    if not signers:
        raise ChainError(_why_no_signer(leaf, others))
    problems: list[str] = []
    chains: list[Chain] = []
    for signer in signers:
        above = _above(signer, others)
        problems += above.problems
        chains += [_chain(leaf, path) for path in above.paths]
    if not chains:
        raise ChainError("; ".join(dict.fromkeys(problems)) or "no chain was found")
    return max(chains, key=lambda chain: (chain.complete, chain.not_after, -len(chain.cas)))


def first_end(cas: Sequence[x509.Certificate]) -> datetime:
    """When the first CA ends of the best chain above and with `cas[0]`; what doesn't belong to it is left
    out."""
    own = cas[0].not_valid_after_utc
    if _is_self_signed(cas[0]):
        return own
    try:
        return min(own, build_chain(cas[0], cas[1:]).not_after)
    except ChainError:
        return own  # the CAs above it aren't known here


@dataclass(frozen=True, slots=True)
class _Above:
    """The ways up from the CA that signed a leaf, bottom up, and why other ways ended."""

    paths: tuple[tuple[x509.Certificate, ...], ...]
    problems: tuple[str, ...]


# The same CAs stand above every leaf of an issuer, so what is above its signer is found once.
@lru_cache(maxsize=64)
def _above(signer: x509.Certificate, pool: tuple[x509.Certificate, ...]) -> _Above:
    search = _Search.of(pool)
    problem = _unfit(signer, ())
    if problem:
        return _Above((), (f"{_shown(signer)} {problem}",))
    return _Above(tuple(search.paths((signer,))), tuple(search.problems))


@dataclass(slots=True)
class _Search:
    """One walk up from a CA. `links` counts what was tried, `problems` says why branches ended."""

    by_subject: dict[bytes, list[x509.Certificate]]
    problems: list[str] = field(default_factory=list)
    links: int = 0

    @classmethod
    def of(cls, pool: Iterable[x509.Certificate]) -> _Search:
        by_subject: dict[bytes, list[x509.Certificate]] = {}
        for certificate in pool:
            by_subject.setdefault(_subject(certificate), []).append(certificate)
        return cls(by_subject)

    def paths(self, below: tuple[x509.Certificate, ...]) -> Iterator[tuple[x509.Certificate, ...]]:
        """The ways up from the last of `below`, each with `below` at its bottom."""
        child = below[-1]
        if _is_self_signed(child):
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

    def _signed(self, child: x509.Certificate, signer: x509.Certificate) -> bool:
        self.links += 1
        if self.links > _MAX_LINKS:
            raise ChainError(
                "the certificates are too entangled to build a chain; give only those of this CA"
            )
        return _ca_signed_by(child, signer)


def _why_no_signer(leaf: x509.Certificate, pool: tuple[x509.Certificate, ...]) -> str:
    found = information(leaf)
    if found.issuer == found.subject and signed_by(leaf, leaf):
        return "the certificate is self-signed; no CA stands behind it"
    if any(_subject(one) == found.issuer for one in pool):
        return "the certificate's signature doesn't verify with any CA that has its issuer's name"
    return "no certificate at hand has the name of the issuer; the CA's own certificate is missing"


def _chain(leaf: x509.Certificate, path: tuple[x509.Certificate, ...]) -> Chain:
    complete = _is_self_signed(path[-1])
    return Chain(leaf, path[:-1] if complete else path, path[-1], complete)


def _unfit(signer: x509.Certificate, below: tuple[x509.Certificate, ...]) -> str | None:
    """Why `signer` mustn't stand above `below`, or None (RFC 5280 sections 4.2.1.3 and 4.2.1.9)."""
    constraints = basic_constraints(signer)
    if constraints is None or not constraints.ca:
        return "signed the certificate below it, but is not a CA (basicConstraints)"
    usage = _extension(signer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return "is a CA whose key usage doesn't allow signing certificates"
    counted = sum(1 for ca in below if not is_self_issued(ca))
    if constraints.path_length is not None and counted > constraints.path_length:
        return f"allows {constraints.path_length} CAs below it, but the chain has {counted}"
    if len(below) >= MAX_CAS:
        return f"would be CA number {len(below) + 1} of the chain; at most {MAX_CAS} are allowed"
    return None


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    for extension in certificate.extensions:
        if isinstance(extension.value, kind):
            return extension.value
    return None


def signed_by(child: x509.Certificate, signer: x509.Certificate) -> bool:
    """Whether `signer` has the name of `child`'s issuer, and its key made `child`'s signature."""
    try:
        child.verify_directly_issued_by(signer)
    except (InvalidSignature, *LIBRARY_ERRORS):
        return False
    return True


@lru_cache(maxsize=256)
def _ca_signed_by(child: x509.Certificate, signer: x509.Certificate) -> bool:
    # The same few CA links stand above every leaf; remembering them saves most of the chain's cost.
    return signed_by(child, signer)


def is_self_issued(certificate: x509.Certificate) -> bool:
    """Whether issuer and subject are the same name (RFC 5280 section 6.1): such ones aren't counted."""
    found = information(certificate)
    return found.issuer == found.subject


def _is_self_signed(certificate: x509.Certificate) -> bool:
    return is_self_issued(certificate) and _ca_signed_by(certificate, certificate)


def _subject(certificate: x509.Certificate) -> bytes:
    return information(certificate).subject


def _shown(certificate: x509.Certificate) -> str:
    return f"the certificate of {subject_text(certificate)[:200] or 'no subject'}"
