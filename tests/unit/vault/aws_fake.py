"""AWS's side of a login on a loopback socket: STS over TLS, and the node's endpoints over http.

A fake, as AWS itself can't be had in a test.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from testbed.certs import write_server

GRANTED = (
    '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
    "<AssumeRoleWithWebIdentityResult><Audience>sts.amazonaws.com</Audience><Credentials>"
    "<AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>very/secret&amp;key</SecretAccessKey>"
    "<SessionToken>session==</SessionToken><Expiration>2026-01-01T00:00:00Z</Expiration>"
    "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
)


def refused(code: str, message: str) -> str:
    """STS's answer when it says no."""
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    )


@dataclass
class Call:
    """One request as it came in."""

    what: str
    headers: dict[str, str]
    form: dict[str, str]


@dataclass
class FakeAWS:
    """Answers "METHOD /path" as it was told; a call it wasn't told of gets 418."""

    url: str = ""
    replies: dict[str, tuple[int, str | bytes]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        what = f"{request.method} {request.raw_path}"
        self.calls.append(Call(what, dict(request.headers), form))
        status, body = self.replies.get(what, (418, "untold"))
        return web.Response(status=status, body=body)


@asynccontextmanager
async def _running(context: ssl.SSLContext | None) -> AsyncIterator[FakeAWS]:
    fake = FakeAWS()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fake.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    fake.url = f"http{'s' if context else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()


@asynccontextmanager
async def fake_sts(directory: Path) -> AsyncIterator[tuple[FakeAWS, dict[str, str]]]:
    """STS over TLS, and the environment that leads to it."""
    files = write_server(directory, "sts")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.cert, files.key)
    async with _running(context) as fake:
        yield fake, {"AWS_ENDPOINT_URL_STS": fake.url, "AWS_CA_BUNDLE": str(files.ca)}


@asynccontextmanager
async def fake_metadata() -> AsyncIterator[FakeAWS]:
    """The endpoints of a node, over http."""
    async with _running(None) as fake:
        yield fake
