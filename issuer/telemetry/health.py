"""The HTTP listener for kubelet and Prometheus: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from issuer.telemetry.address import parse_address

Check = Callable[[], str | None]
"""Returns None when well, or what is wrong in a few words."""


@dataclass(slots=True)
class HealthServer:
    """Serves health, readiness and metrics until closed.

    A failed check of `live` asks for a restart; one of `ready` says that the process can't do its work, nor
    stand by for it.
    """

    registry: CollectorRegistry
    live: dict[str, Check] = field(default_factory=dict)
    ready: dict[str, Check] = field(default_factory=dict)
    _runner: web.AppRunner | None = None

    async def start(self, address: str) -> None:
        """Listen on `host:port`; raises OSError if the port is taken."""
        host, port = parse_address(address)
        app = web.Application()
        app.router.add_get("/healthz", self._answer(self.live))
        app.router.add_get("/readyz", self._answer(self.ready))
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @staticmethod
    def _answer(checks: dict[str, Check]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(_request: web.Request) -> web.Response:
            wrong = {name: problem for name, check in checks.items() if (problem := check()) is not None}
            lines = [f"[-] {name}: {problem}" for name, problem in wrong.items()]
            lines += [f"[+] {name}: ok" for name in checks if name not in wrong]
            return web.Response(text="\n".join([*lines, ""]), status=503 if wrong else 200)

        return handle

    async def _metrics(self, _request: web.Request) -> web.Response:
        body = generate_latest(self.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
