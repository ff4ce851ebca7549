"""One request on its way to the CA and back: what is asked for, and how the answer is compared with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from issuer.controller.approval.approver import Approval
from issuer.controller.delivery.undelivered import SigningCall
from issuer.controller.state.audit import AuditRecord
from issuer.controller.state.health.ca_expiry import CAValidity
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import Request
from issuer.signing import outcomes as signing
from issuer.signing.lives import TooLong
from issuer.signing.signer import SigningRequest
from issuer.x509.chains.chain import Chain
from issuer.x509.verification.findings import VerificationFinding
from issuer.x509.verification.requested import RequestedCertificate
from issuer.x509.verification.verify import verify

CompareResult = tuple[Chain, tuple[VerificationFinding, ...]]
"""A chain, and how its certificate differs from what was asked."""


@dataclass(frozen=True, slots=True, eq=False)
class SigningWork:
    """One request: what was asked, what is sent, and what the answer is compared with.

    `ca` is the CA that signs, as far as is known. `named_duration` is that of the request itself, None where
    it names none.
    """

    request: Request
    asked: RequestedCertificate
    issuer: IssuerKey
    wanted: SigningRequest
    ca: CAValidity | None
    strict: bool
    ca_expiry: Literal["Refuse", "Shorten"]
    approval: Approval
    audit: AuditRecord
    call: SigningCall
    too_long: TooLong
    named_duration: timedelta | None

    @property
    def ca_place(self) -> str:
        """The path behind which the CA is, or the issuer where that isn't known."""
        return str(self.issuer) if self.ca is None else self.ca.path

    def refusing_ca(self, error: signing.CAEndsTooSoon) -> CAValidity | None:
        """Return the life of the CA that the backend refused for, or else of the one that is known."""
        ends = error.ca_ends
        if ends is None:
            return self.ca
        return CAValidity(self.ca_place, ends if self.ca is None else self.ca.begins, ends)

    def preferred(self, chains: Sequence[Chain], now: datetime) -> CompareResult:
        """Return the first chain in which nothing is fatal, else the first.

        The CAs of one way up may allow the certificate (name constraints, path length) where those of another
        don't.
        """
        compared = (self._compared(chain, now) for chain in chains)
        first = next(compared)
        if not _is_fatal(first[1]):
            return first
        return next((one for one in compared if not _is_fatal(one[1])), first)

    def _compared(self, chain: Chain, now: datetime) -> CompareResult:
        allowance = self.approval.allowance
        return chain, verify(
            chain,
            self.asked,
            now,
            allowed=None if allowance is None else allowance.usages,
            strict=self.strict,
            shorten=self.ca_expiry == "Shorten",
            any_life=self.wanted.duration is None,
        )


def _is_fatal(findings: Sequence[VerificationFinding]) -> bool:
    return any(one.fatal for one in findings)
