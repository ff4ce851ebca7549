"""Which issuers are checked next."""

from __future__ import annotations

import asyncio
import gc

import pytest

from issuer.controller.issuers.reconciler import IssuerReconciler, Verdict
from issuer.controller.scheduling import checks
from issuer.controller.scheduling.checks import CheckTurns, Part, TookLong
from issuer.kube.queues.fairqueue import QueueKey
from issuer.kube.queues.workqueue import WorkQueue
from issuer.requests.issuers import IssuerKey
from issuer.signing.outcomes import Retry
from tests.builders import issuer_object
from tests.unit.controller.bench import Bench
from tests.unit.controller.fakes import Json

WORKERS = 16
LIVE = IssuerKey("VaultClusterIssuer", "", "live")


@pytest.fixture
def turns(bench: Bench) -> CheckTurns:
    bench.issuers["VaultClusterIssuer"].upsert(issuer_object("live", server="https://live.example.test:8200"))
    return CheckTurns(bench.issuers, WORKERS, longest=0.02)


def cluster_issuer(bench: Bench, name: str, server: str) -> IssuerKey:
    bench.issuers["VaultClusterIssuer"].upsert(issuer_object(name, server=server))
    return IssuerKey("VaultClusterIssuer", "", name)


def issuer(bench: Bench, name: str, namespace: str, server: str) -> IssuerKey:
    bench.issuers["VaultIssuer"].upsert(issuer_object(name, namespace, server=server))
    return IssuerKey("VaultIssuer", namespace, name)


def take_all(turns: CheckTurns) -> list[IssuerKey]:
    found = []
    while (key := turns.fair_queue.take()) is not None:
        found.append(key)
    return found


async def forever() -> None:
    await asyncio.Event().wait()


async def found_slow(turns: CheckTurns, key: IssuerKey) -> None:
    with pytest.raises(TookLong):
        await turns.bounded(key, forever())
    turns.fair_queue.done(key)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "QUICK", 0.01)


def test_a_namespace_has_a_quarter_of_the_workers_whatever_its_servers_are(
    bench: Bench, turns: CheckTurns
) -> None:
    for number in range(96):
        turns.fair_queue.add(
            issuer(bench, f"d{number}", "team-a", f"https://dead.example.test:{1000 + number}")
        )
    assert len(take_all(turns)) == WORKERS / 4
    turns.fair_queue.add(new := issuer(bench, "new", "team-b", "https://live.example.test:8200"))
    turns.fair_queue.add(LIVE)
    assert set(take_all(turns)) == {new, LIVE}


def test_issuers_of_many_namespaces_leave_cluster_issuers_their_workers(
    bench: Bench, turns: CheckTurns
) -> None:
    for number in range(200):
        turns.fair_queue.add(issuer(bench, "dead", f"team-{number}", "https://dead.example.test:8200"))
    assert len(take_all(turns)) == WORKERS
    turns.fair_queue.add(LIVE)
    assert take_all(turns) == [LIVE]


def test_a_dead_servers_cluster_issuers_leave_workers_for_others(bench: Bench, turns: CheckTurns) -> None:
    for number in range(100):
        turns.fair_queue.add(cluster_issuer(bench, f"dead-{number}", "https://dead.example.test:8200"))
    assert len(take_all(turns)) == WORKERS / 2
    turns.fair_queue.add(LIVE)
    assert take_all(turns) == [LIVE]


def test_within_a_namespace_servers_take_turns(bench: Bench, turns: CheckTurns) -> None:
    for number in range(9):
        turns.fair_queue.add(issuer(bench, f"many-{number}", "team-a", "https://one.example.test:8200"))
    turns.fair_queue.add(last := issuer(bench, "last", "team-a", "https://other.example.test:8200"))
    assert last in take_all(turns)[:2]


async def test_what_takes_long_is_begun_again_among_the_slow(
    bench: Bench, turns: CheckTurns, hasty: None
) -> None:
    keys = [issuer(bench, f"d{number}", "team-a", "https://dead.example.test:8200") for number in range(30)]
    for key in keys:
        turns.fair_queue.add(key)
    for key in take_all(turns):
        await found_slow(turns, key)
        turns.fair_queue.add(key)
    # Those that stood in the line all the while are moved, not tried one after the other.
    slow = take_all(turns)
    assert {turns.fair_queue.partition(key) for key in slow} == {Part.SLOW_NAMESPACED}
    assert len(slow) == WORKERS / 4
    turns.fair_queue.add(sound := issuer(bench, "sound", "team-a", "https://live.example.test:8200"))
    assert take_all(turns) == [sound]
    assert turns.fair_queue.partition(sound) is Part.NAMESPACED


async def test_a_slow_check_that_ends_quickly_is_among_the_quick_again(
    bench: Bench, turns: CheckTurns, hasty: None
) -> None:
    turns.fair_queue.add(LIVE)
    assert take_all(turns) == [LIVE]
    await found_slow(turns, LIVE)
    turns.fair_queue.add(LIVE)
    assert take_all(turns) == [LIVE]
    assert turns.fair_queue.partition(LIVE) is Part.SLOW_CLUSTER
    assert await turns.bounded(LIVE, asyncio.sleep(0, "sound")) == "sound"
    assert turns.part(LIVE) is Part.CLUSTER


async def test_even_a_slow_check_ends(turns: CheckTurns, hasty: None) -> None:
    turns.fair_queue.add(LIVE)
    take_all(turns)
    await found_slow(turns, LIVE)
    turns.fair_queue.add(LIVE)
    take_all(turns)
    with pytest.raises(Retry, match="answers too slowly"):
        await turns.bounded(LIVE, forever())


async def test_a_timeout_of_the_check_itself_is_its_own(turns: CheckTurns) -> None:
    async def fails() -> None:
        raise TimeoutError("inside")

    turns.fair_queue.add(LIVE)
    take_all(turns)
    with pytest.raises(TimeoutError, match="inside"):
        await turns.bounded(LIVE, fails())


def test_an_issuer_that_is_gone_or_unreadable_has_a_place_too(bench: Bench, turns: CheckTurns) -> None:
    obj = issuer_object("odd")
    del obj["spec"]["vault"]
    bench.issuers["VaultClusterIssuer"].upsert(obj)
    places: list[QueueKey[IssuerKey]] = [
        turns.place(IssuerKey("VaultClusterIssuer", "", name)) for name in ("odd", "gone")
    ]
    assert [one.tenant for one in places] == ["", ""]


def test_nothing_is_kept_of_namespaces_that_wait_for_nothing(bench: Bench, turns: CheckTurns) -> None:
    for number in range(50):
        turns.fair_queue.add(issuer(bench, "one", f"team-{number}", "https://live.example.test:8200"))
        for key in take_all(turns):
            turns.fair_queue.done(key)
    gc.collect()
    assert not turns._gates.found


async def test_a_check_that_took_long_is_no_verdict(bench: Bench, turns: CheckTurns, hasty: None) -> None:
    class Reconciler(IssuerReconciler):
        async def _check(self, key: IssuerKey, obj: Json) -> Verdict:
            await forever()
            raise AssertionError("it never ends")

    reconciler = Reconciler(**dict.fromkeys(IssuerReconciler.__slots__, None))  # type: ignore[arg-type]
    reconciler.stores, reconciler.turns, reconciler.queue = bench.issuers, turns, WorkQueue(turns.fair_queue)
    reconciler.queue.add(LIVE)
    await reconciler.reconcile(await reconciler.queue.get())
    reconciler.queue.done(LIVE)
    assert await reconciler.queue.get() == LIVE
    assert turns.fair_queue.partition(LIVE) is Part.SLOW_CLUSTER
