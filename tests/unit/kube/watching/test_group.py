"""Two watches of one resource by field selectors: one may fail, and the other goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from issuer.controller.state.watched.portions import SharedStores
from issuer.controller.state.watched.store import Store
from issuer.kube.client import KubeClient
from issuer.kube.watching.group import ReflectorGroup
from issuer.kube.watching.reflector import Reflector
from issuer.kube.wire import Object
from issuer.requests.resources import CERTIFICATE_REQUESTS
from tests.unit.kube.fake_api import FakeApi, Reply, event, listing, refuse, stream, thing, until

PATH = CERTIFICATE_REQUESTS.path()
GROUPS = ("one.test", "two.test")


class Names(Store[str]):
    """Keeps names."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def key_of(self, obj: Object) -> str:
        return str(obj["metadata"]["name"])

    def known(self) -> Iterable[str]:
        return tuple(self.names)

    def upsert(self, obj: Object) -> None:
        self.names.add(self.key_of(obj))

    def drop(self, key: str) -> None:
        self.names.discard(key)


class Watches:
    """Two reflectors as one, and the answers that the server has for each."""

    def __init__(self, api: FakeApi, client: KubeClient) -> None:
        self.api = api
        self.store = Names()
        self.replies: dict[str, list[Reply]] = {group: [] for group in GROUPS}
        shared = SharedStores(self.store)
        self.group = ReflectorGroup(
            [
                Reflector(
                    client,
                    CERTIFICATE_REQUESTS,
                    shared.portion(),
                    field_selector=f"spec.issuerRef.group={group}",
                    first_backoff=0.001,
                )
                for group in GROUPS
            ]
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer by the field selector of each call."""

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            group = request.query["fieldSelector"].removeprefix("spec.issuerRef.group=")
            return await self.replies[group].pop(0)(request)

        self.api.on("GET", PATH, *[answer] * 20)
        task = asyncio.create_task(self.group.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
        assert task.cancelled()


async def test_it_is_synced_once_each_has_listed(api: FakeApi, client: KubeClient) -> None:
    watches, listed = Watches(api, client), asyncio.Event()

    async def late(request: web.BaseRequest) -> web.StreamResponse:
        await listed.wait()
        return await listing("7", thing("b", "2"))(request)

    watches.replies["one.test"] = [listing("5", thing("a", "1")), stream(hang=True)]
    watches.replies["two.test"] = [late, stream(hang=True)]
    async with watches.running():
        await until(lambda: watches.store.names == {"a"})
        assert not watches.group.synced.is_set()
        assert (watches.group.current, watches.group.resource_version) == (False, "")
        listed.set()
        await watches.group.synced.wait()
        assert watches.store.names == {"a", "b"}
        assert watches.group.resource_version == "5"
        assert watches.group.current


async def test_a_watch_that_fails_lists_anew_and_keeps_the_others(api: FakeApi, client: KubeClient) -> None:
    watches = Watches(api, client)
    watches.replies["one.test"] = [
        listing("5", thing("a", "1"), thing("gone", "1")),
        refuse(410, "Expired"),
        refuse(503, "ServiceUnavailable"),
        listing("9", thing("a", "1"), thing("new", "8")),
        stream(hang=True),
    ]
    watches.replies["two.test"] = [
        listing("5", thing("b", "2")),
        stream(event("ADDED", thing("c", "6")), hang=True),
    ]
    async with watches.running():
        await until(lambda: watches.store.names == {"a", "new", "b", "c"})
        await until(lambda: watches.group.current)
    assert watches.group.restarts >= 1


async def test_a_group_that_is_refused_makes_the_whole_out_of_date(api: FakeApi, client: KubeClient) -> None:
    watches = Watches(api, client)
    watches.replies["one.test"] = [listing("5"), stream(hang=True)]
    watches.replies["two.test"] = [*[refuse(503, "ServiceUnavailable")] * 3, listing("6"), stream(hang=True)]
    async with watches.running():
        await until(lambda: watches.group.restarts >= 3)
        await watches.group.synced.wait()
        assert watches.group.current
