"""Watches and workers of a process that may write, from their start to their orderly end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from issuer.controller.leadership.ownership import Ownership
from issuer.controller.leadership.replica import ShardedReplica
from issuer.controller.process.options import WorkOptions
from issuer.controller.process.watches import RBAC, REQUESTS
from issuer.controller.process.wiring import REVOCATION_WORKERS, Components
from issuer.controller.scheduling import workers
from issuer.controller.scheduling.checks import CheckPool
from issuer.controller.state.pending import PendingDelivery
from issuer.controller.state.watched import certificates
from issuer.kube.errors import KubeError
from issuer.requests.certificate_request import CertificateRequest

log = structlog.get_logger(__name__)


class ControllerWork:
    """Runs the controller's watches and workers while it may write."""

    def __init__(self, options: WorkOptions, components: Components, ownership: Ownership) -> None:
        self._options = options
        self._components = components
        self._ownership = ownership
        self._working = False

    def late_watches(self) -> str | None:
        """Return what isn't listed yet, in words, or None; nothing is late while this process stands by."""
        if not self._working:
            return None
        late = self._components.watches.late()
        return f"not listed yet: {', '.join(late)}" if late else None

    async def run(self, stop: asyncio.Event, replica: ShardedReplica | None = None) -> bool:
        """Run watches and workers until `stop` is set; False when a replica lost a Lease before that."""
        self._working = kept = True
        background = [asyncio.create_task(self._components.recorder.run(), name="events")]
        background.append(asyncio.create_task(self._components.delivery.held.keep_logging(), name="held"))
        working: list[asyncio.Task[None]] = []
        try:
            background += self._start_reflectors(*self._components.watches.first, *RBAC)
            if await self._synced(stop, *self._components.watches.first):
                working += self._start_workers()
                background += self._start_reflectors(*REQUESTS)
                background += self._start_canaries()
                background += self._components.trust.start()
                background.append(asyncio.create_task(self._watch_certificates(), name="watch-Certificate"))
                if replica is None:
                    await stop.wait()
                elif await self._synced(stop, CertificateRequest.kind):
                    kept = await replica.run(stop)
        finally:
            spent = 0.0 if replica is None else replica.spent
            await self._finish(working, background, max(0.0, self._options.shutdown_grace - spent))
            self._working = False
        return kept

    def _start_workers(self) -> list[asyncio.Task[None]]:
        components, options = self._components, self._options
        return [
            *workers.start(
                "policies",
                1,
                components.queues.policies,
                components.reconcilers.policies.reconcile,
                components.defects,
            ),
            *workers.start(
                "issuers",
                options.issuer_workers * len(CheckPool),
                components.queues.issuers,
                components.reconcilers.issuers.reconcile,
                components.defects,
            ),
            *workers.start(
                "requests",
                options.workers,
                components.queues.requests,
                components.reconcilers.reconcile_request,
                components.defects,
            ),
            *workers.start(
                "revocations",
                REVOCATION_WORKERS,
                components.queues.revocations,
                components.reconcilers.revocations.reconcile,
                components.defects,
            ),
        ]

    def _start_reflectors(self, *kinds: str) -> list[asyncio.Task[None]]:
        return [
            asyncio.create_task(self._components.watches.reflectors[kind].run(), name=f"watch-{kind}")
            for kind in kinds
            if kind in self._components.watches.reflectors
        ]

    def _start_canaries(self) -> list[asyncio.Task[None]]:
        prober = self._components.prober
        return [] if prober is None else [prober.start()]

    async def _watch_certificates(self) -> None:
        """Watch Certificates, behind the requests: nothing waits for them."""
        reflector = self._components.watches.reflectors.get(certificates.KIND)
        if reflector is not None:
            await self._components.watches.reflectors[CertificateRequest.kind].synced.wait()
            await reflector.run()

    async def _synced(self, stop: asyncio.Event, *kinds: str) -> bool:
        """Wait until these kinds are listed; False when asked to stop before that."""
        waits = asyncio.gather(*(self._components.watches.reflectors[kind].synced.wait() for kind in kinds))
        stopping = asyncio.create_task(stop.wait())
        both: set[asyncio.Future[Any]] = {waits, stopping}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        synced = waits.done()
        for task in (waits, stopping):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return synced

    async def _finish(
        self, working: list[asyncio.Task[None]], background: list[asyncio.Task[None]], grace: float
    ) -> None:
        """Take no new work, finish what is in flight, deliver or discard what is held."""
        deadline = time.monotonic() + grace
        self._components.queues.close()
        log.info(
            "stopping",
            in_flight=self._components.queues.requests.in_hand,
            held=len(self._components.delivery.held),
        )
        if working:
            _done, late = await asyncio.wait(working, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                log.error("work cut off at the end of the grace period", workers=len(late))
                await asyncio.gather(*late, return_exceptions=True)
        await self._flush_pending(lambda: deadline - time.monotonic())
        await self._components.recorder.flush()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await self._components.state.registry.close()
        log.info("stopped")

    async def _flush_pending(self, left: Callable[[], float]) -> None:
        """Write what is signed while there is time, and discard the rest."""
        while left() > 1 and (ours := self._pending_of_ours()):
            for pending in ours:
                try:
                    await self._components.delivery.deliver_fresh(pending)
                except KubeError as error:
                    log.warning("certificate not written yet", request=str(pending.key), error=str(error))
            if len(self._components.delivery.held):
                await asyncio.sleep(0.5)
        await self._components.delivery.close()

    def _pending_of_ours(self) -> list[PendingDelivery]:
        """The certificates that wait to be written under a Lease that we still have."""
        return [pending for pending in self._components.delivery.held if self._ownership.holds(pending.key)]
