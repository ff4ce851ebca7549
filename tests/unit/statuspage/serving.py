"""The page served for a test: on loopback, or with TLS and logins."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from issuer.kube.errors import Unavailable
from issuer.kube.identity import User
from issuer.serving.auth import Authenticator
from issuer.serving.tls import ServingCertificate
from issuer.statuspage.web.live import Broadcaster
from issuer.statuspage.web.server import PATH, StatusServer
from testbed.certs import write_server
from testbed.processes import free_port
from tests.unit.statuspage.facts import NOW, Facts

JANE = User("jane")
TOKEN = "jane-s-token"


class Reviewer:
    """Knows jane, who may look until a test says otherwise; `away` as an API server may be."""

    path = PATH
    allowed = True
    known = True
    away = False

    async def user(self, token: str) -> User | None:
        return JANE if self.known and token == TOKEN else None

    async def may_read(self, _user: User) -> bool:
        if self.away:
            raise Unavailable("POST subjectaccessreviews: connection refused")
        return self.allowed


@asynccontextmanager
async def serving(facts: Facts | None = None) -> AsyncIterator[str]:
    """The page on loopback; its address."""
    page = StatusServer(Broadcaster(facts or Facts(), now=lambda: NOW, every=0.02), now=lambda: NOW)
    port = free_port()
    await page.start(f"127.0.0.1:{port}")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await page.close()


@dataclass
class Exposed:
    """The page with TLS and logins."""

    url: str
    reviewer: Reviewer
    session: aiohttp.ClientSession
    context: ssl.SSLContext


@asynccontextmanager
async def exposed(directory: Path) -> AsyncIterator[Exposed]:
    """Everybody's address, with a browser's cookies."""
    files = write_server(directory, "tls")
    reviewer = Reviewer()
    page = StatusServer(
        Broadcaster(Facts(), now=lambda: NOW, every=0.02), Authenticator(reviewer), now=lambda: NOW
    )
    port = free_port()
    await page.start(f":{port}", ServingCertificate(files.cert, files.key))
    context = ssl.create_default_context(cafile=str(files.ca))
    jar = aiohttp.CookieJar(unsafe=True)  # the address has no name
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
        try:
            yield Exposed(f"https://127.0.0.1:{port}", reviewer, session, context)
        finally:
            await page.close()


HTML = {"Accept": "text/html"}


async def get(url: str, **options: Any) -> tuple[int, str, Any]:
    """Status, text and headers of an answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(options.pop("method", "GET"), url, **options) as got,
    ):
        return got.status, await got.text(), got.headers


async def events(content: aiohttp.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """The messages of a stream."""
    async for line in content:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


async def login(one: Exposed, token: str = TOKEN, **headers: str) -> tuple[int, str, str]:
    """Status, cookie's header, and text."""
    async with one.session.post(
        f"{one.url}/login", data={"token": token}, headers={**HTML, **headers}, allow_redirects=False
    ) as got:
        return got.status, got.headers.get("Set-Cookie", ""), await got.text()


@asynccontextmanager
async def watching(one: Exposed) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """The stream of who has logged in, behind its first message."""
    await login(one)
    async with one.session.get(f"{one.url}/events") as got:
        messages = events(got.content)
        await anext(messages)
        yield messages
