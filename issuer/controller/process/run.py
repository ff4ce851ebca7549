"""The controller as a process: signals, event loop, client."""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import gc
import signal
from typing import TYPE_CHECKING

import structlog

from issuer import __version__
from issuer.cluster import connect
from issuer.controller.process.manager import Manager
from issuer.controller.process.options import ControllerOptions, OptionsError
from issuer.controller.process.peers import refuse_peers, require_kinds
from issuer.controller.scheduling.checks import CheckPool
from issuer.controller.scheduling.lookups import ControllerLoop
from issuer.controller.trust.distribution import WRITERS

if TYPE_CHECKING:
    from issuer.telemetry.otlp import Traces  # an extra, which need not be installed

log = structlog.get_logger(__name__)

# Connections to the API server beside one a worker: watches and events.
_WATCHES = 12
_TLS_BUFFER = 16 * 1024
# The garbage made here is mostly freed by reference counts; cycles are rare and may wait.
_GC_THRESHOLDS = (10_000, 20, 20)


def run_controller(options: ControllerOptions) -> int:
    """Run until SIGTERM or SIGINT; the exit code (1 when the leadership was lost).

    Raises ConfigError, OptionsError, ListenError or OSError when it can't start: no usable
    access to the cluster, no packages for traces, its port is taken, or a file can't be read.
    """
    _tune()
    # The standard event loop on purpose: see docs/decisions/0005-standard-event-loop.md.
    with asyncio.Runner(loop_factory=ControllerLoop) as runner:
        return runner.run(_main(options))


def _tune() -> None:
    """Spend less memory and time on what this process never needs.

    asyncio gives each TLS connection a buffer of 256 KiB for one read, and answers here have some KB. What
    was imported lives as long as the process, so the garbage collector need not look at it again and again.
    """
    asyncio.sslproto.SSLProtocol.max_size = _TLS_BUFFER
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


async def _main(options: ControllerOptions) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop, number)
    log.info("starting", version=__version__, identity=options.leader.identity, workers=options.work.workers)
    if not options.backend_settings.allowed_servers:
        log.warning(
            "issuers of a namespace may name any server",
            advice="whoever may create an issuer in a namespace can have this process connect to hosts of "
            "its network: list the servers that they need in --allowed-servers (chart: "
            "namespacedIssuers.allowedServers)",
        )
    traces = None if not options.tracing_endpoint else _traces(options)
    kubeconfig = None if options.kubeconfig is None else str(options.kubeconfig)
    workers = options.work.workers + options.work.issuer_workers * len(CheckPool)
    trust = len(options.trust.config_maps) + options.trust.cluster_trust_bundles + WRITERS
    client = await connect(kubeconfig, connections=workers + _WATCHES + trust)
    lease_client = await connect(kubeconfig, connections=4 if options.leader.sharded else 2)
    try:
        await refuse_peers(client, options.refused_peers)
        await require_kinds(client, options.adopted_kinds)
        return await Manager(options, client, lease_client).run(stop)
    finally:
        await client.close()
        await lease_client.close()
        if traces is not None:
            await asyncio.to_thread(traces.close)


def _traces(options: ControllerOptions) -> Traces:
    """Send traces; raises OptionsError where the packages for that are missing."""
    try:
        from issuer.telemetry.otlp import Traces
    except ImportError as error:
        raise OptionsError(
            f"--tracing-endpoint needs packages that are not installed ({error.name}): "
            "pip install 'vault-issuer[tracing]'"
        ) from error
    traces = Traces(options.tracing_endpoint, options.leader.identity)
    traces.start()
    return traces


def _stop(stop: asyncio.Event, number: signal.Signals) -> None:
    """A signal asks for an orderly end; a second Ctrl-C ends the process at once."""
    log.info("signal", name=number.name)
    stop.set()
    if number == signal.SIGINT:
        asyncio.get_running_loop().remove_signal_handler(number)
