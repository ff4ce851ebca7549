"""Turns: nobody waits for more than one key of anybody else, and nothing is lost or handed out twice."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from issuer.kube.queues.fairqueue import Closed, FairLine, Place
from issuer.kube.queues.workqueue import WorkQueue


class Key(NamedTuple):
    """A key that names its place."""

    owner: str
    lane: str
    flow: str
    number: int = 0


class ToldGate:
    """Open until told otherwise, with at most ``most`` in hand."""

    def __init__(self, most: int = 1000) -> None:
        self.most = most
        self.shut: Closed | None = None
        self.in_hand: set[Key] = set()
        self.stood: list[tuple[str, float]] = []

    def closed(self) -> Closed | None:
        return Closed("full") if len(self.in_hand) >= self.most else self.shut

    def passed(self, key: Key) -> None:
        assert len(self.in_hand) < self.most
        self.in_hand.add(key)

    def done(self, key: Key) -> None:
        self.in_hand.remove(key)

    def waited(self, reason: str, seconds: float) -> None:
        self.stood.append((reason, seconds))


class Gates:
    """One for each lane, and the places they make."""

    def __init__(self, most: int = 1000) -> None:
        self.of: dict[str, ToldGate] = {}
        self.most = most

    def gate(self, lane: str) -> ToldGate:
        return self.of.setdefault(lane, ToldGate(self.most))

    def place(self, key: Key) -> Place[Key]:
        return Place(key.owner, self.gate(key.lane), key.flow)


def fair(most: int = 1000, gates: Gates | None = None) -> FairLine[Key]:
    """A line whose keys name their place."""
    return FairLine((gates or Gates()).place, most)


def all_of(line: FairLine[Key]) -> list[Key]:
    """Take one after the other, each done before the next."""
    found = []
    while (key := line.take()) is not None:
        found.append(key)
        line.done(key)
    return found


def test_a_namespaces_ten_thousand_dont_stand_before_anothers_single_one() -> None:
    line = fair()
    for number in range(10_000):
        line.add(Key("issuer", "issuer", "busy", number))
    for _ in range(100):
        key = line.take()
        assert key is not None
        line.done(key)
    line.add(Key("issuer", "issuer", "quiet"))
    after = all_of(line)
    assert after.index(Key("issuer", "issuer", "quiet")) <= 1
    assert [key.number for key in after if key.flow == "busy"] == list(range(100, 10_000))


def test_without_flows_the_single_one_would_wait_for_all() -> None:
    gate = ToldGate()
    line: FairLine[Key] = FairLine(lambda _key: Place("all", gate, "all"), 1000)
    for number in range(10_000):
        line.add(Key("issuer", "issuer", "busy", number))
    line.add(Key("issuer", "issuer", "quiet"))
    assert all_of(line).index(Key("issuer", "issuer", "quiet")) == 10_000


def test_many_issuers_of_one_namespace_have_one_owners_turns() -> None:
    line = fair()
    for number in range(1000):
        line.add(Key("greedy", f"issuer-{number}", "greedy", number))
    line.add(Key("cluster", "cluster", "quiet"))
    assert all_of(line).index(Key("cluster", "cluster", "quiet")) <= 1


def test_a_closed_lane_stops_no_other_and_goes_on_where_it_stood() -> None:
    gates = Gates()
    line = fair(gates=gates)
    for number in range(3):
        line.add(Key("dead", "dead", "a", number))
        line.add(Key("live", "live", "a", number))
    gates.gate("dead").most = 1
    first = line.take()
    assert first == Key("dead", "dead", "a", 0)
    assert [key.owner for key in all_of(line)] == ["live"] * 3
    assert (len(line), line.held_back) == (2, 2)
    line.done(first)
    assert [key.number for key in all_of(line)] == [1, 2]
    assert {reason for reason, _ in gates.gate("dead").stood} == {"full"}


def test_owners_that_never_answer_leave_room_for_the_rest() -> None:
    line = fair(most=64)
    for owner in range(7):
        for number in range(100):
            line.add(Key(f"dead-{owner}", f"dead-{owner}", "a", number))
    held: Counter[str] = Counter()
    while (key := line.take()) is not None:
        held[key.owner] += 1
    assert sum(held.values()) == 56
    assert max(held.values()) - min(held.values()) <= 1
    for number in range(20):
        line.add(Key("live", "live", "a", number))
    assert len([key for key in all_of(line) if key.owner == "live"]) == 20


async def test_a_gate_that_opens_by_time_lets_waiting_workers_go() -> None:
    gates = Gates()
    gate = gates.gate("a")
    queue: WorkQueue[Key] = WorkQueue(fair(gates=gates))
    gate.shut = Closed("rate", 0.01)
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    for number in range(3):
        queue.add(Key("a", "a", "a", number))
    await asyncio.sleep(0)
    assert not any(worker.done() for worker in workers)
    gate.shut = None
    async with asyncio.timeout(5):
        assert sorted(key.number for key in await asyncio.gather(*workers)) == [0, 1, 2]
    assert [reason for reason, _ in gate.stood] == ["rate"]


async def test_a_gate_that_waits_for_what_another_lane_holds_is_asked_again() -> None:
    gates = Gates()
    line = fair(gates=gates)
    gates.gate("a").shut = Closed("silent")
    line.add(Key("a", "a", "a"))
    assert line.take() is None
    gates.gate("a").shut = None
    opened = asyncio.Event()
    line.on_open(opened.set)
    async with asyncio.timeout(30):
        await opened.wait()
    assert line.take() == Key("a", "a", "a")


async def test_closing_the_queue_forgets_what_stood_before_closed_gates() -> None:
    gates = Gates()
    gates.gate("a").shut = Closed("rate", 60)
    line = fair(gates=gates)
    queue: WorkQueue[Key] = WorkQueue(line)
    queue.add(Key("a", "a", "a"))
    assert line.take() is None
    queue.close()
    assert (len(line), line.open, line.held_back) == (0, False, 0)
    await queue.drained()


KEYS = st.builds(
    lambda lane, flow, number: Key(lane[0], lane, flow, number),
    st.sampled_from(["a1", "a2", "b1", "c1"]),
    st.sampled_from("xyz"),
    st.integers(0, 30),
)
STEPS = st.lists(st.one_of(st.tuples(st.just("add"), KEYS), st.tuples(st.sampled_from(["take", "done"]))))


@given(STEPS, st.integers(1, 6), st.integers(1, 3))
def test_no_key_is_lost_none_is_in_two_hands_and_limits_hold(
    steps: list[tuple[str] | tuple[str, Key]], most: int, lane_most: int
) -> None:
    gates = Gates(lane_most)
    line = fair(most, gates)
    waiting: set[Key] = set()
    hands: deque[Key] = deque()
    for step in steps:
        if step[0] == "add":
            key = step[1]  # type: ignore[misc]
            if key not in waiting and key not in hands:
                waiting.add(key)
                line.add(key)
        elif step[0] == "done" and hands:
            line.done(hands.popleft())
        elif step[0] == "take":
            taken = line.take()
            if taken is None:
                assert all(_blocked(key, gates, hands, most) for key in waiting)
            else:
                waiting.remove(taken)
                hands.append(taken)
                assert line.open or all(gates.gate(k.lane).in_hand for k in waiting)
        assert len(line) == len(waiting)
        assert len(hands) <= most
    while hands:
        line.done(hands.popleft())
    assert sorted(all_of(line)) == sorted(waiting)
    assert not line._owners


def _blocked(key: Key, gates: Gates, hands: deque[Key], most: int) -> bool:
    mine = sum(1 for one in hands if one.owner == key.owner)
    return len(gates.gate(key.lane).in_hand) >= gates.most or mine >= most - len(hands)


Name = tuple[str | int, ...]
LEVELS = (1, 2, 3)  # an owner, a lane of an owner, a flow of a lane: so much of a key names it


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
    line, seen = fair(), TurnsSeen()
    for step in [*steps, *[None] * len(steps)]:
        if step is None:
            key = line.take()
            assert (key is None) == (not seen.waiting)
            if key is not None:
                line.done(key)
                seen.taken(key)
        elif step not in seen.waiting:
            line.add(step)
            seen.added(step)
    assert not seen.waiting
