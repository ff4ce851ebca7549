"""A scripted API server: real HTTP on loopback, answering what it was told to, in turn, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from issuer.kube.auth.credentials import Access, Fixed
from issuer.kube.client import KubeClient

Reply = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass
class Call:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass
class FakeApi:
    """Answers each (method, path) with the replies told for it, first come first served."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    _replies: dict[tuple[str, str], list[Reply]] = field(default_factory=dict)
    _always: dict[tuple[str, str], Reply] = field(default_factory=dict)
    _quiet: asyncio.Event = field(default_factory=asyncio.Event)

    def on(self, method: str, path: str, *replies: Reply) -> None:
        """Tell what to answer to the next calls of this kind."""
        self._replies.setdefault((method, path), []).extend(replies)

    def always(self, method: str, path: str, reply: Reply) -> None:
        """Tell what to answer to calls of this kind for which nothing else was told, however many."""
        self._always[method, path] = reply

    def left(self) -> list[str]:
        """Replies that nobody asked for."""
        return [f"{method} {path}" for (method, path), replies in self._replies.items() for _ in replies]

    def called(self, method: str) -> list[Call]:
        """The calls of a method."""
        return [call for call in self.calls if call.method == method]

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Record the call and give its reply; a call without one is refused and fails the test."""
        content = await request.read()
        body = orjson.loads(content) if content else None
        call = Call(request.method, request.path, dict(request.query), request.headers, body)
        self.calls.append(call)
        replies = self._replies.get((request.method, request.path))
        usual = self._always.get((request.method, request.path))
        if not replies and usual is not None:
            return await usual(request)
        if not replies:
            self.surprises.append(f"{request.method} {request.path_qs}")
            return web.json_response(failure(501, "NotTold"), status=501)
        return await replies.pop(0)(request)

    def client_access(self, authorization: str | None = "Bearer secret-token") -> Access:
        """The way to this server."""
        return Access(server=self.url, authorization=authorization, tls=None)


def json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Answer with a JSON document."""

    async def reply(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return reply


def echo(version: str) -> Reply:
    """Answer with what was sent, under a new resourceVersion, as the API server does on a write."""

    async def reply(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.json()
        return web.json_response(body | {"metadata": body["metadata"] | {"resourceVersion": version}})

    return reply


def raw(content: bytes, status: int = 200, *, length: bool = True) -> Reply:
    """Answer with bytes; without `length` in chunks of unknown number."""

    async def reply(request: web.BaseRequest) -> web.StreamResponse:
        if length:
            return web.Response(body=content, status=status)
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        await response.write(content)
        return response

    return reply


def never() -> Reply:
    """Do not answer at all."""

    async def reply(_: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return reply


def stream(*pieces: bytes, hang: bool = False) -> Reply:
    """A watch: these pieces as they are, then the end, or silence with `hang`."""

    async def reply(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        if hang:
            await asyncio.Event().wait()
        return response

    return reply


def failure(code: int, reason: str, message: str = "no", **details: Any) -> dict[str, Any]:
    """A `Status` object."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return status | {"reason": reason, "message": message, "details": details}


def refuse(code: int, reason: str, message: str = "no", **details: Any) -> Reply:
    """Answer with a `Status` of that code."""
    return json(failure(code, reason, message, **details), status=code)


def event(kind: str, obj: Mapping[str, Any]) -> bytes:
    """A line of a watch."""
    return orjson.dumps({"type": kind, "object": obj}) + b"\n"


def thing(name: str, version: str, **more: Any) -> dict[str, Any]:
    """A small object."""
    metadata = {"name": name, "namespace": "ns", "uid": f"uid-{name}", "resourceVersion": version}
    return {"apiVersion": "cert-manager.io/v1", "kind": "CertificateRequest", "metadata": metadata} | more


def listing(version: str, *items: Mapping[str, Any], more: str = "") -> Reply:
    """A page of a list."""
    metadata = {"resourceVersion": version, "continue": more}
    return json({"kind": "List", "metadata": metadata, "items": list(items)})


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that announces itself to nobody; a test that waits 5 s has failed."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - the things waited for are counters of the code under test
            await asyncio.sleep(0.001)


@asynccontextmanager
async def running() -> AsyncIterator[FakeApi]:
    """A server on a free port of loopback. At the end nothing unexpected may have been asked."""
    api = FakeApi()
    server = web.Server(api.handle, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()
    assert not api.surprises


@asynccontextmanager
async def client_of(api: FakeApi, timeout: float = 5.0) -> AsyncIterator[KubeClient]:
    """A client of that server, closed at the end."""
    client = await KubeClient.open(Fixed(api.client_access()), timeout=timeout, user_agent="test")
    try:
        yield client
    finally:
        await client.close()
