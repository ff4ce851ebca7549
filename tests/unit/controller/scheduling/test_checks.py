"""Which issuers are checked next."""

from __future__ import annotations

import asyncio
import gc
from typing import cast

import pytest

from issuer.controller.issuers.checker import IssuerChecker
from issuer.controller.issuers.reconciler import IssuerReconciler
from issuer.controller.issuers.reporter import IssuerReporter
from issuer.controller.issuers.status import CheckResult
from issuer.controller.scheduling import checks
from issuer.controller.scheduling.checks import CheckFlows, CheckPool, TookLong
from issuer.kube.queues.fairqueue import QueueKey
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.wire import Object
from issuer.requests.issuers import IssuerKey
from issuer.signing.backends import built_in
from issuer.signing.outcomes import IssuerUnavailable
from tests.builders import issuer_object
from tests.unit.controller.bench import Bench

WORKERS = 16
LIVE = IssuerKey("VaultClusterIssuer", "", "live")


@pytest.fixture
def flows(bench: Bench) -> CheckFlows:
    bench.issuers["VaultClusterIssuer"].upsert(issuer_object("live", server="https://live.example.test:8200"))
    return CheckFlows(bench.issuers, WORKERS, longest=0.02, backends=built_in())


def cluster_issuer(bench: Bench, name: str, server: str) -> IssuerKey:
    bench.issuers["VaultClusterIssuer"].upsert(issuer_object(name, server=server))
    return IssuerKey("VaultClusterIssuer", "", name)


def issuer(bench: Bench, name: str, namespace: str, server: str) -> IssuerKey:
    bench.issuers["VaultIssuer"].upsert(issuer_object(name, namespace, server=server))
    return IssuerKey("VaultIssuer", namespace, name)


def take_all(flows: CheckFlows) -> list[IssuerKey]:
    found = []
    while (key := flows.fair_queue.take()) is not None:
        found.append(key)
    return found


async def forever() -> None:
    await asyncio.Event().wait()


async def found_slow(flows: CheckFlows, key: IssuerKey) -> None:
    with pytest.raises(TookLong):
        await flows.bounded(key, forever())
    flows.fair_queue.done(key)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "QUICK", 0.01)


def test_a_namespace_has_a_quarter_of_the_workers_whatever_its_servers_are(
    bench: Bench, flows: CheckFlows
) -> None:
    for number in range(96):
        flows.fair_queue.add(
            issuer(bench, f"d{number}", "team-a", f"https://dead.example.test:{1000 + number}")
        )
    assert len(take_all(flows)) == WORKERS / 4
    flows.fair_queue.add(new := issuer(bench, "new", "team-b", "https://live.example.test:8200"))
    flows.fair_queue.add(LIVE)
    assert set(take_all(flows)) == {new, LIVE}


def test_issuers_of_many_namespaces_leave_cluster_issuers_their_workers(
    bench: Bench, flows: CheckFlows
) -> None:
    for number in range(200):
        flows.fair_queue.add(issuer(bench, "dead", f"team-{number}", "https://dead.example.test:8200"))
    assert len(take_all(flows)) == WORKERS
    flows.fair_queue.add(LIVE)
    assert take_all(flows) == [LIVE]


def test_a_dead_servers_cluster_issuers_leave_workers_for_others(bench: Bench, flows: CheckFlows) -> None:
    for number in range(100):
        flows.fair_queue.add(cluster_issuer(bench, f"dead-{number}", "https://dead.example.test:8200"))
    assert len(take_all(flows)) == WORKERS / 2
    flows.fair_queue.add(LIVE)
    assert take_all(flows) == [LIVE]


def test_within_a_namespace_servers_take_turns(bench: Bench, flows: CheckFlows) -> None:
    for number in range(9):
        flows.fair_queue.add(issuer(bench, f"many-{number}", "team-a", "https://one.example.test:8200"))
    flows.fair_queue.add(last := issuer(bench, "last", "team-a", "https://other.example.test:8200"))
    assert last in take_all(flows)[:2]


async def test_what_takes_long_is_begun_again_among_the_slow(
    bench: Bench, flows: CheckFlows, hasty: None
) -> None:
    keys = [issuer(bench, f"d{number}", "team-a", "https://dead.example.test:8200") for number in range(30)]
    for key in keys:
        flows.fair_queue.add(key)
    for key in take_all(flows):
        await found_slow(flows, key)
        flows.fair_queue.add(key)
    # Those that stood in the line all the while are moved, not tried one after the other.
    slow = take_all(flows)
    assert {flows.fair_queue.partition(key) for key in slow} == {CheckPool.SLOW_NAMESPACED}
    assert len(slow) == WORKERS / 4
    flows.fair_queue.add(sound := issuer(bench, "sound", "team-a", "https://live.example.test:8200"))
    assert take_all(flows) == [sound]
    assert flows.fair_queue.partition(sound) is CheckPool.NAMESPACED


async def test_a_slow_check_that_ends_quickly_is_among_the_quick_again(
    bench: Bench, flows: CheckFlows, hasty: None
) -> None:
    flows.fair_queue.add(LIVE)
    assert take_all(flows) == [LIVE]
    await found_slow(flows, LIVE)
    flows.fair_queue.add(LIVE)
    assert take_all(flows) == [LIVE]
    assert flows.fair_queue.partition(LIVE) is CheckPool.SLOW_CLUSTER
    assert await flows.bounded(LIVE, asyncio.sleep(0, "sound")) == "sound"
    assert flows.pool(LIVE) is CheckPool.CLUSTER


async def test_even_a_slow_check_ends(flows: CheckFlows, hasty: None) -> None:
    flows.fair_queue.add(LIVE)
    take_all(flows)
    await found_slow(flows, LIVE)
    flows.fair_queue.add(LIVE)
    take_all(flows)
    with pytest.raises(IssuerUnavailable, match="answers too slowly"):
        await flows.bounded(LIVE, forever())


async def test_a_timeout_of_the_check_itself_is_its_own(flows: CheckFlows) -> None:
    async def fails() -> None:
        raise TimeoutError("inside")

    flows.fair_queue.add(LIVE)
    take_all(flows)
    with pytest.raises(TimeoutError, match="inside"):
        await flows.bounded(LIVE, fails())


def test_an_issuer_that_is_gone_or_unreadable_has_a_place_too(bench: Bench, flows: CheckFlows) -> None:
    obj = issuer_object("odd")
    del obj["spec"]["vault"]
    bench.issuers["VaultClusterIssuer"].upsert(obj)
    keys: list[QueueKey[IssuerKey]] = [
        flows.queue_key(IssuerKey("VaultClusterIssuer", "", name)) for name in ("odd", "gone")
    ]
    assert [one.tenant for one in keys] == ["", ""]


def test_nothing_is_kept_of_namespaces_that_wait_for_nothing(bench: Bench, flows: CheckFlows) -> None:
    for number in range(50):
        flows.fair_queue.add(issuer(bench, "one", f"team-{number}", "https://live.example.test:8200"))
        for key in take_all(flows):
            flows.fair_queue.done(key)
    gc.collect()
    assert not flows._limiters.found


async def test_a_check_that_took_long_is_no_verdict(bench: Bench, flows: CheckFlows, hasty: None) -> None:
    class Checker:
        async def check(self, key: IssuerKey, obj: Object) -> CheckResult:
            await forever()
            raise AssertionError("it never ends")

    reconciler = IssuerReconciler(
        stores=bench.issuers,
        registry=bench.registry,
        queue=WorkQueue(flows.fair_queue),
        flows=flows,
        checker=cast(IssuerChecker, Checker()),
        reporter=cast(IssuerReporter, None),
        metrics=bench.metrics,
        defects=bench.defects,
        period=60,
    )
    reconciler.queue.add(LIVE)
    await reconciler.reconcile(await reconciler.queue.get())
    reconciler.queue.done(LIVE)
    assert await reconciler.queue.get() == LIVE
    assert flows.fair_queue.partition(LIVE) is CheckPool.SLOW_CLUSTER
