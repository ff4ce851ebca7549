"""What keeps a request from being signed by two owners, shown with it and without it.

One replica runs in the test's own process, so that faults come at exact points.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from issuer.controller.leadership.assignment import shard_of
from issuer.controller.leadership.shard import Phase, Shard
from issuer.kube.client import KubeClient, Page
from issuer.kube.errors import Unavailable
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.request import RequestKey
from issuer.requests.resources import CERTIFICATE_REQUESTS
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.processes import PATIENCE
from testbed.vaultpki import PkiLayout
from tests.integration.support.common import (
    revocations,
    signed_csrs,
    wait_ready,
)
from tests.integration.support.inprocess import Running, in_process, until
from tests.integration.support.sharding import (
    CALL,
    SHARDS,
    create,
    issued,
    options,
    owned,
    replica,
    signing_issuer,
    take_rights_back,
    wait_all_issued,
    wait_shared,
)

ISSUER = "handed"


@pytest.fixture(autouse=True, scope="module")
def _rights(bed: Testbed) -> Iterator[None]:
    yield
    take_rights_back(bed)


@pytest.fixture
async def issuer(bed: Testbed, layout: PkiLayout) -> AsyncIterator[str]:
    """An issuer that signs."""
    with signing_issuer(bed, layout, ISSUER) as name:
        yield name


@asynccontextmanager
async def ended(one: ControllerProcess) -> AsyncIterator[None]:
    """However what is inside ends, that replica runs no longer behind it."""
    try:
        yield
    finally:
        await asyncio.to_thread(one.stop)


def one_a_shard(namespace: str) -> list[str]:
    """Names of requests, one in each shard."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < SHARDS:
        found.setdefault(shard_of(RequestKey(namespace, f"r{number}"), SHARDS), f"r{number}")
        number += 1
    return list(found.values())


def pending(running: Running, namespace: str) -> int:
    """How many unanswered requests of a namespace that replica knows."""
    known = running.manager.components.state.requests[CertificateRequest].pending()
    return sum(1 for key in known if key.namespace == namespace)


def shards_of(running: Running) -> int:
    """How many shards that replica works on."""
    return int(running.manager.components.metrics.registry.get_sample_value("vault_issuer_shards_owned") or 0)


def with_watch_behind(gate: asyncio.Event, namespace: str) -> Callable[[KubeClient], None]:
    """Until the gate opens, the watch of requests stands still before the first answer in a namespace.

    Only there: the list is a watch, too, and shows what other tests left.
    """

    def prepare(client: KubeClient) -> None:
        watch = client.watch

        async def behind(resource: Resource, **more: Any) -> AsyncGenerator[tuple[str, Object], None]:
            async for kind, obj in watch(resource, **more):
                ours = resource == CERTIFICATE_REQUESTS and obj["metadata"].get("namespace") == namespace
                if ours and (obj.get("status") or {}).get("certificate"):
                    await gate.wait()
                yield kind, obj

        client.watch = behind  # type: ignore[method-assign]

    return prepare


def joining_when(gate: asyncio.Event) -> Callable[[KubeClient], None]:
    """Until the gate opens, nothing is known of Leases."""

    def prepare(client: KubeClient) -> None:
        get, list_page = client.get, client.list_page

        async def later(*args: Any, **more: Any) -> Object:
            if not gate.is_set():
                raise Unavailable("not yet")
            return await get(*args, **more)

        async def listed_later(*args: Any, **more: Any) -> Page:
            if not gate.is_set():
                raise Unavailable("not yet")
            return await list_page(*args, **more)

        client.get, client.list_page = later, listed_later  # type: ignore[method-assign]

    return prepare


def with_writes_held(gate: asyncio.Event) -> Callable[[KubeClient], None]:
    """Until the gate opens, certificates are signed and not written."""

    def prepare(client: KubeClient) -> None:
        write = client.replace_status

        async def later(resource: Resource, body: Object) -> Object:
            if (body.get("status") or {}).get("certificate"):
                await gate.wait()
            return await write(resource, body)

        client.replace_status = later  # type: ignore[method-assign]

    return prepare


@asynccontextmanager
async def signed_and_not_written(
    bed: Testbed, namespace: str, settings: dict[str, Any], lease_faults: Callable[[KubeClient], None]
) -> AsyncIterator[tuple[Running, asyncio.Event]]:
    """A replica with a certificate in each shard that is signed and not written, until the event is set."""
    write = asyncio.Event()
    async with in_process(bed, with_writes_held(write), lease_faults, **settings) as running:
        await until(lambda: shards_of(running) == SHARDS, "it has all shards")
        await asyncio.to_thread(wait_ready, bed, ISSUER)
        await asyncio.to_thread(create, bed, namespace, ISSUER, one_a_shard(namespace))
        await until(lambda: len(running.manager.components.delivery.held) == SHARDS, "all are signed")
        yield running, write


@pytest.mark.parametrize("reads_anew", [True, False])
async def test_a_new_owner_whose_watch_is_behind_signs_nothing_again_as_it_reads_anew(
    bed: Testbed, namespace: str, issuer: str, reads_anew: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not reads_anew:
        monkeypatch.setattr(Shard, "in_doubt", lambda _self, _key: False)
    group = f"behind-{reads_anew}".lower()
    before, revoked = Counter(signed_csrs(bed)), revocations(bed)
    show, join = asyncio.Event(), asyncio.Event()
    first = replica(bed, group)
    async with (
        ended(first),
        in_process(bed, with_watch_behind(show, namespace), joining_when(join), **options(group)) as second,
    ):
        await asyncio.to_thread(first.start)
        await asyncio.to_thread(wait_shared, [first])
        await asyncio.to_thread(wait_ready, bed, issuer)
        bed.vault.pause()
        try:
            await asyncio.to_thread(create, bed, namespace, issuer, one_a_shard(namespace))
            await until(lambda: pending(second, namespace) == SHARDS, "the second has seen them, unanswered")
        finally:
            bed.vault.resume()
        await asyncio.to_thread(wait_all_issued, bed, namespace, SHARDS)
        assert await asyncio.to_thread(first.stop) == 0
        assert pending(second, namespace) == SHARDS, "the second has not seen the answers"
        join.set()
        await until(lambda: shards_of(second) == SHARDS, "the second has all shards")
        await until(lambda: pending(second, namespace) == 0, "the second has looked at all of them")
        show.set()
        await asyncio.to_thread(create, bed, namespace, issuer, ["after"])
        await asyncio.to_thread(wait_all_issued, bed, namespace, SHARDS + 1)
    signed = Counter(signed_csrs(bed)) - before
    twice = 0 if reads_anew else SHARDS
    assert len(signed) == SHARDS + 1
    assert sum(signed.values()) == SHARDS + 1 + twice
    assert revocations(bed) - revoked == twice, "what was signed again was revoked, and not delivered"


@pytest.mark.parametrize("drains", [True, False])
async def test_a_shard_is_given_only_when_what_was_signed_in_it_is_written(
    bed: Testbed, namespace: str, issuer: str, drains: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(self: Shard, _deadline: float) -> bool:
        self.phase = Phase.DONE
        return True

    if not drains:
        monkeypatch.setattr(Shard, "_drained", at_once)
    group = f"draining-{drains}".lower()
    before = Counter(signed_csrs(bed))
    other = replica(bed, group)
    async with (
        ended(other),
        signed_and_not_written(bed, namespace, options(group), lambda _client: None) as (first, write),
    ):
        await asyncio.to_thread(other.start)
        if drains:
            await asyncio.sleep(5)
            assert (shards_of(first), owned(other)) == (SHARDS // 2, 0), "half are to be given, none is"
        else:
            await until(lambda: issued(other) >= SHARDS // 2, "the other signs what it was given")
        write.set()
        await asyncio.to_thread(wait_all_issued, bed, namespace, SHARDS)
        await until(lambda: owned(other) == SHARDS // 2, "the other has its share")
    signed = Counter(signed_csrs(bed)) - before
    assert len(signed) == SHARDS
    assert sum(signed.values()) == SHARDS + (0 if drains else SHARDS // 2)


async def test_a_replica_that_lost_its_leases_and_lives_revokes_its_own_and_ends(
    bed: Testbed, namespace: str, issuer: str
) -> None:
    cut = asyncio.Event()

    def losing(client: KubeClient) -> None:
        replace = client.replace

        async def refused(resource: Resource, body: Object) -> Object:
            if cut.is_set():
                raise Unavailable("cut off")
            return await replace(resource, body)

        client.replace = refused  # type: ignore[method-assign]

    before, revoked = Counter(signed_csrs(bed)), revocations(bed)
    other = replica(bed, "losing")
    # What it has in flight ends once the other has signed all, however long that takes.
    settings = options("losing", CALL) | {"grace": PATIENCE}
    async with (
        ended(other),
        signed_and_not_written(bed, namespace, settings, losing) as (first, write),
    ):
        cut.set()
        await asyncio.to_thread(other.start)
        await asyncio.to_thread(wait_shared, [other])
        await asyncio.to_thread(wait_all_issued, bed, namespace, SHARDS)
        write.set()
        assert await first.task == 1
    signed = Counter(signed_csrs(bed)) - before
    assert set(signed.values()) == {2}
    assert len(signed) == SHARDS
    assert revocations(bed) - revoked == SHARDS
    await asyncio.to_thread(wait_all_issued, bed, namespace, SHARDS)
