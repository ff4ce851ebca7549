"""The HTTP listener for kubelet and Prometheus: `/healthz`, `/readyz` and `/metrics`.

With a certificate it speaks TLS alone, and who reads the metrics is authenticated and authorized by the API
server, as the metrics of Kubernetes' own components are: `get` of the path `/metrics` in a ClusterRole's
`nonResourceURLs`. Kubelet's probes need no login, and don't verify the certificate.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from issuer.serving.auth import Authenticator, Refused
from issuer.serving.listener import Listener
from issuer.serving.tls import ServingCertificate
from issuer.telemetry.address import parse_address

Check = Callable[[], str | None]
"""Returns None when well, or what is wrong in a few words."""


PATH: Final = "/metrics"
"""The path of the metrics, which a ClusterRole's nonResourceURLs must name where they are served by TLS."""

_IDLE: Final = 75.0  # seconds a connection is kept for its next request; Prometheus scrapes every 30 s


@dataclass(frozen=True, slots=True)
class Protection:
    """Certificate to serve with, and who may read the metrics."""

    certificate: ServingCertificate
    authenticator: Authenticator


@dataclass(slots=True)
class HealthServer:
    """Serves health, readiness and metrics until closed.

    A failed check of `live` asks for a restart; one of `ready` says that the process can't do its work, nor
    stand by for it. Without `protection` it speaks plain HTTP and lets everybody read.
    """

    registry: CollectorRegistry
    live: dict[str, Check] = field(default_factory=dict)
    ready: dict[str, Check] = field(default_factory=dict)
    protection: Protection | None = None
    _runner: web.AppRunner | None = None
    _listener: Listener | None = None

    async def start(self, address: str) -> None:
        """Listen on `host:port`; raises OSError if the port is taken."""
        host, port = parse_address(address)
        app = web.Application(middlewares=[self._note])
        app.router.add_get("/healthz", self._answer(self.live))
        app.router.add_get("/readyz", self._answer(self.ready))
        app.router.add_get(PATH, self._metrics)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=_IDLE)
        await self._runner.setup()
        if self.protection is None:
            await web.TCPSite(self._runner, host, port).start()
            return
        self._listener = Listener(self._runner, self.protection.certificate)
        await self._listener.start(host, port)

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            await self._listener.close()
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

    @web.middleware
    async def _note(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self._listener is not None:
            self._listener.asked(request.protocol)
        return await handler(request)

    async def _metrics(self, request: web.Request) -> web.Response:
        if self.protection is not None:
            try:
                await self.protection.authenticator.authenticate(_bearer_token(request))
            except Refused as refused:
                headers = {"WWW-Authenticate": 'Bearer realm="vault-issuer metrics"'}
                return web.Response(
                    text=f"{refused}\n",
                    status=refused.status,
                    headers=headers if refused.status == 401 else None,
                )
        body = generate_latest(self.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _bearer_token(request: web.Request) -> str:
    """Return the token of the Authorization header (RFC 6750, 2.1). Raises Refused."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.casefold() != "bearer" or not token.strip():
        raise Refused(401, "A bearer token is needed.")
    return token.strip()
