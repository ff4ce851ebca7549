"""Runs the controller: leadership, health and the status page, around its work."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from issuer.api.leases import GROUP_LABEL, SHARDS
from issuer.controller.leadership.lease_labels import ENDING
from issuer.controller.leadership.ownership import Alone, OneLeader, Ownership
from issuer.controller.leadership.replica import ShardedReplica
from issuer.controller.leadership.work import RequestWork
from issuer.controller.process.options import ControllerOptions
from issuer.controller.process.wiring import Components
from issuer.controller.process.work import ControllerWork
from issuer.kube.client import KubeClient
from issuer.kube.leases.election import LeaderElector
from issuer.kube.leases.lease import Lease
from issuer.serving.auth import ApiReviewer, Authenticator
from issuer.serving.health import PATH, HealthServer, Protection
from issuer.serving.tls import ServingCertificate
from issuer.telemetry.address import listening_at

if TYPE_CHECKING:
    from issuer.controller.process.page.answers import PageAnswerLog
    from issuer.statuspage.web.server import StatusServer

log = structlog.get_logger(__name__)


class Manager:
    """One controller process.

    `lease_client` has connections of its own, so that the Lease is renewed
    however busy the others are.
    """

    def __init__(
        self,
        options: ControllerOptions,
        client: KubeClient,
        lease_client: KubeClient | None = None,
    ) -> None:
        self.options = options
        self.elector = _elector(options, lease_client or client) if options.leader.elect else None
        self.replica: ShardedReplica | None = None
        if self.elector is not None and options.leader.sharded:
            self.replica = ShardedReplica(options.sharing, lease_client or client, self.elector)
        self.ownership = self.replica or _ownership(options, self.elector)
        answers = _page_answers() if options.page.address else None
        self.components = Components(options, client, self.ownership, answers)
        self.work = ControllerWork(options.work, self.components, self.ownership)
        if self.replica is not None:
            self.replica.attach(_request_work(self.components), self.components.metrics)
        self.health = HealthServer(
            self.components.metrics.registry, protection=_metrics_protection(options, self.components)
        )
        self.health.live["loop"] = lambda: None
        self.health.ready["watches"] = self.work.late_watches
        self.page = (
            None
            if answers is None
            else _status_page(options, self.components, self.elector, self.replica, answers)
        )

    async def run(self, stop: asyncio.Event) -> int:
        """Work until `stop` is set or the leadership is lost; the process's exit code."""
        with listening_at(self.options.metrics.address, "--metrics-address"):
            await self.health.start(self.options.metrics.address)
        try:
            if self.page is not None:
                await self._start_page(self.page)
            if self.elector is None:
                await self._lead(stop)
                return 0
            if self.replica is not None:
                return await self._run_replica(self.replica, self.elector, stop)
            return await self._run_elected(self.elector, stop)
        finally:
            if self.page is not None:
                await self.page.close()
            await self.health.close()

    async def _start_page(self, page: StatusServer) -> None:
        certificate, key = self.options.page.tls_cert, self.options.page.tls_key
        tls = None if certificate is None or key is None else ServingCertificate(certificate, key)
        with listening_at(self.options.page.address, "--status-address"):
            await page.start(self.options.page.address, tls)

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
                if await _sharing_ended(elector.lease, halt):
                    await self._lead(halt)
            return 1 if lost else 0
        finally:
            stopping.cancel()
            leading.cancel()
            await elector.release()
            await election

    async def _run_replica(self, replica: ShardedReplica, elector: LeaderElector, stop: asyncio.Event) -> int:
        """Work beside other replicas, and compete for what only one does; losing any Lease ends the process
        with 1."""

        async def on_started() -> None:
            self.components.metrics.leader.set(1)
            self.components.wakeups.lead()
            replica.look()

        async def on_stopped() -> None:
            self.components.metrics.leader.set(0)
            if not stop.is_set():
                replica.lose()

        election = asyncio.create_task(elector.run(on_started, on_stopped), name="election")
        try:
            return 0 if await self.work.run(stop, replica) else 1
        finally:
            await replica.end()
            await elector.release()
            await election

    async def _lead(self, stop: asyncio.Event) -> None:
        """Do all the work until `stop` is set, then finish what is in flight."""
        self.components.metrics.leader.set(1)
        log.info("leading", identity=self.options.leader.identity)
        await self.work.run(stop)
        self.components.metrics.leader.set(0)


def _elector(options: ControllerOptions, client: KubeClient) -> LeaderElector:
    lease = Lease(
        client, options.namespace, options.leader.lease_name, options.leader.identity, options.lease_times
    )
    # By which it is found, however it is named.
    lease.labels = {GROUP_LABEL: options.leader.lease_name}
    # Seen by replicas that share the work: they stop.
    lease.annotate = lambda old: {**old, SHARDS: ENDING} if SHARDS in old else old
    return LeaderElector(lease)


def _metrics_protection(options: ControllerOptions, components: Components) -> Protection | None:
    """Return how metrics are protected; raises OSError where the certificate can't be used."""
    certificate, key = options.metrics.tls_cert, options.metrics.tls_key
    if certificate is None or key is None:
        return None
    authenticator = Authenticator(ApiReviewer(components.client, PATH))
    return Protection(ServingCertificate(certificate, key), authenticator)


# The page is imported here, as a controller without it starts sooner.
def _page_answers() -> PageAnswerLog:
    from issuer.controller.process.page.answers import PageAnswerLog

    return PageAnswerLog()


def _status_page(
    options: ControllerOptions,
    components: Components,
    elector: LeaderElector | None,
    replica: ShardedReplica | None,
    answers: PageAnswerLog,
) -> StatusServer:
    from issuer.controller.process.page.source import StatusSource
    from issuer.statuspage.web.live import Broadcaster
    from issuer.statuspage.web.server import PATH as PAGE_PATH
    from issuer.statuspage.web.server import StatusServer

    authenticator = Authenticator(ApiReviewer(components.client, PAGE_PATH)) if options.page.exposed else None
    source = StatusSource(options, components, elector, replica, answers.recent)
    return StatusServer(Broadcaster(source), authenticator)


def _ownership(options: ControllerOptions, elector: LeaderElector | None) -> Ownership:
    return Alone() if elector is None else OneLeader(elector.lease, options.backend_settings.timeout)


def _request_work(components: Components) -> RequestWork:
    return RequestWork(
        client=components.client,
        stores=components.state.requests,
        reflectors=components.watches.reflectors,
        queue=components.queues.requests,
        reconciler=components.reconcilers.requests,
        registry=components.state.registry,
        unprocessed=components.state.unprocessed,
        held=components.delivery.held,
    )


async def _sharing_ended(lease: Lease, stop: asyncio.Event) -> bool:
    """Wait for replicas that shared the work until now (`--shards`); False when asked to stop before.

    They see within seconds that a single leader has begun, and can't renew for longer than their Leases last.
    """
    if SHARDS in lease.found:
        seconds = 2 * lease.times.duration
        log.warning("replicas with --shards were at work: waiting until all have stopped", seconds=seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()
    if not stop.is_set():
        lease.annotate = lambda old: {name: value for name, value in old.items() if name != SHARDS}
    return not stop.is_set()
