"""Signing calls whose certificate can't be delivered: revoked where it is there, and put on record."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from issuer.bounded import LruCache
from issuer.controller.delivery.discarding import Cause, DiscardedCertificate, Discarder
from issuer.controller.state.defects import Defects
from issuer.controller.state.health.shared_signer import SharedSigner
from issuer.requests.request import Request
from issuer.signing.outcomes import AnswerFault, BadAnswer, Retry, SigningError
from issuer.signing.signer import SignedCertificate, SigningRequest
from issuer.telemetry.metrics import Metrics
from issuer.x509.certificates import Certificate, public_key
from issuer.x509.chains.bundle import read_leaf
from issuer.x509.describe import serial_hex
from issuer.x509.errors import ChainError, X509Error
from issuer.x509.verification.findings import FindingCode, VerificationFinding
from issuer.x509.verification.requested import RequestedCertificate

log = structlog.get_logger(__name__)

BACKDATED: Final = timedelta(seconds=90)
"""The most by which a CA sets the beginning before the moment of signing, and by which clocks differ, for a
certificate to count as signed by our call: Vault backdates by 30 s, step-ca by a minute."""

_INTERRUPTED: Final = "interrupted"
_REMEMBERED: Final = 10_000  # requests whose attempts behind a failing proxy have a line

_FAULTS: Final = {
    FindingCode.PUBLIC_KEY_DIFFERS: AnswerFault.ANOTHER_KEY,
    FindingCode.CHAIN_NOT_VALID: AnswerFault.BAD_CHAIN,
    FindingCode.NOT_YET_VALID: AnswerFault.BAD_TIME,
    FindingCode.EXPIRED: AnswerFault.BAD_TIME,
}
"""Findings that say nothing of what was asked for: any request could have met them."""

_ADVICE: Final = (
    "Look at what stands between the controller and the CA: something mixes up, changes or cuts answers, or "
    "answers itself"
)

_CLOCKS: Final = "Set the clock of the CA's server, or of the controller's node, whichever is wrong"


@dataclass(slots=True, eq=False)
class SigningCall:
    """One signing call for one request.

    `began` is when it was handed to the signer, and then when it was last sent; `sent` is True while a CA may
    have seen it.
    """

    request: Request
    asked: RequestedCertificate
    now: Callable[[], datetime]
    sent: bool = False
    began: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.now()

    def watched(self, wanted: SigningRequest) -> SigningRequest:
        """Return the request to sign, which notes here when it is sent."""

        def before_sending() -> None:
            self.sent = False  # what was sent before was refused, or it would not be sent again
            wanted.before_sending()
            self.sent, self.began = True, self.now()

        self.sent, self.began = False, self.now()
        return replace(wanted, before_sending=before_sending)


@dataclass(slots=True, eq=False)
class Undelivered:
    """Settles signing calls that brought nothing that could be delivered."""

    discarder: Discarder
    metrics: Metrics
    defects: Defects
    _told: LruCache[str, None] = field(default_factory=lambda: LruCache(_REMEMBERED))

    @contextmanager
    def watching(self, call: SigningCall) -> Iterator[None]:
        """Around a signing call: put on record that it may have been signed, where no answer says so.

        An error that is no outcome of signing becomes a BadAnswer if the call was sent.
        """
        try:
            yield
        except BadAnswer as error:
            self.unknown(call, error.fault)
            raise
        except SigningError as error:
            if isinstance(error, Retry) and error.may_have_signed:
                self._behind_a_proxy(call)
            raise
        except asyncio.CancelledError:
            if call.sent:
                self.unknown(call, _INTERRUPTED)
            raise
        except Exception as error:
            if not call.sent:
                raise
            self.unknown(call, AnswerFault.UNREADABLE)
            raise self._unexpected(call, error) from error

    def unknown(self, call: SigningCall, fault: str) -> None:
        """Put on record that a certificate may have been signed which nobody has seen, by its public key."""
        self.metrics.outcomes_unknown.labels(fault).inc()
        log.warning(
            "outcome unknown",
            request=str(call.request.key),
            uid=call.request.uid,
            issuer=str(call.request.issuer_if_any or ""),
            public_key_sha256=hashlib.sha256(call.asked.request.public_key).hexdigest(),
            fault=str(fault),
        )

    def _behind_a_proxy(self, call: SigningCall) -> None:
        """Put it on record once: in an outage there are many such attempts, all of one key."""
        uid = call.request.uid
        if uid not in self._told:
            self._told.put(uid, None)
            self.unknown(call, AnswerFault.LOST)

    async def discard(self, call: SigningCall, shared: SharedSigner, signed: SignedCertificate) -> str:
        """Revoke what the CA decided otherwise than asked; return its serial."""
        await self._revoke(call, shared, signed, signed.serial, Cause.UNVERIFIED)
        return signed.serial

    async def bad_answer(
        self, call: SigningCall, shared: SharedSigner, signed: SignedCertificate, error: Exception
    ) -> BadAnswer:
        """Settle a certificate that came back and says nothing of the request; return the outcome.

        It is revoked if our call may have made it, and else left alone, as somebody else may use it: nobody
        uses one of this request's key that is not of this time.
        """
        outcome = self._outcome(call, error)
        leaf = _leaf(signed)
        if leaf is None:
            self.unknown(call, AnswerFault.UNREADABLE)
            return outcome
        if outcome.fault is AnswerFault.ANOTHER_KEY:
            self.unknown(call, outcome.fault)  # the one for our key may be anywhere
        serial = serial_hex(leaf)
        if outcome.fault is AnswerFault.BAD_TIME or leaf.not_valid_before_utc >= call.began - BACKDATED:
            await self._revoke(call, shared, signed, serial, Cause.BAD_ANSWER)
        else:
            self.discarder.not_ours(call.request.key, serial)
        return outcome

    async def _revoke(
        self, call: SigningCall, shared: SharedSigner, signed: SignedCertificate, serial: str, cause: Cause
    ) -> None:
        discarded = DiscardedCertificate(call.request.key, serial, signed.leaf_pem, call.asked.is_ca)
        await self.discarder.revoke(shared, discarded, cause)

    def _outcome(self, call: SigningCall, error: Exception) -> BadAnswer:
        match error:
            case BadAnswer():
                return error
            case SigningError():  # the backend could not say whose CA it is
                message = f"a certificate came back, and nothing says now whose CA signed it: {error}"
                return BadAnswer(AnswerFault.ANOTHER_CA, message.rstrip("."))
            case ChainError():
                return _bad(AnswerFault.BAD_CHAIN, f"with a chain that does not hold: {error}")
            case X509Error():
                return _bad(AnswerFault.UNREADABLE, f"that can't be read: {error}")
        return self._unexpected(call, error)

    def _unexpected(self, call: SigningCall, error: Exception) -> BadAnswer:
        self.defects.note("requests", call.request.key, error)
        return _bad(AnswerFault.UNREADABLE, "that can't be read; see the controller's log")


def check_findings(fatal: Iterable[VerificationFinding]) -> None:
    """Raise BadAnswer if one of these fatal findings says nothing of the request."""
    for finding in fatal:
        fault = _FAULTS.get(finding.code)
        if fault is not None:
            raise _bad(fault, f"that can't be delivered: {finding.message}")


def _bad(fault: AnswerFault, what: str) -> BadAnswer:
    advice = _CLOCKS if fault is AnswerFault.BAD_TIME else _ADVICE
    return BadAnswer(fault, f"a certificate came back {what.rstrip('.')}. {advice}")


def _leaf(signed: SignedCertificate) -> Certificate | None:
    """Return the certificate, None if it can't be read."""
    try:
        leaf = read_leaf(signed.leaf_pem)
        public_key(leaf)
    except Exception:  # noqa: BLE001 - whatever it is, there is nothing to revoke by
        return None
    return leaf
