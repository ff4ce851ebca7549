"""The two-method seam between controllers and signing backends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, runtime_checkable

from issuer.signing.lives import NO_BOUNDS, LifeBounds
from issuer.x509.certificates import Certificate


def _go_ahead() -> None:
    """Allow every call."""


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """One request to sign.

    `csr_pem` has been read and its signature verified by the caller; `duration` None leaves the lifetime to
    the backend; `usages` are cert-manager's names. `path_length` is the number of CAs allowed below a CA,
    without meaning for others. `before_sending` is called each time that it is sent to be signed, when it is
    connected and nothing but the bytes is left; its exceptions pass through, and nothing is sent.
    """

    csr_pem: str = field(repr=False)
    duration: timedelta | None
    usages: frozenset[str]
    is_ca: bool
    path_length: int = 0
    before_sending: Callable[[], None] = field(default=_go_ahead, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class SignedCertificate:
    """A backend's certificate, not verified yet.

    `ca_pems` are the CAs it sent, concatenated PEM (maybe empty, maybe with the root); `serial` is lower-case
    hex in pairs with colons.
    """

    leaf_pem: str = field(repr=False)
    ca_pems: str = field(repr=False)
    serial: str


@dataclass(frozen=True, slots=True)
class Health:
    """The result of a successful check.

    `ca_pem` is the backend's CA chain; `warnings` are sentences for the issuer's status; `check_again_in` is
    the seconds until its login needs the next check, None if it needs none. `authority_pem` is the chain of
    the CA that signs CA certificates, None if none are signed. Where the backend can't tell which CA signs,
    `ca_pem` is the likeliest, and `ca_assumed` says, in a sentence or two, what to do if it is another.
    `lives` are the bounds of what is signed, as far as the backend tells them: requests are held to them
    before they are sent. `clock` is by how much its clock is ahead of ours, None where it tells none.
    """

    ca_pem: str = field(repr=False)
    warnings: tuple[str, ...] = ()
    check_again_in: float | None = None
    authority_pem: str | None = field(default=None, repr=False)
    ca_assumed: str = ""
    lives: LifeBounds = NO_BOUNDS
    clock: timedelta | None = None


class Signer(Protocol):
    """A configured backend of one issuer."""

    async def check(self) -> Health:
        """Prove that signing would work, without signing. Raises Retry, IssuerUnavailable or IssuerBroken."""
        ...

    async def sign(self, request: SigningRequest) -> SignedCertificate:
        """Sign one request once. Raises Retry, Failed, IssuerUnavailable, IssuerBroken, or BadAnswer where no
        answer says if it was signed."""
        ...

    async def close(self) -> None:
        """Let connections go; whatever was signed stays valid."""
        ...


@runtime_checkable
class KeepsLogin(Protocol):
    """A signer that logs in and keeps what that brought."""

    def login_ends_in(self) -> float | None:
        """Return the seconds until its login ends by itself; None where there is none, or it never ends."""
        ...


@runtime_checkable
class KnowsItsCAs(Protocol):
    """A signer that can tell its own CAs from others'."""

    async def knows(self, cas: Sequence[Certificate], *, is_ca: bool) -> bool:
        """Return True if all of these CAs are the backend's own where such certificates are signed.

        Asks the backend again before it says no, so that a CA made meanwhile is known. Raises Retry or
        IssuerBroken.
        """
        ...


@dataclass(frozen=True, slots=True)
class OwnCAs:
    """The certificates of all CAs of a backend, concatenated PEM, in no order.

    `problem` is a sentence on why some may be missing, and how to change that; "" if none is.
    """

    pem: str = field(repr=False)
    problem: str = ""


@runtime_checkable
class NamesItsCAs(Protocol):
    """A signer that can name all CAs whose certificates may be delivered, and the roots above them."""

    async def own_cas(self) -> OwnCAs:
        """Read them anew. Raises Retry, IssuerUnavailable or IssuerBroken."""
        ...


@runtime_checkable
class Advisor(Protocol):
    """A signer with advice on what to change at its backend when certificates come out wrong."""

    def advice(self, codes: frozenset[str]) -> str:
        """Return sentences on what to change for differences with these codes
        (`x509.verification.findings.FindingCode`)."""
        ...


@runtime_checkable
class Revoker(Protocol):
    """A signer that can also take back what it signed."""

    async def revoke(self, certificate_pem: str, *, is_ca: bool | None = None) -> None:
        """Revoke one certificate where it was signed. Raises Retry, NotRevoked (not found, not
        allowed), IssuerUnavailable or IssuerBroken.

        `is_ca` says whether its request asked for a CA; None takes the certificate's own word, which holds
        for those that were verified.
        """
        ...
