"""Turns: nobody waits for more than one key of anybody else, and nothing is lost or handed out twice."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from issuer.kube.queues.fairqueue import FairQueue, QueueKey, Throttled
from issuer.kube.queues.workqueue import WorkQueue


class Key(NamedTuple):
    """A key that names its own place."""

    tenant: str
    group: str
    flow: str
    number: int = 0


class ScriptedLimiter:
    """Open until told otherwise, with at most `capacity` keys in progress."""

    def __init__(self, capacity: int = 1000) -> None:
        self.capacity = capacity
        self.throttle: Throttled | None = None
        self.in_hand: set[Key] = set()
        self.stood: list[tuple[str, float]] = []

    def throttled(self) -> Throttled | None:
        return Throttled("full") if len(self.in_hand) >= self.capacity else self.throttle

    def admit(self, key: Key) -> None:
        assert len(self.in_hand) < self.capacity
        self.in_hand.add(key)

    def done(self, key: Key) -> None:
        self.in_hand.remove(key)

    def waited(self, reason: str, seconds: float) -> None:
        self.stood.append((reason, seconds))


class Limiters:
    """One for each group, and the queue keys they make."""

    def __init__(self, capacity: int = 1000) -> None:
        self.of: dict[str, ScriptedLimiter] = {}
        self.capacity = capacity

    def limiter(self, group: str) -> ScriptedLimiter:
        return self.of.setdefault(group, ScriptedLimiter(self.capacity))

    def queue_key(self, key: Key) -> QueueKey[Key]:
        return QueueKey(key.tenant, self.limiter(key.group), key.flow)


def fair(capacity: int = 1000, limiters: Limiters | None = None) -> FairQueue[Key]:
    """A queue whose keys name their places."""
    return FairQueue((limiters or Limiters()).queue_key, capacity)


def all_of(queue: FairQueue[Key]) -> list[Key]:
    """Take one after the other, each done before the next."""
    found = []
    while (key := queue.take()) is not None:
        found.append(key)
        queue.done(key)
    return found


def test_a_namespaces_ten_thousand_dont_stand_before_anothers_single_one() -> None:
    queue = fair()
    for number in range(10_000):
        queue.add(Key("issuer", "issuer", "busy", number))
    for _ in range(100):
        key = queue.take()
        assert key is not None
        queue.done(key)
    queue.add(Key("issuer", "issuer", "quiet"))
    after = all_of(queue)
    assert after.index(Key("issuer", "issuer", "quiet")) <= 1
    assert [key.number for key in after if key.flow == "busy"] == list(range(100, 10_000))


def test_without_flows_the_single_one_would_wait_for_all() -> None:
    limiter = ScriptedLimiter()
    queue: FairQueue[Key] = FairQueue(lambda _key: QueueKey("all", limiter, "all"), 1000)
    for number in range(10_000):
        queue.add(Key("issuer", "issuer", "busy", number))
    queue.add(Key("issuer", "issuer", "quiet"))
    assert all_of(queue).index(Key("issuer", "issuer", "quiet")) == 10_000


def test_many_issuers_of_one_namespace_have_one_owners_turns() -> None:
    queue = fair()
    for number in range(1000):
        queue.add(Key("greedy", f"issuer-{number}", "greedy", number))
    queue.add(Key("cluster", "cluster", "quiet"))
    assert all_of(queue).index(Key("cluster", "cluster", "quiet")) <= 1


def test_a_closed_lane_stops_no_other_and_goes_on_where_it_stood() -> None:
    limiters = Limiters()
    queue = fair(limiters=limiters)
    for number in range(3):
        queue.add(Key("dead", "dead", "a", number))
        queue.add(Key("live", "live", "a", number))
    limiters.limiter("dead").capacity = 1
    first = queue.take()
    assert first == Key("dead", "dead", "a", 0)
    assert [key.tenant for key in all_of(queue)] == ["live"] * 3
    assert (len(queue), queue.held_back) == (2, 2)
    queue.done(first)
    assert [key.number for key in all_of(queue)] == [1, 2]
    assert {reason for reason, _ in limiters.limiter("dead").stood} == {"full"}


def test_owners_that_never_answer_leave_room_for_the_rest() -> None:
    queue = fair(capacity=64)
    for tenant in range(7):
        for number in range(100):
            queue.add(Key(f"dead-{tenant}", f"dead-{tenant}", "a", number))
    held: Counter[str] = Counter()
    while (key := queue.take()) is not None:
        held[key.tenant] += 1
    assert sum(held.values()) == 56
    assert max(held.values()) - min(held.values()) <= 1
    for number in range(20):
        queue.add(Key("live", "live", "a", number))
    assert len([key for key in all_of(queue) if key.tenant == "live"]) == 20


async def test_a_gate_that_opens_by_time_lets_waiting_workers_go() -> None:
    limiters = Limiters()
    limiter = limiters.limiter("a")
    queue: WorkQueue[Key] = WorkQueue(fair(limiters=limiters))
    limiter.throttle = Throttled("rate", 0.01)
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    for number in range(3):
        queue.add(Key("a", "a", "a", number))
    await asyncio.sleep(0)
    assert not any(worker.done() for worker in workers)
    limiter.throttle = None
    async with asyncio.timeout(5):
        assert sorted(key.number for key in await asyncio.gather(*workers)) == [0, 1, 2]
    assert [reason for reason, _ in limiter.stood] == ["rate"]


async def test_a_gate_that_waits_for_what_another_lane_holds_is_asked_again() -> None:
    limiters = Limiters()
    queue = fair(limiters=limiters)
    limiters.limiter("a").throttle = Throttled("silent")
    queue.add(Key("a", "a", "a"))
    assert queue.take() is None
    limiters.limiter("a").throttle = None
    opened = asyncio.Event()
    queue.on_ready(opened.set)
    async with asyncio.timeout(30):
        await opened.wait()
    assert queue.take() == Key("a", "a", "a")


async def test_closing_the_queue_forgets_what_stood_before_closed_gates() -> None:
    limiters = Limiters()
    limiters.limiter("a").throttle = Throttled("rate", 60)
    order = fair(limiters=limiters)
    queue: WorkQueue[Key] = WorkQueue(order)
    queue.add(Key("a", "a", "a"))
    assert order.take() is None
    queue.close()
    assert (len(order), order.has_ready, order.held_back) == (0, False, 0)
    await queue.drained()


KEYS = st.builds(
    lambda group, flow, number: Key(group[0], group, flow, number),
    st.sampled_from(["a1", "a2", "b1", "c1"]),
    st.sampled_from("xyz"),
    st.integers(0, 30),
)
STEPS = st.lists(st.one_of(st.tuples(st.just("add"), KEYS), st.tuples(st.sampled_from(["take", "done"]))))


@given(STEPS, st.integers(1, 6), st.integers(1, 3))
def test_no_key_is_lost_none_is_in_two_hands_and_limits_hold(
    steps: list[tuple[str] | tuple[str, Key]], capacity: int, group_capacity: int
) -> None:
    limiters = Limiters(group_capacity)
    queue = fair(capacity, limiters)
    waiting: set[Key] = set()
    hands: deque[Key] = deque()
    for step in steps:
        if step[0] == "add":
            key = step[1]  # type: ignore[misc]
            if key not in waiting and key not in hands:
                waiting.add(key)
                queue.add(key)
        elif step[0] == "done" and hands:
            queue.done(hands.popleft())
        elif step[0] == "take":
            taken = queue.take()
            if taken is None:
                assert all(_blocked(key, limiters, hands, capacity) for key in waiting)
            else:
                waiting.remove(taken)
                hands.append(taken)
                assert queue.has_ready or all(limiters.limiter(k.group).in_hand for k in waiting)
        assert len(queue) == len(waiting)
        assert len(hands) <= capacity
    while hands:
        queue.done(hands.popleft())
    assert sorted(all_of(queue)) == sorted(waiting)
    assert not queue._tenants


def _blocked(key: Key, limiters: Limiters, hands: deque[Key], capacity: int) -> bool:
    mine = sum(1 for one in hands if one.tenant == key.tenant)
    return len(limiters.limiter(key.group).in_hand) >= limiters.capacity or mine >= capacity - len(hands)


Name = tuple[str | int, ...]
LEVELS = (1, 2, 3)  # a tenant, a group of a tenant, a flow of a group: so much of a key names it


class TurnsSeen:
    """Counts, for each name with keys, the turns every other of its level had since its own last one."""

    def __init__(self) -> None:
        self.waiting: set[Key] = set()
        self.turns: dict[Name, Counter[Name]] = {}

    def added(self, key: Key) -> None:
        self.waiting.add(key)
        for level in LEVELS:
            self.turns.setdefault(key[:level], Counter())

    def taken(self, key: Key) -> None:
        self.waiting.remove(key)
        for level in LEVELS:
            for name, others in self.turns.items():
                if len(name) == level and name[:-1] == key[: level - 1]:
                    others[key[:level]] += 1
                    assert others[key[:level]] == 1, f"{name} waited for two keys of {key[:level]}"
            del self.turns[key[:level]]
            if any(one[:level] == key[:level] for one in self.waiting):
                self.turns[key[:level]] = Counter()


@given(st.lists(st.one_of(st.none(), KEYS)))
def test_while_one_waits_every_other_has_one_turn_at_most(steps: list[Key | None]) -> None:
    """None takes a key."""
    queue, seen = fair(), TurnsSeen()
    for step in [*steps, *[None] * len(steps)]:
        if step is None:
            key = queue.take()
            assert (key is None) == (not seen.waiting)
            if key is not None:
                queue.done(key)
                seen.taken(key)
        elif step not in seen.waiting:
            queue.add(step)
            seen.added(step)
    assert not seen.waiting
