"""One snapshot for all who watch, only while somebody does, and only what changed for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest

from issuer.statuspage.model import OpenRequest, Query, Uncounted
from issuer.statuspage.web.live import MOST_LISTS, MOST_VIEWERS, Broadcaster, TooManyViewers
from tests.unit.statuspage.facts import NOW, Facts, issuer, opened

ALL = {"verdict", "now", "issuers", "expiring", "about", "requests"}


@asynccontextmanager
async def live_of(facts: Facts, every: float = 0.01) -> AsyncIterator[Broadcaster]:
    live = Broadcaster(facts, now=lambda: NOW, every=every)
    try:
        yield live
    finally:
        await live.close()


async def test_who_watches_gets_all_at_first_and_then_what_changed() -> None:
    facts = Facts()
    async with live_of(facts) as live, aclosing(live.watch(Query(), heartbeat=30)) as changes:
        assert set(await anext(changes)) == ALL
        facts.known = [issuer("new", ready=False)]
        changed = await anext(changes)
        assert set(changed) == {"verdict", "issuers"}
        assert "new" in changed["issuers"]


async def test_silence_is_broken_by_an_empty_word_though_looks_go_on() -> None:
    facts = Facts()
    async with live_of(facts) as live, aclosing(live.watch(Query(), heartbeat=0.2)) as changes:
        await anext(changes)
        before = facts.looks
        async with asyncio.timeout(30):
            while facts.looks < before + 3:  # a machine that is busy may look only once in between
                assert await anext(changes) == {}


async def test_viewers_share_one_look_and_each_sees_its_own_list() -> None:
    facts = Facts(open=[opened("a"), opened("b", "line")])
    async with live_of(facts, every=3600) as live:
        ten = [live.look(Query()) for _ in range(5)] + [live.look(Query("line")) for _ in range(5)]
        found = await asyncio.gather(*ten)
        assert facts.looks == 1
        assert "team-a/a" in found[0]["requests"]
        assert "team-a/b" in found[-1]["requests"]
        assert found[0]["issuers"] is found[-1]["issuers"]


async def test_who_comes_soon_after_gets_what_there_is() -> None:
    facts = Facts()
    async with live_of(facts, every=3600) as live:
        assert await live.look(Query()) is await live.look(Query())
        assert facts.looks == 1


async def test_nothing_is_made_while_nobody_looks() -> None:
    facts = Facts()
    async with live_of(facts, every=0) as live:
        async with aclosing(live.watch(Query(), heartbeat=30)) as changes:
            await anext(changes)
        assert live.watching == 0
        async with asyncio.timeout(30):
            while any(task.get_name() == "status-page" for task in asyncio.all_tasks()):  # noqa: ASYNC110
                await asyncio.sleep(0)
        before = facts.looks
        await live.look(Query())
        assert facts.looks == before + 1, "a look starts them again"


async def test_there_are_only_so_many_viewers_and_a_place_comes_free() -> None:
    async with live_of(Facts()) as live:
        streams = [live.watch(Query(), heartbeat=30) for _ in range(MOST_VIEWERS)]
        for one in streams:
            await anext(one)
        with pytest.raises(TooManyViewers):
            await anext(live.watch(Query(), heartbeat=30))
        await streams.pop().aclose()
        async with aclosing(live.watch(Query(), heartbeat=30)) as another:
            assert await anext(another)
        for one in streams:
            await one.aclose()


async def test_there_are_only_so_many_lists_in_one_round() -> None:
    async with live_of(Facts(), every=3600) as live:
        await live.look(Query())
        waiting = [asyncio.create_task(live.look(Query(text=str(n)))) for n in range(MOST_LISTS)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyViewers):
            await live.look(Query(text="one more"))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_lists_that_are_watched_count_as_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issuer.statuspage.web.live.MOST_LISTS", 2)
    async with (
        live_of(Facts(), every=3600) as live,
        aclosing(live.watch(Query(), 30)) as one,
        aclosing(live.watch(Query("line"), 30)) as two,
        aclosing(live.watch(Query("line"), 30)) as again,
    ):
        first = asyncio.ensure_future(anext(one))
        await asyncio.sleep(0)
        await anext(two)
        await first
        with pytest.raises(TooManyViewers):
            await live.look(Query("denied"))
        with pytest.raises(TooManyViewers):
            await anext(live.watch(Query("denied"), 30))
        assert await live.look(Query("line"))
        assert await anext(again)


class Slow(Facts):
    """Each look takes a tenth of a second."""

    def slices(self) -> Iterator[Sequence[OpenRequest]]:
        self.looks += 1
        self.clock.now += 0.1
        yield []

    clock: Clock


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_slow_look_is_followed_by_a_long_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        if seconds > 0:
            slept.append(seconds)
        await sleep(0)

    clock = Clock()
    facts = Slow()
    facts.clock = clock
    live = Broadcaster(facts, now=lambda: NOW, clock=clock, every=0.01)
    monkeypatch.setattr(asyncio, "sleep", note)
    async with aclosing(live.watch(Query(), heartbeat=30)) as changes:
        await anext(changes)
        for _ in range(20):
            await sleep(0)
    await live.close()
    assert slept
    assert min(slept) == pytest.approx(1.0)


class Broken(Facts):
    """Fails until told otherwise."""

    broken = True

    def issuers(self) -> Sequence[object]:  # type: ignore[override]
        if self.broken:
            raise RuntimeError("a defect")
        return super().issuers()


async def test_a_defect_is_told_to_who_looks_and_the_next_look_works() -> None:
    facts = Broken()
    async with live_of(facts) as live:
        with pytest.raises(RuntimeError, match="a defect"):
            await live.look(Query())
        facts.broken = False
        assert set(await live.look(Query())) == ALL


class Stuck(Facts):
    """Never comes to an end of its requests."""

    async def expiring(self, _now: object) -> Uncounted:
        self.reached.set()
        await asyncio.Event().wait()
        return "counting"

    reached: asyncio.Event


async def test_closing_ends_who_looks_in_the_midst_of_a_round() -> None:
    facts = Stuck()
    facts.reached = asyncio.Event()
    async with live_of(facts) as live:
        waits = asyncio.ensure_future(live.look(Query()))
        await facts.reached.wait()
        await live.close()
        await asyncio.wait({waits}, timeout=10)
        assert waits.cancelled()


async def test_closing_ends_every_stream() -> None:
    async with live_of(Facts(), every=3600) as live:
        changes = live.watch(Query(), heartbeat=3600)
        await anext(changes)
        waits = asyncio.ensure_future(anext(changes, None))
        await asyncio.sleep(0)
        await live.close()
        assert await waits is None
        with pytest.raises(TooManyViewers):
            await live.look(Query(text="late"))
