"""CAs that the clients of an endpoint trust, and CAs that are only known. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from issuer.tls import MAX_CA_BUNDLE_BYTES
from issuer.x509.certificates import Certificate, decode
from issuer.x509.chains.bundle import certificate_blocks, certificate_der
from issuer.x509.chains.forms import certificates_as_pem
from issuer.x509.chains.links import is_root
from issuer.x509.describe import fingerprint
from issuer.x509.errors import InvalidCertificate

MAX_AUTHORITIES: Final = 500
"""The most CAs of one bundle: an operating system has some 150."""


def read_authorities(data: bytes) -> tuple[Certificate, ...]:
    """Return the CAs of a file, as large as a system's; those that can't be read are left out.

    Raises InvalidCertificate if none can, and for what is no such bundle.
    """
    found: list[Certificate] = []
    problem: InvalidCertificate | None = None
    for block in certificate_blocks(certificates_as_pem(data), MAX_CA_BUNDLE_BYTES, MAX_AUTHORITIES):
        try:
            found.append(decode(certificate_der(block)))
        except InvalidCertificate as error:
            problem = problem or error
    if problem is not None and not found:
        raise problem
    return tuple(found)


class NoSuchRoot(ValueError):
    """A fingerprint that no certificate of the source has; the message names it."""


@dataclass(frozen=True, slots=True)
class EndpointTrust:
    """The CAs that clients trust.

    Attributes:
        where: where they are from, for messages, as the end of "isn't among those of ...".
        roots: those that are trusted; None for those of this machine.
        known: CAs that the source has besides. They complete no chain, as clients don't have them: they tell
            which one isn't sent.
        pins: SHA-256 of certificates that are trusted if the server sends them.
    """

    where: str = "this machine"
    roots: tuple[Certificate, ...] | None = None
    known: tuple[Certificate, ...] = ()
    pins: frozenset[str] = frozenset()

    @classmethod
    def of(cls, certificates: Iterable[Certificate], where: str) -> EndpointTrust:
        """Return the trust of a source: of its roots, or of all its CAs if it has no root."""
        found = tuple(dict.fromkeys(certificates))
        roots = tuple(one for one in found if is_root(one))
        return cls(where, roots or found, tuple(one for one in found if one not in roots) if roots else ())

    def pinned(self, pins: Iterable[str]) -> EndpointTrust:
        """Return the trust of those with these fingerprints alone, or what the server sends for no source.

        Raises NoSuchRoot.
        """
        wanted = frozenset(pins)
        if not wanted or self.roots is None:
            return EndpointTrust("the fingerprints given", (), (), wanted) if wanted else self
        every = {fingerprint(one): one for one in (*self.roots, *self.known)}
        for one in wanted:
            if one not in every:
                raise NoSuchRoot(f"{self.where} has no certificate with the SHA-256 {one}")
        chosen = tuple(every[one] for one in every if one in wanted)
        return EndpointTrust(self.where, chosen, tuple(one for one in every.values() if one not in chosen))

    def sent(self, chain: Iterable[Certificate]) -> tuple[Certificate, ...]:
        """Return the certificates of a chain that are trusted by their fingerprints."""
        return tuple(one for one in chain if fingerprint(one) in self.pins)
