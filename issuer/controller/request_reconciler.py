"""Answers CertificateRequests: decide, sign, verify, write; one status write a request."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from issuer.controller import status
from issuer.controller.delivery import Cause, Delivery, Held
from issuer.controller.outcomes import Denied, Failed, Issued, Outcome, PutOff, Unapproved, Waiting
from issuer.controller.registry import IssuerEntry, IssuerRegistry, SharedSigner
from issuer.controller.request import BadSpec, IssuerKey, Request, RequestKey
from issuer.controller.stores import IssuerStore, Json, RequestStore
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, KubeError, NotFound
from issuer.kube.events import EventRecorder
from issuer.kube.resources import CERTIFICATE_REQUESTS
from issuer.kube.workqueue import WorkQueue
from issuer.signing import outcomes as signing
from issuer.signing.signer import SignedCertificate, SigningRequest
from issuer.telemetry.metrics import Metrics
from issuer.x509.chain import Chain, build_chain, read_certificates
from issuer.x509.errors import InvalidRequest, X509Error
from issuer.x509.request import decode_request
from issuer.x509.verify import Asked, verify

log = structlog.get_logger(__name__)

# Reasons of a Retry that concern every request of the issuer, not only the one that met it.
ISSUER_WIDE = frozenset({"VaultSealed", "VaultUnreachable"})


@dataclass(slots=True, eq=False)
class RequestReconciler:
    """Handles one request at a time, by key; many run at once, never two for one key.

    ``may_sign`` says whether this process still holds the leadership; it is
    asked just before each signing call.
    """

    client: KubeClient
    store: RequestStore
    issuers: dict[str, IssuerStore]
    registry: IssuerRegistry
    queue: WorkQueue[RequestKey]
    issuer_queue: WorkQueue[IssuerKey]
    delivery: Delivery
    recorder: EventRecorder
    metrics: Metrics
    may_sign: Callable[[], bool]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def reconcile(self, key: RequestKey) -> None:
        """Bring the request one step further, or leave it waiting with the reason told."""
        request = self.store.get(key)
        held = self.delivery.held(key)
        if held is not None and (request is None or request.uid != held.uid):
            await self._settle_held(held)
            request = self.store.get(key)
        if request is None:
            self.queue.forget(key)
            return
        outcome = await self._decide(request)
        try:
            await self._report(request, outcome)
        except NotFound:
            self.queue.forget(key)
        except Conflict:
            self.queue.retry(key)  # a newer copy is on its way to the store
        except KubeError as error:
            log.warning("status not written", request=str(key), error=str(error))
            self.queue.retry(key)

    async def _settle_held(self, held: Held) -> None:
        """The watch no longer shows the request as open: it was deleted, or our write arrived after all."""
        try:
            await self.delivery.deliver_fresh(held)
        except KubeError as error:
            log.warning("request not read", request=str(held.key), error=str(error))
            self.queue.retry(held.key)

    # Deciding ---------------------------------------------------------------

    async def _decide(self, request: Request) -> Outcome:
        if request.denied:
            return Denied()
        try:
            key = request.issuer  # before the approval: for a kind that isn't there nobody can give one
            if not request.approved:
                return Unapproved()
            held = self.delivery.held(request.key)
            if held is not None:
                return Issued(held)
            asked = _asked(request)
        except (BadSpec, InvalidRequest) as error:
            return Failed(str(error))
        entry = self._usable(key)
        if isinstance(entry, Waiting):
            return entry
        if asked.is_ca:
            return Failed(
                "spec.isCA is true, but the issuer has no spec.certificateAuthority: "
                "it signs no CA certificates"
            )
        return await self._sign(request, asked, key, entry)

    def _usable(self, key: IssuerKey) -> IssuerEntry | Waiting:
        """The issuer's entry if it is Ready and was checked as it stands now."""
        obj = self.issuers[key.kind].get(key)
        if obj is None:
            return Waiting(key, f"there is no {key}; create it, or correct spec.issuerRef in a new request")
        entry = self.registry.entry(key)
        meta = obj["metadata"]
        if not entry.describes(meta["uid"], meta["generation"]):
            return Waiting(key, f"{key} is new or has changed and is being checked", tell=False)
        if not entry.ready or entry.shared is None:
            return Waiting(key, f"{key} is not Ready ({entry.reason}): {entry.message}")
        return entry

    async def _sign(self, request: Request, asked: Asked, key: IssuerKey, entry: IssuerEntry) -> Outcome:
        if not self.may_sign():
            return PutOff("NotLeader", "another replica does the work now", tell=False)
        if entry.shared is None or entry.spec is None:
            raise AssertionError("a usable issuer has a signer and a spec")
        shared = entry.shared.borrow()
        try:
            signed = await self._call_signer(shared, asked)
            return await self._accept(
                request, asked, key, shared, signed, entry.spec.verification == "Strict"
            )
        except signing.Failed as error:
            return Failed(f"{error.reason}: {error.message}")
        except signing.IssuerBroken as error:
            entry.suspect = True
            return self._issuer_trouble(key, error)
        except signing.Retry as error:
            if error.reason in ISSUER_WIDE:
                return self._issuer_trouble(key, error)
            return PutOff(error.reason, error.message, error.after)
        finally:
            await shared.give_back()

    async def _call_signer(self, shared: SharedSigner, asked: Asked) -> SignedCertificate:
        wanted = SigningRequest(
            csr_pem=asked.request.pem, duration=asked.duration, usages=asked.usages, is_ca=asked.is_ca
        )
        started, result = time.perf_counter(), "error"
        try:
            signed = await shared.signer.sign(wanted)
            result = "signed"
            return signed
        except signing.SigningError as error:
            result = type(error).__name__.lower()
            raise
        finally:
            self.metrics.sign_seconds.labels(result).observe(time.perf_counter() - started)

    async def _accept(
        self,
        request: Request,
        asked: Asked,
        key: IssuerKey,
        shared: SharedSigner,
        signed: SignedCertificate,
        strict: bool,
    ) -> Outcome:
        """Verify what came back; hold it for delivery, or have it revoked."""
        self.registry.trust(key)
        try:
            chain, remarks = _verified(signed, asked, self.now(), strict)
        except X509Error as error:
            await self.delivery.revoke(shared, signed.leaf_pem, signed.serial, request.key, Cause.UNVERIFIED)
            return Failed(
                f"the CA returned a certificate that is not what was asked for ({error}); "
                f"it was not delivered (serial {signed.serial}). Check the Vault role"
            )
        message = f"signed by {key}, serial {signed.serial}"
        if remarks:
            message += f". As the CA decided: {'; '.join(remarks)}"
        held = Held(
            key=request.key,
            uid=request.uid,
            shared=shared,
            leaf_pem=signed.leaf_pem,
            certificate_pem=chain.certificate_pem,
            ca_pem=chain.ca_pem,
            serial=signed.serial,
            message=message,
        )
        self.delivery.hold(held)
        return Issued(held)

    def _issuer_trouble(self, key: IssuerKey, error: signing.SigningError) -> Waiting:
        """The whole issuer can't sign: tell it, and have it checked soon."""
        self.registry.mark_broken(key, error.reason, error.message)
        self.issuer_queue.retry(key)
        return Waiting(key, f"{key} is not Ready ({error.reason}): {error.message}")

    # Reporting --------------------------------------------------------------

    async def _report(self, request: Request, outcome: Outcome) -> None:
        now = self.now()
        match outcome:
            case Issued(held):
                await self._deliver(request, held)
            case Denied():
                await self._answer(request, status.denied(request, now), "denied", "Denied")
            case Failed(message):
                await self._answer(request, status.failed(request, now, message), "failed", "Failed")
                log.info("failed", request=str(request.key), told=message)
                self.recorder.warning(request.object, "Failed", message)
            case Waiting(key, message, tell):
                self._wait(request.key, key)
                if tell:
                    await self._tell(request, message)
            case PutOff(reason, message, after, tell):
                self.queue.retry(request.key, after)
                self.metrics.attempts_put_off.labels(reason).inc()
                if tell:
                    await self._tell(request, f"{reason}: {message}")
            case Unapproved():
                self.queue.forget(request.key)

    async def _deliver(self, request: Request, held: Held) -> None:
        delivered, newest = await self.delivery.deliver(request, held)
        if not delivered:
            self._look_again(request, newest)
            return
        self.store.mark_answered(request)
        self.queue.forget(request.key)
        seconds = (self.now() - request.created).total_seconds()
        self.metrics.answers.labels("issued", "Issued").inc()
        self.metrics.answer_seconds.observe(max(seconds, 0.0))
        log.info("issued", request=str(request.key), serial=held.serial, seconds=round(seconds, 3))

    def _look_again(self, request: Request, newest: Request | None) -> None:
        """A certificate was discarded: go on from the newest copy, never from the one that was signed for."""
        if newest is None or newest.finished:
            self.store.mark_answered(newest or request)
            self.queue.forget(request.key)
        else:
            self.store.refresh(newest)
            self.queue.add(request.key)

    async def _answer(self, request: Request, answer: Json, outcome: str, reason: str) -> None:
        """Write a final status that is no certificate."""
        written = await self.client.replace_status(CERTIFICATE_REQUESTS, answer)
        self.store.mark_answered(Request(written))
        self.queue.forget(request.key)
        self.metrics.answers.labels(outcome, reason).inc()

    async def _tell(self, request: Request, message: str) -> None:
        """Say on the request why it waits, unless it says so already."""
        answer = status.pending(request, self.now(), message)
        if answer is not None:
            written = await self.client.replace_status(CERTIFICATE_REQUESTS, answer)
            self.store.refresh(Request(written))

    def _wait(self, request: RequestKey, issuer: IssuerKey) -> None:
        self.queue.forget(request)
        self.metrics.attempts_put_off.labels("IssuerNotReady").inc()
        self.registry.wait(issuer, request)
        if isinstance(self._usable(issuer), IssuerEntry):
            self.registry.wake_all(issuer)  # it became Ready since it was looked at


def _asked(request: Request) -> Asked:
    """What the request asks for; raises BadSpec or InvalidRequest, naming the field."""
    try:
        decoded = decode_request(request.spec.get("request") or "")
    except InvalidRequest as error:
        raise InvalidRequest(f"spec.request: {error}") from error
    return Asked(request=decoded, is_ca=request.is_ca, usages=request.usages, duration=request.duration)


def _verified(
    signed: SignedCertificate, asked: Asked, now: datetime, strict: bool
) -> tuple[Chain, list[str]]:
    """The chain and what the CA decided otherwise; raises X509Error when it must not be delivered."""
    leaves = read_certificates(signed.leaf_pem)
    chain = build_chain(leaves[0], read_certificates(signed.ca_pems) if signed.ca_pems.strip() else ())
    findings = verify(chain, asked, now, strict=strict)
    fatal = [one.message for one in findings if one.fatal]
    if fatal:
        raise X509Error("; ".join(fatal))
    return chain, [one.message for one in findings]
