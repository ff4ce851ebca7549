"""From a signed certificate to the request's status, without ever signing twice.

A certificate that can't be written yet is held. If its request turns out to be
gone, denied or answered by somebody else, it is revoked where Vault allows it,
and its serial is logged in any case, so that an auditor finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from issuer.controller.issuance.answer_log import answer_to
from issuer.controller.issuance.status_writer import StatusWriter
from issuer.controller.state.audit import AuditRecord
from issuer.controller.state.issuers import SharedSigner
from issuer.kube.errors import Conflict, NotFound
from issuer.requests.issuers import IssuerKey
from issuer.requests.kinds import kind_of
from issuer.requests.request import Request, RequestKey
from issuer.signing.outcomes import Retry, SigningError
from issuer.signing.signer import Revoker
from issuer.statuspage.recent import Recent
from issuer.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

# Writers that keep changing a request lose to us after this many tries; then the queue's backoff takes over.
_CONFLICTS = 5

_REVOCATION_TRIES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A certificate that was signed and verified and belongs into one request's status.

    ``news`` says in what it is other than asked for, if that deserves an event. `audit` is that of the
    attempt that signed it.
    """

    key: RequestKey
    uid: str
    issuer: IssuerKey
    shared: SharedSigner
    leaf_pem: str
    certificate_pem: str
    ca_pem: str
    serial: str
    message: str
    not_after: datetime
    audit: AuditRecord
    approval: str | None = None
    news: str = ""


class Cause(Enum):
    """Why a signed certificate is not delivered."""

    DELETED = "its request was deleted"
    DENIED = "its request was denied"
    ANSWERED = "its request was answered by somebody else"
    UNVERIFIED = "it is not what was asked for"
    STOPPED = "the controller stopped before it could be written"


class Delivery:
    """Holds what is signed until it is written or discarded."""

    def __init__(
        self,
        writer: StatusWriter,
        metrics: Metrics,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._writer = writer
        self._metrics = metrics
        self._now = now or (lambda: datetime.now(UTC))
        self._held: dict[RequestKey, Held] = {}
        self.recent = Recent()
        """The last answers, for the status page."""

    def __len__(self) -> int:
        return len(self._held)

    def held(self, key: RequestKey) -> Held | None:
        """The certificate that waits to be written to that request."""
        return self._held.get(key)

    def all_held(self) -> list[Held]:
        """Every certificate that waits to be written."""
        return list(self._held.values())

    def hold(self, held: Held) -> None:
        """Take charge of a certificate; its signer stays open until it is settled."""
        held.shared.borrow()
        self._held[held.key] = held

    async def deliver(self, request: Request, held: Held) -> tuple[bool, Request | None]:
        """Write the certificate, or discard it when its request no longer wants it.

        Returns whether it was delivered, and the newest copy of the request
        (None when it is gone). Raises KubeError when the API server can't take
        it now: it stays held.
        """
        newest: Request | None = request
        for _ in range(_CONFLICTS):
            cause = _obstacle(newest, held)
            if newest is None or cause is not None:
                await self.discard(held, cause or Cause.DELETED)
                return False, newest
            if newest.carries(held.certificate_pem):
                self._writer.written(newest)  # an earlier write succeeded although its answer was lost
                break
            answer = newest.issued(
                self._now(), held.message, held.certificate_pem, held.ca_pem, held.approval
            )
            try:
                newest = await self._writer.write(newest, answer, held.issuer.kind if held.approval else None)
                break
            except (Conflict, NotFound):
                newest = await self._fresh(held)
        else:
            raise Conflict(f"{held.key} kept changing", status=409)
        await self._settle(held)
        self._tell(newest, held)
        return True, newest

    def _tell(self, request: Request, held: Held) -> None:
        """A certificate was delivered: counted and told here, whoever tried."""
        now = self._now()
        self._metrics.answered("issued", "Issued")
        self._metrics.answer_seconds.observe(max((now - request.created).total_seconds(), 0.0))
        self._metrics.lifetimes.observe(max((held.not_after - now).total_seconds(), 0.0))
        held.audit.write("issued", "Issued", request, now, serial=held.serial, not_after=held.not_after)
        self.recent.add(answer_to(request, "issued", held.news, now))

    async def deliver_fresh(self, held: Held) -> tuple[bool, Request | None]:
        """``deliver`` to the request as the API server has it now."""
        fresh = await self._fresh(held)
        if fresh is None:
            await self.discard(held, Cause.DELETED)
            return False, None
        return await self.deliver(fresh, held)

    async def _fresh(self, held: Held) -> Request | None:
        kind, namespace = kind_of(held.key), held.key.namespace or None
        try:
            return kind(await self._writer.client.get(kind.resource, held.key.name, namespace))
        except NotFound:
            return None

    async def discard(self, held: Held, cause: Cause) -> None:
        """Revoke the certificate where allowed, and log its serial."""
        await self.revoke(held.shared, held.leaf_pem, held.serial, held.key, cause)
        await self._settle(held)

    async def revoke(
        self,
        shared: SharedSigner,
        leaf_pem: str,
        serial: str,
        key: RequestKey,
        cause: Cause,
        *,
        is_ca: bool | None = None,
    ) -> None:
        """Revoke one undelivered certificate; never raises, always tells.

        ``is_ca`` says whether its request asked for a CA; for a verified one its own word is enough.
        """
        refused = await _try_revoking(shared, leaf_pem, is_ca)
        self._metrics.discarded.labels(cause.name.lower(), str(refused is None).lower()).inc()
        log.warning(
            "certificate not delivered",
            request=str(key),
            serial=serial,
            cause=cause.value,
            revoked=refused is None,
            **({} if refused is None else {"not_revoked_because": refused}),
        )

    def left_behind(self, key: RequestKey, serial: str) -> None:
        """Log the serial of a certificate that was signed and may never be written or revoked."""
        log.warning("certificate left behind", request=str(key), serial=serial)

    async def _settle(self, held: Held) -> None:
        if self._held.get(held.key) is held:
            del self._held[held.key]
            await held.shared.give_back()

    async def close(self, seconds: float = 5.0) -> None:
        """Nothing can be written any more: log every serial, then revoke what can be revoked in time."""
        left = self.all_held()
        for held in left:
            self.left_behind(held.key, held.serial)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(self.discard(held, Cause.STOPPED) for held in left))
        except TimeoutError:
            log.error("not all certificates left behind were revoked in time", left=len(self._held))


def _obstacle(request: Request | None, held: Held) -> Cause | None:
    if request is None or request.uid != held.uid:
        return Cause.DELETED
    if request.deleted and not request.carries(held.certificate_pem):
        return Cause.DELETED  # it still takes a status, but nobody would read it
    if request.denied:
        return Cause.DENIED
    if request.finished and not request.carries(held.certificate_pem):
        return Cause.ANSWERED
    return None


async def _try_revoking(shared: SharedSigner, leaf_pem: str, is_ca: bool | None) -> str | None:
    """None when revoked, else why not; a passing fault of Vault is tried again a few times."""
    if not isinstance(shared.signer, Revoker):
        return "this kind of signer can't revoke"
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(Retry),
        stop=stop_after_attempt(_REVOCATION_TRIES),
        wait=wait_exponential_jitter(multiplier=0.2, max=2, jitter=0.2),
        reraise=True,
    )
    try:
        await attempts(shared.signer.revoke, leaf_pem, is_ca=is_ca)
    except SigningError as error:
        return f"{error.reason}: {error.message}"
    return None
