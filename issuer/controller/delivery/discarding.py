"""Signed certificates that are not delivered: revoked where the backend can, and on record in any case."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from issuer.controller.state.health.shared_signer import SharedSigner
from issuer.requests.request import RequestKey
from issuer.signing.outcomes import IssuerUnavailable, Retry, SigningError
from issuer.signing.signer import Revoker
from issuer.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

_REVOCATION_TRIES = 4


class Cause(Enum):
    """Cause for which a signed certificate is not delivered."""

    DELETED = "its request was deleted"
    DENIED = "its request was denied"
    ANSWERED = "its request was answered by somebody else"
    UNVERIFIED = "it is not what was asked for"
    BAD_ANSWER = "it came in an answer that can't be delivered"
    REFUSED = "the API server refused its request's status"
    STOPPED = "the controller stopped before it could be written"
    TOO_LARGE = "its request would be too large with it for the API server"


@dataclass(frozen=True, slots=True)
class DiscardedCertificate:
    """A certificate that is not delivered to its request.

    `is_ca` says whether the request asked for a CA; None for a verified one, whose own word is enough.
    """

    key: RequestKey
    serial: str
    leaf_pem: str
    is_ca: bool | None = None


@dataclass(slots=True, eq=False)
class Discarder:
    """Revokes certificates that are not delivered, and logs the serial of each with the cause."""

    metrics: Metrics

    async def revoke(self, shared: SharedSigner, discarded: DiscardedCertificate, cause: Cause) -> None:
        """Revoke a certificate by the signer that made it; never raises but when cancelled, always logs."""
        refused: str | None = "it was interrupted"
        try:
            refused = await _try_revoking(shared, discarded)
        finally:
            self._log(discarded.key, discarded.serial, cause, refused)

    def not_ours(self, key: RequestKey, serial: str) -> None:
        """Log a certificate that came back though it began before our call: it may be in use elsewhere."""
        self._log(key, serial, Cause.BAD_ANSWER, "it began before it was asked for")

    def in_use(self, key: RequestKey, serial: str, why: str) -> None:
        """Log a certificate that isn't revoked at the end of the controller, as its request may have it."""
        self._log(key, serial, Cause.STOPPED, why)

    def left_behind(self, key: RequestKey, serial: str) -> None:
        """Log the serial of a certificate that was signed and may never be written or revoked."""
        log.warning("certificate left behind", request=str(key), serial=serial)

    def _log(self, key: RequestKey, serial: str, cause: Cause, refused: str | None) -> None:
        self.metrics.discarded.labels(cause.name.lower(), str(refused is None).lower()).inc()
        log.warning(
            "certificate not delivered",
            request=str(key),
            serial=serial,
            cause=cause.value,
            revoked=refused is None,
            **({} if refused is None else {"not_revoked_because": refused}),
        )


async def _try_revoking(shared: SharedSigner, discarded: DiscardedCertificate) -> str | None:
    """Revoke it, again a few times after a passing fault; return why it isn't revoked, None if it is."""
    if not isinstance(shared.signer, Revoker):
        return "this kind of signer can't revoke"
    attempts = AsyncRetrying(
        retry=retry_if_exception_type((Retry, IssuerUnavailable)),
        stop=stop_after_attempt(_REVOCATION_TRIES),
        wait=wait_exponential_jitter(multiplier=0.2, max=2, jitter=0.2),
        reraise=True,
    )
    try:
        await attempts(shared.signer.revoke, discarded.leaf_pem, is_ca=discarded.is_ca)
    except SigningError as error:
        return str(error)
    return None
