"""Runs the controller: leadership, watches, workers, and their orderly end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from issuer.controller import workers
from issuer.controller.issuer_reconciler import BuildSigner
from issuer.controller.options import ControllerOptions
from issuer.controller.wiring import FIRST, RBAC, REQUESTS, REVOCATION_WORKERS, Parts, vault_signer
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError
from issuer.kube.lease import LeaderElector
from issuer.telemetry.health import HealthServer

log = structlog.get_logger(__name__)


class Manager:
    """One controller process.

    ``lease_client`` has connections of its own, so that the Lease is renewed
    however busy the others are.
    """

    def __init__(
        self,
        options: ControllerOptions,
        client: KubeClient,
        lease_client: KubeClient | None = None,
        build_signer: BuildSigner = vault_signer,
    ) -> None:
        self.options = options
        self.elector = _elector(options, lease_client or client) if options.leader_elect else None
        self.parts = Parts(options, client, build_signer, self.may_work)
        self.health = HealthServer(self.parts.metrics.registry)
        self.health.live["loop"] = lambda: None
        self.health.ready["watches"] = self._watches_ready
        self._leading = False

    def _watches_ready(self) -> str | None:
        if not self._leading:
            return None  # standing by is being ready to take over
        late = self.parts.late()
        return f"not listed yet: {', '.join(late)}" if late else None

    def may_work(self) -> bool:
        """Whether this process is the one that signs, as far as its own clock can tell."""
        return self.elector is None or self.elector.is_leader

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
        self.parts.metrics.leader.set(1)
        log.info("leading", identity=self.options.identity)
        background = [asyncio.create_task(self.parts.recorder.run(), name="events")]
        working: list[asyncio.Task[None]] = []
        try:
            background += self._start_reflectors(*FIRST, *RBAC)
            if await self._synced(stop, *FIRST):
                working += self._start_workers()
                background += self._start_reflectors(*REQUESTS)
                await stop.wait()
        finally:
            await self._finish(working, background)

    def _start_workers(self) -> list[asyncio.Task[None]]:
        parts, options = self.parts, self.options
        return [
            *workers.start(
                "policies", 1, parts.policy_queue, parts.policy_reconciler.reconcile, parts.metrics
            ),
            *workers.start(
                "issuers",
                options.issuer_workers,
                parts.issuers,
                parts.issuer_reconciler.reconcile,
                parts.metrics,
            ),
            *workers.start(
                "requests",
                options.workers,
                parts.requests,
                parts.request_reconciler.reconcile,
                parts.metrics,
            ),
            *workers.start(
                "revocations",
                REVOCATION_WORKERS,
                parts.revocation_queue,
                parts.revocation_reconciler.reconcile,
                parts.metrics,
            ),
        ]

    def _start_reflectors(self, *kinds: str) -> list[asyncio.Task[None]]:
        return [
            asyncio.create_task(self.parts.reflectors[kind].run(), name=f"watch-{kind}")
            for kind in kinds
            if kind in self.parts.reflectors
        ]

    async def _synced(self, stop: asyncio.Event, *kinds: str) -> bool:
        """Wait until these kinds are listed; False when told to stop before that."""
        waits = asyncio.gather(*(self.parts.reflectors[kind].synced.wait() for kind in kinds))
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
        self.parts.close_queues()
        log.info("stopping", in_flight=self.parts.requests.in_hand, held=len(self.parts.delivery))
        if working:
            _done, late = await asyncio.wait(working, timeout=self.options.shutdown_grace)
            for task in late:
                task.cancel()
            if late:
                log.error("work cut off at the end of the grace period", workers=len(late))
                await asyncio.gather(*late, return_exceptions=True)
        await self._flush_held(lambda: deadline - time.monotonic())
        await self.parts.recorder.flush()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await self.parts.registry.close()
        self.parts.metrics.leader.set(0)
        self._leading = False
        log.info("stopped")

    async def _flush_held(self, left: Callable[[], float]) -> None:
        """Write what is signed while there is time, and discard the rest."""
        while len(self.parts.delivery) and left() > 1 and self.may_work():
            for held in self.parts.delivery.all_held():
                try:
                    await self.parts.delivery.deliver_fresh(held)
                except KubeError as error:
                    log.warning("certificate not written yet", request=str(held.key), error=str(error))
            if len(self.parts.delivery):
                await asyncio.sleep(0.5)
        await self.parts.delivery.close()


def _elector(options: ControllerOptions, client: KubeClient) -> LeaderElector:
    return LeaderElector(client, options.namespace, options.lease_name, options.identity)
