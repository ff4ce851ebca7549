"""A reflector that runs against the scripted API server, and a handler that keeps what it brings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from issuer.kube.client import INITIAL_END, KubeClient
from issuer.kube.watching.reflector import Reflector
from issuer.requests.resources import CERTIFICATE_REQUESTS
from tests.unit.kube.fake_api import FakeApi, Reply, event, until

PATH = CERTIFICATE_REQUESTS.path()
END = event("BOOKMARK", {"metadata": {"resourceVersion": "9", "annotations": {INITIAL_END: "true"}}})


class Store:
    """A handler that keeps names and versions, and tells when it holds what a test waits for."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.begun: dict[str, str] | None = None
        self.removed: list[str] = []
        self.objects: list[dict[str, Any]] = []
        self.bad: str | None = None
        self._changed = asyncio.Event()

    def begin(self) -> None:
        self.begun = {}

    def add(self, obj: dict[str, Any]) -> None:
        assert self.begun is not None
        self.objects.append(obj)
        self.begun[obj["metadata"]["name"]] = obj["metadata"]["resourceVersion"]

    def end(self) -> None:
        assert self.begun is not None
        self.known, self.begun = self.begun, None
        self._changed.set()

    def upsert(self, obj: dict[str, Any]) -> None:
        if obj["metadata"]["name"] == self.bad:
            raise KeyError(self.bad)
        self.known[obj["metadata"]["name"]] = obj["metadata"]["resourceVersion"]
        self._changed.set()

    def remove(self, obj: dict[str, Any]) -> None:
        self.removed.append(obj["metadata"]["name"])
        self.known.pop(obj["metadata"]["name"], None)
        self._changed.set()

    async def until(self, expected: dict[str, str]) -> None:
        async with asyncio.timeout(5):
            while self.known != expected:
                self._changed.clear()
                await self._changed.wait()


class Running:
    """A reflector at work on scripted answers; the last one told should hang."""

    def __init__(self, api: FakeApi, client: KubeClient, **options: Any) -> None:
        self.api = api
        self.store = Store()
        options = {"first_backoff": 0.001, **options}
        self.reflector = Reflector(client, CERTIFICATE_REQUESTS, self.store, **options)
        self._task: asyncio.Task[None] | None = None

    async def until(self, expected: dict[str, str], *replies: Reply) -> None:
        self.api.on("GET", PATH, *replies)
        if self._task is None:
            self._task = asyncio.create_task(self.reflector.run())
        try:
            await self.store.until(expected)
            await until(lambda: not self.api.left())
        finally:
            self._task.cancel()
            await asyncio.wait([self._task])
        assert self._task.cancelled()

    def queries(self, name: str) -> list[str | None]:
        return [call.query.get(name) for call in self.api.calls]


Start = Callable[..., Running]
