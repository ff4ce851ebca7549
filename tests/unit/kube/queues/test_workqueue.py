"""The queue's promises: no key twice, none in two hands, none lost."""

from __future__ import annotations

import asyncio

import pytest

from issuer.kube.queues.workqueue import QueueClosed, WorkQueue


async def take(queue: WorkQueue[str]) -> str:
    async with asyncio.timeout(2):
        return await queue.get()


async def test_a_key_added_twice_is_handed_out_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "a"):
        queue.add(key)
    assert [await take(queue), await take(queue), queue.depth] == ["a", "b", 0]


async def test_a_key_added_while_in_hand_comes_again_after_done_and_not_before() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await take(queue) == "a"
    queue.add("a")
    queue.add("a")
    assert (queue.depth, queue.in_hand) == (0, 1)
    queue.done("a")
    assert (queue.depth, queue.in_hand) == (1, 0)
    assert await take(queue) == "a"


async def test_waiting_workers_each_get_a_key() -> None:
    queue: WorkQueue[str] = WorkQueue()
    workers = [asyncio.create_task(take(queue)) for _ in range(2)]
    await asyncio.sleep(0)
    queue.add("a")
    queue.add("b")
    assert sorted(await asyncio.gather(*workers)) == ["a", "b"]


async def test_a_cancelled_worker_leaves_its_key_to_another() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = (asyncio.create_task(take(queue)) for _ in range(2))
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await second == "a"
    third = asyncio.create_task(take(queue))
    await asyncio.sleep(0)
    third.cancel()
    await asyncio.wait([third])
    queue.add("b")
    assert await take(queue) == "b"


async def test_a_delayed_key_keeps_its_earliest_time() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 60)
    queue.add_after("a", 0.01)
    queue.add_after("a", 30)
    assert (queue.depth, queue.delayed) == (0, 1)
    assert await take(queue) == "a"
    assert queue.delayed == 0
    queue.add_after("b", 0)
    assert queue.depth == 1


async def test_only_a_key_that_waits_for_its_time_is_brought_forward() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.hasten("a", 0)
    assert (queue.depth, queue.delayed) == (0, 0)
    queue.add_after("a", 60)
    queue.hasten("a", 90)
    assert (queue.depth, queue.delayed) == (0, 1)
    queue.hasten("a", 0)
    assert (queue.depth, queue.delayed) == (1, 0)


async def test_retries_double_with_jitter_up_to_a_cap_until_forgotten() -> None:
    low: WorkQueue[str] = WorkQueue(first=1, longest=10, jitter=lambda: 0.0)
    high: WorkQueue[str] = WorkQueue(first=1, longest=10, jitter=lambda: 1.0)
    assert [low.retry("a") for _ in range(6)] == [0.5, 1, 2, 4, 5, 5]
    assert [high.retry("a") for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    assert high.failures("a") == 6
    high.forget("a")
    assert high.retry("a") == 1
    assert low.retry("b", at_least=30) == 30
    low.close()
    high.close()


async def test_a_key_that_failed_for_days_still_has_a_delay() -> None:
    queue: WorkQueue[str] = WorkQueue(longest=10)
    for _ in range(2000):
        queue.retry("a")
    assert queue.retry("a") <= 10
    queue.close()


async def test_age_is_that_of_the_next_key() -> None:
    now = 100.0
    queue: WorkQueue[str] = WorkQueue(clock=lambda: now)
    assert queue.oldest_age == 0
    queue.add("a")
    now = 103.0
    queue.add("b")
    now = 104.0
    assert queue.oldest_age == 4
    await take(queue)
    assert queue.oldest_age == 1


async def test_a_closed_queue_sends_workers_home_and_takes_nothing() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await take(queue)
    worker = asyncio.create_task(take(queue))
    await asyncio.sleep(0)
    queue.add_after("later", 60)
    queue.close()
    for key in ("a", "b"):
        queue.add(key)
    queue.add_after("c", 1)
    with pytest.raises(QueueClosed):
        await worker
    with pytest.raises(QueueClosed):
        await take(queue)
    assert (queue.depth, queue.delayed, queue.in_hand, queue.closed) == (0, 0, 1, True)


async def test_drained_waits_for_what_is_in_hand() -> None:
    queue: WorkQueue[str] = WorkQueue()
    await queue.drained()
    queue.add("a")
    await take(queue)
    queue.add("a")
    queue.close()
    drained = asyncio.create_task(queue.drained())
    await asyncio.sleep(0)
    assert not drained.done()
    queue.done("a")
    await drained


async def test_many_workers_never_hold_a_key_twice_and_see_every_change() -> None:
    queue: WorkQueue[int] = WorkQueue()
    state, seen = dict.fromkeys(range(5), 0), dict.fromkeys(range(5), 0)
    holding: set[int] = set()

    async def work() -> None:
        while True:
            try:
                key = await queue.get()
            except QueueClosed:
                return
            assert key not in holding
            holding.add(key)
            seen[key] = state[key]
            await asyncio.sleep(0)
            holding.discard(key)
            queue.done(key)

    workers = [asyncio.create_task(work()) for _ in range(4)]
    for number in range(500):
        state[number % 5] += 1
        queue.add(number % 5)
        if number % 7 == 0:
            await asyncio.sleep(0)
    await queue.drained()
    queue.close()
    await asyncio.gather(*workers)
    assert seen == state
