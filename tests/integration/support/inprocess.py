"""A controller inside the test's own event loop, for faults at exact points of its work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from issuer.cluster import connect
from issuer.controller.process.manager import Manager
from issuer.controller.process.options import ControllerOptions, LeaderOptions, MetricsOptions, WorkOptions
from issuer.kube.client import KubeClient
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.servers.allowed import AllowedServers
from issuer.signing.settings import BackendSettings
from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ALL_SECRETS, LOOPBACK_SERVERS, RBAC, SERVICE_ACCOUNT
from testbed.processes import PATIENCE, free_port


@dataclass(slots=True)
class Running:
    """The controller, and how to stop it."""

    manager: Manager
    stop: asyncio.Event
    task: asyncio.Task[int]


@asynccontextmanager
async def in_process(
    bed: Testbed,
    prepare: Callable[[KubeClient], None] = lambda _client: None,
    prepare_leases: Callable[[KubeClient], None] = lambda _client: None,
    *,
    expects_errors: bool = False,
    leader: LeaderOptions | None = None,
    call: float = 15.0,
    grace: float = 25.0,
) -> AsyncIterator[Running]:
    """Run a controller as it ships, under its RBAC; ``prepare`` may replace methods of its client first, and
    ``prepare_leases`` of the one for Leases.

    An error that nobody expected fails the test at the end, unless it ``expects_errors``. ``call`` is
    its --vault-timeout, ``grace`` its --shutdown-grace.
    """
    bed.kube.apply(RBAC)
    bed.kube.apply(ALL_SECRETS)
    kubeconfig = str(bed.service_account_kubeconfig(SYSTEM_NAMESPACE, SERVICE_ACCOUNT))
    client, lease_client = await connect(kubeconfig), await connect(kubeconfig)
    prepare(client)
    prepare_leases(lease_client)
    allowed = AllowedServers.parse(LOOPBACK_SERVERS)
    wanted = ControllerOptions(
        namespace=SYSTEM_NAMESPACE,
        metrics=MetricsOptions(f"127.0.0.1:{free_port()}"),
        leader=leader or LeaderOptions(elect=False),
        work=WorkOptions(issuer_check_period=2, shutdown_grace=grace),
        backend_settings=BackendSettings(SYSTEM_NAMESPACE, call, allowed),
    )
    stop = asyncio.Event()
    manager = Manager(wanted, client, lease_client)
    task = asyncio.create_task(manager.run(stop))
    try:
        yield Running(manager, stop, task)
    finally:
        stop.set()
        with suppress(asyncio.CancelledError):
            await task
        await client.close()
        await lease_client.close()
    assert expects_errors or not unexpected(manager), "it met an error that nobody expected: see its log"


def unexpected(manager: Manager) -> list[object]:
    """The workers of a controller that met one, as its metric counts them."""
    (found,) = manager.components.metrics.worker_errors.collect()
    return [sample for sample in found.samples if sample.name.endswith("_total") and sample.value]


@asynccontextmanager
async def controller_with_fault(bed: Testbed, fault: Callable[[Object], None]) -> AsyncIterator[Running]:
    """A controller that calls ``fault`` once, just before it writes its first certificate.

    That is the point between signing and writing; everything else is as it ships.
    """
    happened = False

    def prepare(client: KubeClient) -> None:
        write = client.replace_status

        async def replace_status(resource: Resource, body: Object) -> Object:
            nonlocal happened
            if (body.get("status") or {}).get("certificate") and not happened:
                happened = True
                await asyncio.to_thread(fault, body)
            return await write(resource, body)

        client.replace_status = replace_status  # type: ignore[method-assign]

    async with in_process(bed, prepare) as running:
        yield running
    assert happened, "the fault was never reached"


async def until(holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait in the event loop until something holds."""
    for _ in range(int(seconds * 20)):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"it did not happen: {what}")
