"""Wires the controller's parts and runs them: the one place where everything meets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from issuer.api.group import CLUSTER_ISSUER_KIND, GROUP, ISSUER_KIND
from issuer.api.issuers import IssuerSpec
from issuer.controller import workers
from issuer.controller.credentials import CredentialReader, Credentials
from issuer.controller.delivery import Delivery
from issuer.controller.issuer_reconciler import BuildSigner, IssuerReconciler
from issuer.controller.options import ControllerOptions
from issuer.controller.registry import IssuerRegistry
from issuer.controller.request import IssuerKey, Request, RequestKey
from issuer.controller.request_reconciler import RequestReconciler
from issuer.controller.stores import IssuerStore, RequestStore
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError
from issuer.kube.events import EventRecorder
from issuer.kube.lease import LeaderElector
from issuer.kube.reflector import Reflector
from issuer.kube.resources import CERTIFICATE_REQUESTS, VAULT_CLUSTER_ISSUERS, VAULT_ISSUERS
from issuer.kube.workqueue import WorkQueue
from issuer.signing.signer import Signer
from issuer.signing.vault import VaultSigner
from issuer.telemetry.health import HealthServer
from issuer.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

# A broken issuer is looked at again after at most this many seconds.
_ISSUER_BACKOFF = 15.0
_REQUEST_BACKOFF = 60.0


def vault_signer(spec: IssuerSpec, credentials: Credentials) -> Signer:
    """The signer of an issuer with ``spec.vault``."""
    return VaultSigner(credentials.connection, credentials.method, spec.vault.path)


class Manager:
    """One controller process: watches, queues, workers, and their orderly end."""

    def __init__(
        self, options: ControllerOptions, client: KubeClient, build_signer: BuildSigner = vault_signer
    ) -> None:
        self.options = options
        self.client = client
        self.metrics = Metrics()
        self.health = HealthServer(self.metrics.registry)
        self.requests: WorkQueue[RequestKey] = WorkQueue(longest=_REQUEST_BACKOFF)
        self.issuers: WorkQueue[IssuerKey] = WorkQueue(longest=_ISSUER_BACKOFF)
        self.store = RequestStore(self.requests.add)
        self.issuer_stores = {kind: IssuerStore(kind, self._issuer_changed) for kind in _ISSUERS}
        self.registry = IssuerRegistry(self.requests.add)
        self.recorder = EventRecorder(client, f"{GROUP}/controller")
        self.delivery = Delivery(client, self.metrics)
        self.elector = self._elector() if options.leader_elect else None
        self.reflectors = self._reflectors()
        self.issuer_reconciler = self._issuer_reconciler(build_signer)
        self.request_reconciler = self._request_reconciler()
        self._leading = False
        self._expose()

    # Wiring -----------------------------------------------------------------

    def _elector(self) -> LeaderElector:
        options = self.options
        return LeaderElector(self.client, options.namespace, options.lease_name, options.identity)

    def _reflectors(self) -> dict[str, Reflector]:
        found = {
            kind: Reflector(self.client, resource, self.issuer_stores[kind])
            for kind, resource in _ISSUERS.items()
        }
        found["CertificateRequest"] = Reflector(
            self.client,
            CERTIFICATE_REQUESTS,
            self.store,
            field_selector=f"spec.issuerRef.group={GROUP}",
            keep=lambda obj: Request(obj).is_ours,
        )
        return found

    def _issuer_reconciler(self, build_signer: BuildSigner) -> IssuerReconciler:
        options = self.options
        return IssuerReconciler(
            client=self.client,
            stores=self.issuer_stores,
            resources=_ISSUERS,
            registry=self.registry,
            queue=self.issuers,
            credentials=CredentialReader(
                self.client, options.cluster_resource_namespace, options.vault_timeout
            ),
            build_signer=build_signer,
            recorder=self.recorder,
            metrics=self.metrics,
            period=options.issuer_check_period,
        )

    def _request_reconciler(self) -> RequestReconciler:
        return RequestReconciler(
            client=self.client,
            store=self.store,
            issuers=self.issuer_stores,
            registry=self.registry,
            queue=self.requests,
            issuer_queue=self.issuers,
            delivery=self.delivery,
            recorder=self.recorder,
            metrics=self.metrics,
            may_sign=self.may_work,
        )

    def _issuer_changed(self, key: IssuerKey) -> None:
        self.issuers.forget(key)  # a corrected issuer is looked at now, whatever its backoff was
        self.issuers.add(key)

    def _expose(self) -> None:
        watch = self.metrics.watch
        watch(
            "vault_issuer_queue_depth", "Requests waiting for a worker.", lambda: float(self.requests.depth)
        )
        watch(
            "vault_issuer_queue_oldest_seconds",
            "Seconds the oldest request has waited for a worker.",
            lambda: self.requests.oldest_age,
        )
        watch(
            "vault_issuer_requests_in_flight",
            "Requests a worker is busy with.",
            lambda: float(self.requests.in_hand),
        )
        watch("vault_issuer_requests_open", "Requests without an answer.", lambda: float(len(self.store)))
        watch(
            "vault_issuer_certificates_held",
            "Certificates signed but not yet written to their request.",
            lambda: float(len(self.delivery)),
        )
        watch(
            "vault_issuer_watch_restarts",
            "Times a watch had to start again.",
            lambda: float(sum(one.restarts for one in self.reflectors.values())),
        )
        self.health.live["loop"] = lambda: None
        self.health.ready["watches"] = self._watches_ready

    def _watches_ready(self) -> str | None:
        if not self._leading:
            return None  # standing by is being ready to take over
        late = [kind for kind, one in self.reflectors.items() if not one.synced.is_set()]
        return f"not listed yet: {', '.join(late)}" if late else None

    def may_work(self) -> bool:
        """Whether this process is the one that signs, as far as its own clock can tell."""
        return self.elector is None or self.elector.is_leader

    # Running ----------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> int:
        """Work until ``stop`` is set or the leadership is lost; the process's exit code."""
        await self.health.start(self.options.metrics_address)
        try:
            if self.elector is None:
                await self._lead(stop)
                return 0
            return await self._run_elected(self.elector, stop)
        finally:
            await self.health.close()

    async def _run_elected(self, elector: LeaderElector, stop: asyncio.Event) -> int:
        """Wait for the Lease, lead, and hand it over; losing it ends the process with 1.

        A process that lost the Lease starts afresh rather than trust what it knew.
        """
        started, halt = asyncio.Event(), asyncio.Event()
        lost = False

        async def on_started() -> None:
            started.set()

        async def on_stopped() -> None:
            nonlocal lost
            lost = not stop.is_set()
            halt.set()

        election = asyncio.create_task(elector.run(on_started, on_stopped), name="election")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        leading = asyncio.create_task(started.wait(), name="lead")
        try:
            await asyncio.wait({stopping, leading, election}, return_when=asyncio.FIRST_COMPLETED)
            if started.is_set():
                stopping.add_done_callback(lambda _task: halt.set())
                await self._lead(halt)
            return 1 if lost else 0
        finally:
            stopping.cancel()
            leading.cancel()
            await elector.release()
            await election

    async def _lead(self, stop: asyncio.Event) -> None:
        """Run watches and workers until ``stop`` is set, then finish what is in flight."""
        self._leading = True
        self.metrics.leader.set(1)
        log.info("leading", identity=self.options.identity)
        background = [asyncio.create_task(self.recorder.run(), name="events")]
        working: list[asyncio.Task[None]] = []
        try:
            background += self._start_reflectors(ISSUER_KIND, CLUSTER_ISSUER_KIND)
            if await self._synced(stop, ISSUER_KIND, CLUSTER_ISSUER_KIND):
                working += workers.start(
                    "issuers",
                    self.options.issuer_workers,
                    self.issuers,
                    self.issuer_reconciler.reconcile,
                    self.metrics,
                )
                background += self._start_reflectors("CertificateRequest")
                working += workers.start(
                    "requests",
                    self.options.workers,
                    self.requests,
                    self.request_reconciler.reconcile,
                    self.metrics,
                )
                await stop.wait()
        finally:
            await self._finish(working, background)

    def _start_reflectors(self, *kinds: str) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.reflectors[kind].run(), name=f"watch-{kind}") for kind in kinds]

    async def _synced(self, stop: asyncio.Event, *kinds: str) -> bool:
        """Wait until these kinds are listed; False when told to stop before that."""
        waits = asyncio.gather(*(self.reflectors[kind].synced.wait() for kind in kinds))
        stopping = asyncio.create_task(stop.wait())
        both: set[asyncio.Future[Any]] = {waits, stopping}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        synced = waits.done()
        for task in (waits, stopping):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return synced

    async def _finish(self, working: list[asyncio.Task[None]], background: list[asyncio.Task[None]]) -> None:
        """Take no new work, finish what is in flight, deliver or discard what is held."""
        deadline = time.monotonic() + self.options.shutdown_grace
        self.requests.close()
        self.issuers.close()
        log.info("stopping", in_flight=self.requests.in_hand, held=len(self.delivery))
        if working:
            _done, late = await asyncio.wait(working, timeout=self.options.shutdown_grace)
            for task in late:
                task.cancel()
            if late:
                log.error("work cut off at the end of the grace period", workers=len(late))
                await asyncio.gather(*late, return_exceptions=True)
        await self._flush_held(lambda: deadline - time.monotonic())
        await self.recorder.flush()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await self.registry.close()
        self.metrics.leader.set(0)
        self._leading = False
        log.info("stopped")

    async def _flush_held(self, left: Callable[[], float]) -> None:
        """Write what is signed while there is time, and discard the rest."""
        while len(self.delivery) and left() > 1 and self.may_work():
            for held in self.delivery.all_held():
                try:
                    await self.delivery.deliver_fresh(held)
                except KubeError as error:
                    log.warning("certificate not written yet", request=str(held.key), error=str(error))
            if len(self.delivery):
                await asyncio.sleep(0.5)
        await self.delivery.close()


_ISSUERS = {ISSUER_KIND: VAULT_ISSUERS, CLUSTER_ISSUER_KIND: VAULT_CLUSTER_ISSUERS}
