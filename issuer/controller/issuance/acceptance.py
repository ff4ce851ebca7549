"""Verifies what came back of a signing, and holds it for delivery or has it revoked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from issuer.controller.delivery.delivering import Delivery
from issuer.controller.delivery.undelivered import Undelivered, check_findings
from issuer.controller.issuance.signing_work import CompareResult, SigningWork
from issuer.controller.state.health.ca_expiry import CAValidity, check_not_expired
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.health.shared_signer import SharedSigner
from issuer.controller.state.outcomes import Issued, Outcome, RequestFailed
from issuer.controller.state.pending import PendingDelivery
from issuer.controller.state.reasons import ControllerFailure
from issuer.requests.reason_message import Opening, with_reason
from issuer.signing.signer import Advisor, SignedCertificate, Signer
from issuer.signing.trusted_cas import check_own, trusted_chains
from issuer.telemetry.metrics import Metrics
from issuer.telemetry.tracing import span
from issuer.x509.certificates import Certificate
from issuer.x509.chains.anchors import Anchors
from issuer.x509.chains.bundle import Bundle, read_bundle, read_leaf
from issuer.x509.chains.chain import Chain, candidate_chains
from issuer.x509.describe import fingerprint
from issuer.x509.errors import ChainError
from issuer.x509.verification.findings import FindingCode, VerificationFinding

_CA_END: Final = frozenset(
    {FindingCode.ENDS_WITH_CA, FindingCode.OUTLIVES_CA, FindingCode.TOO_SHORT_TO_RENEW}
)
"""Findings that tell of a CA that ends sooner than was known."""


class _NotAsAsked(Exception):
    """A certificate that differs from what was asked, as these fatal findings say."""

    def __init__(self, findings: Sequence[VerificationFinding]) -> None:
        super().__init__("; ".join(one.message for one in findings))
        self.codes = frozenset(one.code for one in findings)


@dataclass(slots=True, eq=False)
class Acceptance:
    """Accepts signed certificates; what they tell of CAs and lives is kept in the registry."""

    registry: IssuerRegistry
    delivery: Delivery
    metrics: Metrics
    undelivered: Undelivered
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def accept(self, shared: SharedSigner, signed: SignedCertificate, work: SigningWork) -> Outcome:
        """Verify what came back; hold it for delivery, or have it revoked. Raises BadAnswer."""
        try:
            with span("verify"):
                chain, findings = await self._verified(shared, signed, work)
        except _NotAsAsked as error:
            serial = await self.undelivered.discard(work.call, shared, signed)
            return _not_delivered(error, serial, shared.signer)
        except asyncio.CancelledError:
            self.delivery.discarder.left_behind(work.request.key, signed.serial)
            raise
        except Exception as error:  # it was signed, and can't be delivered
            raise await self.undelivered.bad_answer(work.call, shared, signed, error) from error
        unexpected = [one for one in findings if not one.expected]
        differences = "; ".join(one.message for one in unexpected)
        codes = frozenset(one.code for one in unexpected)
        entry = self.registry.entry(work.issuer)
        signer = chain.cas[0]
        entry.longest_issued[work.asked.is_ca].note(
            work.asked.duration, signer.not_valid_after_utc - signer.not_valid_before_utc, self.now()
        )
        news = entry.is_news(codes, self.now())
        message = f"Issued by {work.issuer.quoted}, serial {signed.serial}"
        pending = PendingDelivery(
            key=work.request.key,
            uid=work.request.uid,
            issuer=work.issuer,
            shared=shared,
            leaf_pem=signed.leaf_pem,
            certificate_pem=chain.certificate_pem,
            ca_pem=chain.ca_pem,
            serial=signed.serial,
            message=f"{message}. Not as requested: {differences}" if differences else message,
            not_after=chain.leaf.not_valid_after_utc,
            audit=work.audit,
            approval=work.approval.message,
            news=differences if news else "",
        )
        work.audit.begin_writing()
        self.delivery.held.hold(pending)
        return Issued(pending)

    async def _verified(
        self, shared: SharedSigner, signed: SignedCertificate, work: SigningWork
    ) -> CompareResult:
        """The chain and what the CA decided otherwise.

        Raises _NotAsAsked where that must not be delivered. Any other error says nothing of the request:
        X509Error where something can't be read, and SigningErrors where the CA is none that the issuer
        trusts, or that can't be said now.
        """
        now = self.now()
        chains = trusted_chains(_chains(signed, now, shared.anchors), shared.anchors)
        chain, findings = work.preferred(chains, now)
        for one in findings:
            self.metrics.differences.labels(one.code, str(one.fatal).lower()).inc()
        fatal = [one for one in findings if one.fatal]
        check_findings(fatal)
        # First: what another CA decided says nothing of the request.
        await check_own(shared.signer, chain, is_ca=work.asked.is_ca)
        if fatal and not {one.code for one in fatal} <= _CA_END:
            raise _NotAsAsked(fatal)
        ends = max(one.not_after for one in chains)
        self._saw(chain.cas[0], ends, work)
        if fatal:
            check_not_expired(CAValidity(work.ca_place, ends, ends), None, now)
            raise _NotAsAsked(fatal)
        return chain, findings

    def _saw(self, signer: Certificate, ends: datetime, work: SigningWork) -> None:
        """Remember when the CA that signed this ends, for the next requests and for the warning."""
        entry = self.registry.find(work.issuer)
        if entry is not None and work.ca is not None:
            life = CAValidity(work.ca.path, signer.not_valid_before_utc, ends, fingerprint(signer))
            entry.saw_ca_validity(life, is_ca=work.asked.is_ca)


def _chains(signed: SignedCertificate, now: datetime, anchors: Anchors | None) -> tuple[Chain, ...]:
    leaf = read_leaf(signed.leaf_pem)
    cas = read_bundle(signed.ca_pems) if signed.ca_pems.strip() else Bundle(())
    try:
        return candidate_chains(leaf, cas.certificates, now, anchors)
    except ChainError as error:
        raise ChainError(cas.explains(error)) from error


def _advice(signer: Signer, codes: frozenset[str]) -> str:
    return signer.advice(codes) if isinstance(signer, Advisor) else "Check what signs for the issuer"


def _not_delivered(error: _NotAsAsked, serial: str, signer: Signer) -> RequestFailed:
    """Return the outcome of a certificate that is not what was asked for, by its findings."""
    rest = f"it was not delivered (serial {serial}). {_advice(signer, error.codes)}"
    if error.codes == {FindingCode.TOO_SHORT_TO_RENEW}:
        reason = ControllerFailure.TOO_SHORT_TO_RENEW
        return RequestFailed(with_reason(reason, f"{error}; {rest}"), reason)
    return RequestFailed(f"{Opening.NOT_AS_ASKED} ({error}); {rest}", ControllerFailure.NOT_AS_ASKED)
