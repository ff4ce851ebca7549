"""Carries out what the plan says for one request with our finalizer: look, revoke, let go, and report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog

from issuer.api.issuers import Revocation, SpecError
from issuer.api.model import parse_model
from issuer.controller.issuers.signers import IssuerSigners
from issuer.controller.revocation.plan import Facts, Keep, LetGo, Look, Policy, Result, Revoke, Step, decide
from issuer.controller.revocation.reader import CantTell, Evidence, EvidenceReader, Issuing, serial_of
from issuer.controller.revocation.reasons import NotRevokedReason
from issuer.controller.revocation.store import Record, RevocationStore
from issuer.controller.state.defects import Defects
from issuer.controller.state.reasons import EventReason
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.controller.state.watched.namespaces import NamespaceStore
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, KubeError, NotFound
from issuer.kube.events import EventRecorder
from issuer.kube.queues.workqueue import WorkQueue
from issuer.reasons import Reason
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.finalizer import has_finalizer, without_finalizer
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey
from issuer.requests.resources import CERTIFICATE_REQUESTS
from issuer.signing.outcomes import NotRevoked, SigningError
from issuer.signing.signer import Revoker
from issuer.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

# One call may take this long, so that a frozen backend does not keep all workers from letting others go.
_CALL_SECONDS = 10.0
_SETTLED = LetGo(Result.NOTHING)  # it was revoked and reported before; only the finalizer is left


@dataclass(slots=True)
class _Attempt:
    """One look at one request, as far as it has come."""

    key: RequestKey
    record: Record
    facts: Facts
    request: CertificateRequest | None = None
    evidence: Evidence | None = None


@dataclass(slots=True, eq=False)
class RevocationReconciler:
    """Handles one request with our finalizer at a time, by key.

    `wait` is how long a deleted request is kept at most while revoking fails. `may_work` says whether
    this process leads; it is asked before each revocation.
    """

    client: KubeClient
    store: RevocationStore
    issuers: Mapping[str, IssuerStore]
    signers: IssuerSigners
    namespaces: NamespaceStore
    queue: WorkQueue[RequestKey]
    recorder: EventRecorder
    metrics: Metrics
    defects: Defects
    may_work: Callable[[], bool]
    wait: timedelta
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _revoked: dict[RequestKey, str] = field(default_factory=dict)
    _trouble: dict[RequestKey, tuple[Reason, str]] = field(default_factory=dict)

    async def reconcile(self, key: RequestKey) -> None:
        """Bring what is due for this request one step further."""
        record = self.store.get(key)
        if record is None:
            self._forget(key)
            return
        attempt = _Attempt(key, record, self._facts(key, record))
        try:
            await self._carry_out(attempt, await self._next(attempt))
        except NotFound:
            self._forget(key)
        except Conflict:
            self.queue.retry(key)
        except KubeError as error:
            log.warning("revocation put off", request=str(key), error=str(error))
            self.queue.retry(key)

    # What is due --------------------------------------------------------------

    def _facts(self, key: RequestKey, record: Record) -> Facts:
        policy, delay = self._policy(record.issuer)
        return Facts(
            policy=policy,
            delay=delay,
            wait=self.wait,
            issued=record.issued_at is not None,
            deleted_at=record.deleted_at,
            seen=record.seen,
            replaced_at=self.store.replaced_at(key),
            terminating=self.namespaces.terminating(key.namespace),
        )

    def _policy(self, key: IssuerKey | None) -> tuple[Policy, timedelta]:
        """Return the policy that the issuer has now: it counts, not the one it was signed under."""
        obj = None if key is None else self.issuers[key.kind].get(key)
        if obj is None:
            return Policy.GONE, timedelta()
        spec = obj.get("spec")
        own = spec.get("revocation") if isinstance(spec, dict) else None  # not every CRD asks for a spec
        try:
            wanted = parse_model(Revocation, own or {}, "spec.revocation", strict=False)
        except SpecError:
            return Policy.UNKNOWN, timedelta()
        return Policy(wanted.policy), wanted.delay or timedelta()

    async def _next(self, attempt: _Attempt) -> Step:
        """The plan's step, after reading what it asks for."""
        if self._revoked.get(attempt.key) == attempt.record.uid:
            return _SETTLED
        step = decide(attempt.facts, self.now())
        try:
            while isinstance(step, Look):
                attempt.facts = await self._look(attempt, step)
                step = decide(attempt.facts, self.now())
        except CantTell as error:
            return self._failed(attempt, error.reason, error.message, final=error.final)
        except KubeError:
            raise
        except Exception as error:  # noqa: BLE001 - as any trouble: tried again, and let go in time
            return self._broke(attempt, error)
        return step

    def _broke(self, attempt: _Attempt, error: Exception) -> Step:
        return self._failed(
            attempt, NotRevokedReason.INTERNAL_ERROR, self.defects.note("revocations", attempt.key, error)
        )

    async def _look(self, attempt: _Attempt, what: Look) -> Facts:
        reader, facts = EvidenceReader(self.client), attempt.facts
        if facts.name_wanted is None and attempt.record.deleted_at is not None:
            doing = await reader.issuing(attempt.key, attempt.record)
            wanted, another = doing is Issuing.THIS_NAME, doing is Issuing.ANOTHER
            facts = attempt.facts = replace(facts, name_wanted=wanted, issuing=another)
        if what is Look.ALL:
            attempt.request = await reader.request(attempt.key, attempt.record.uid)
            if not has_finalizer(attempt.request.object):
                raise NotFound(f"{attempt.key} is let go already")
            attempt.evidence = await reader.evidence(attempt.request, attempt.record)
            facts = replace(facts, found=attempt.evidence.found)
        return facts

    # Doing it -----------------------------------------------------------------

    async def _carry_out(self, attempt: _Attempt, step: Step) -> None:
        if isinstance(step, Revoke):
            step = await self._revoke(attempt)
        if isinstance(step, LetGo):
            await self._let_go(attempt, step)
        elif isinstance(step, Keep) and step.until is not None:
            self.queue.add_after(attempt.key, (step.until - self.now()).total_seconds())

    async def _revoke(self, attempt: _Attempt) -> Step:
        deadline = attempt.facts.deadline
        left = None if deadline is None else (deadline - self.now()).total_seconds()
        if left is not None and left <= 0:
            never = NotRevokedReason.NOT_IN_TIME, "the CA's server was not reached in time"
            return self._failed(attempt, *self._trouble.get(attempt.key, never))
        if not self.may_work():
            return Keep()  # the process is about to end; its successor goes on
        try:
            async with asyncio.timeout(_CALL_SECONDS if left is None else min(_CALL_SECONDS, left)):
                await self._call(attempt)
        except TimeoutError:
            return self._failed(attempt, NotRevokedReason.NOT_IN_TIME, "no answer of the CA's server in time")
        except SigningError as error:
            return self._failed(attempt, error.reason, error.message, final=isinstance(error, NotRevoked))
        except Exception as error:  # noqa: BLE001 - as any trouble: tried again, and let go in time
            return self._broke(attempt, error)
        self._revoked[attempt.key] = attempt.record.uid
        self.metrics.revocations.labels(Result.REVOKED).inc()
        serial = attempt.evidence.serial if attempt.evidence is not None else ""
        log.info("revoked", request=str(attempt.key), serial=serial, issuer=str(attempt.record.issuer))
        return _SETTLED

    async def _call(self, attempt: _Attempt) -> None:
        """Ask the issuer's CA. By PEM: a CA whose role stores nothing knows no serials."""
        if attempt.record.issuer is None or attempt.evidence is None:
            raise AssertionError("the plan revokes only what was read, through an issuer that is there")
        shared = await self.signers.usable(attempt.record.issuer)
        if not isinstance(shared.signer, Revoker):
            raise NotRevoked(NotRevokedReason.NOT_SUPPORTED, "this kind of issuer can't revoke")
        shared.borrow()
        try:
            await shared.signer.revoke(attempt.evidence.leaf_pem, is_ca=attempt.evidence.is_ca)
        finally:
            await shared.give_back()

    def _failed(self, attempt: _Attempt, reason: Reason, message: str, *, final: bool = False) -> Step:
        """Again later, or never: after the deadline the request is let go."""
        deadline, now = attempt.facts.deadline, self.now()
        if final or (deadline is not None and now >= deadline):
            return LetGo(Result.ABANDONED, reason, message)
        known = self._trouble.get(attempt.key)
        if known is None or known[0] != reason:
            log.warning("revocation put off", request=str(attempt.key), reason=reason, message=message)
        self._trouble[attempt.key] = (reason, message)
        self.queue.retry(attempt.key)
        return Keep(deadline)  # whichever comes first

    # Letting go ---------------------------------------------------------------

    async def _let_go(self, attempt: _Attempt, step: LetGo) -> None:
        """Take our finalizer off, then report: once, as it comes off once."""
        reader = EvidenceReader(self.client)
        request = attempt.request or await reader.request(attempt.key, attempt.record.uid)
        if has_finalizer(request.object):  # else it was let go a moment ago, and the watch is late
            await self.client.replace(CERTIFICATE_REQUESTS, without_finalizer(request.object))
            self._report(attempt, request, step)
        self.queue.forget(attempt.key)
        self._trouble.pop(attempt.key, None)

    def _report(self, attempt: _Attempt, request: CertificateRequest, step: LetGo) -> None:
        if step.result is Result.NOTHING:
            return
        self.metrics.revocations.labels(step.result).inc()
        abandoned = step.result is Result.ABANDONED
        serial = attempt.evidence.serial if attempt.evidence is not None else serial_of(request)
        (log.warning if abandoned else log.info)(
            "revocation abandoned" if abandoned else "not revoked",
            request=str(attempt.key),
            serial=serial,
            issuer=str(attempt.record.issuer),
            reason=step.reason or step.result,
            message=step.why,
        )
        if attempt.facts.terminating or not step.why:
            return  # no event can be written where everything is being deleted
        text = f"its certificate (serial {serial}) was not revoked: {step.why}"
        if abandoned:
            self.recorder.warning(request.object, EventReason.REVOCATION_ABANDONED, f"{text} ({step.reason})")
        else:
            self.recorder.normal(request.object, EventReason.NOT_REVOKED, text)

    def _forget(self, key: RequestKey) -> None:
        self.queue.forget(key)
        self._revoked.pop(key, None)
        self._trouble.pop(key, None)
