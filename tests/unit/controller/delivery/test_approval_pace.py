"""Writes that approve are held back only around the moment at which the webhook must ask about them again."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from issuer.controller.delivery.approval_pace import FEW, REMEMBERED, ApprovalPace


class Webhook:
    """cert-manager's webhook as far as it matters: it asks when its answer has aged, and counts that."""

    def __init__(self) -> None:
        self.now = 100.0
        self.good_until = 0.0
        self.asked = 0

    def clock(self) -> float:
        return self.now


async def started(
    pace: ApprovalPace, count: int
) -> tuple[list[asyncio.Task[None]], asyncio.Event, list[int]]:
    """Begin so many writes, each until the event is set; the list holds those under way."""
    release, under_way = asyncio.Event(), list[int]()

    async def write(number: int) -> None:
        async with pace.turn():
            under_way.append(number)
            await release.wait()

    tasks = [asyncio.create_task(write(number)) for number in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks, release, under_way


async def test_the_first_writes_are_few_and_then_all_go() -> None:
    pace = ApprovalPace(Webhook().clock)
    tasks, release, under_way = await started(pace, 50)
    assert len(under_way) == FEW
    release.set()
    await asyncio.gather(*tasks)
    assert len(under_way) == 50
    more, release, under_way = await started(pace, 50)
    assert len(under_way) == 50, "the answer is fresh"
    release.set()
    await asyncio.gather(*more)


async def test_they_are_few_again_when_the_answer_ages() -> None:
    webhook = Webhook()
    pace = ApprovalPace(webhook.clock)
    async with pace.turn():
        webhook.now += 0.01
    webhook.now += REMEMBERED - 0.1
    tasks, release, under_way = await started(pace, 20)
    assert len(under_way) == FEW
    release.set()
    await asyncio.gather(*tasks)


async def test_a_write_that_may_have_met_the_old_answer_does_not_open_the_way() -> None:
    webhook = Webhook()
    pace = ApprovalPace(webhook.clock)
    async with pace.turn():
        webhook.now += 0.01
    webhook.now += REMEMBERED - 0.1  # still believed by the webhook, though not by us
    async with pace.turn():
        webhook.now += 0.01
    tasks, release, under_way = await started(pace, 20)
    assert len(under_way) == FEW
    release.set()
    await asyncio.gather(*tasks)


async def test_a_failed_write_makes_room_and_opens_nothing() -> None:
    pace = ApprovalPace(Webhook().clock)
    for _ in range(FEW + 1):
        with pytest.raises(ValueError, match="refused"):
            async with pace.turn():
                raise ValueError("refused")
    tasks, release, under_way = await started(pace, 20)
    assert len(under_way) == FEW
    release.set()
    await asyncio.gather(*tasks)


async def test_a_cancelled_write_loses_no_place() -> None:
    pace = ApprovalPace(Webhook().clock)
    async with AsyncExitStack() as stack:
        for _ in range(FEW):
            await stack.enter_async_context(pace.turn())
        tasks, release, under_way = await started(pace, 3)
        tasks[0].cancel()
        await asyncio.sleep(0)
        assert under_way == []
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(under_way) == [1, 2]


class BusyStretch:
    """In steps of 10 ms: 16 writers, each write looked at after 20 ms and answered after 40 ms."""

    def __init__(self, few: int) -> None:
        self.webhook = Webhook()
        self.pace = ApprovalPace(self.webhook.clock, few)
        self.asked_each_second: list[int] = []

    async def run(self) -> None:
        writers = [asyncio.create_task(self.writer()) for _ in range(16)]
        for _ in range(11):
            before = self.webhook.asked
            for _ in range(100):
                await self.step()
            self.asked_each_second.append(self.webhook.asked - before)
        await asyncio.gather(*writers)

    async def step(self) -> None:
        for _ in range(8):
            await asyncio.sleep(0)
        self.webhook.now += 0.01

    async def writer(self) -> None:
        while self.webhook.now < 110.0:
            async with self.pace.turn():
                begun = self.webhook.now
                await self.until(begun + 0.02)
                asks = self.webhook.now >= self.webhook.good_until
                self.webhook.asked += asks
                await self.until(begun + 0.04)
            if asks:  # its answer is kept when it arrives, so those who look meanwhile ask, too
                self.webhook.good_until = self.webhook.now + REMEMBERED

    async def until(self, moment: float) -> None:
        while self.webhook.now < moment:  # noqa: ASYNC110 - the clock is the test's own
            await asyncio.sleep(0)


async def test_the_webhook_asks_less_often_than_it_may() -> None:
    stretch = BusyStretch(FEW)
    await stretch.run()
    assert max(stretch.asked_each_second) <= FEW


async def test_without_the_pace_each_that_meets_an_aged_answer_would_ask() -> None:
    stretch = BusyStretch(few=1000)
    await stretch.run()
    assert max(stretch.asked_each_second) > 2 * FEW
