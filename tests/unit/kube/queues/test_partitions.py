"""Parts of a queue that never wait for each other's workers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.kube.queues.fairqueue import UNLIMITED, QueueKey
from issuer.kube.queues.partitions import PartitionedQueue

Key = tuple[str, str, int]


def queue_key(key: Key) -> QueueKey[Key]:
    return QueueKey(key[1], UNLIMITED, key[1])


def parted(capacity: int = 8, reserved: int = 0) -> PartitionedQueue[Key]:
    return PartitionedQueue(queue_key, lambda key: key[0], dict.fromkeys("ab", capacity), reserved)


def take_all(queue: PartitionedQueue[Key]) -> list[Key]:
    found = []
    while (key := queue.take()) is not None:
        found.append(key)
    return found


def test_one_owner_has_half_of_all_and_all_owners_leave_the_others_share() -> None:
    queue = parted(reserved=2)
    for tenant in range(20):
        for number in range(20):
            queue.add(("a", f"o{tenant}", number))
            if tenant == 0 and number == 19:
                assert len(take_all(queue)) == 4
    assert len(take_all(queue)) == 2, "six of eight in all"
    queue.add(("b", "x", 0))
    assert take_all(queue) == [("b", "x", 0)]


@pytest.mark.parametrize("hung", range(1, 11))
def test_another_owner_of_the_same_part_finds_room_beside_many_that_hang(hung: int) -> None:
    queue: PartitionedQueue[Key] = parted(capacity=64, reserved=16)
    for number in range(64):
        for tenant in range(hung):
            queue.add(("a", f"o{tenant}", number))
    assert len(take_all(queue)) >= 32
    queue.add(("a", "other", 0))
    assert take_all(queue) == [("a", "other", 0)]


def test_what_is_done_makes_room_in_its_own_part() -> None:
    queue = parted(capacity=1)
    keys = [("a", "o", number) for number in range(3)]
    for key in keys:
        queue.add(key)
    assert take_all(queue) == keys[:1]
    queue.add(("b", "o", 0))
    assert take_all(queue) == [("b", "o", 0)]
    queue.done(("b", "o", 0))
    assert take_all(queue) == []
    queue.done(keys[0])
    assert take_all(queue) == keys[1:2]


def test_a_key_goes_with_its_part() -> None:
    parts = {"x": "a"}
    queue: PartitionedQueue[str] = PartitionedQueue(
        lambda key: QueueKey(key, UNLIMITED, key), lambda key: parts[key], dict.fromkeys("ab", 1)
    )
    queue.add("x")
    parts["x"] = "b"
    assert (queue.take(), queue.partition("x"), len(queue)) == ("x", "b", 0)
    queue.done("x")
    assert queue.partition("x") is None


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.booleans()), max_size=80))
def test_every_key_is_handed_out_once_and_the_bounds_hold(steps: list[tuple[str, str, bool]]) -> None:
    queue, in_hand, handed, count = parted(capacity=4, reserved=1), list[Key](), list[Key](), 0
    for number, (part, tenant, finish) in enumerate(steps):
        queue.add((part, tenant, number))
        count += 1
        if finish and in_hand:
            queue.done(in_hand.pop(0))
        new = take_all(queue)
        in_hand += new
        handed += new
        assert all(sum(1 for key in in_hand if key[0] == part) <= 3 for part in "ab")
        assert len(queue) == count - len(handed)
    while len(queue):
        queue.done(in_hand.pop(0))
        new = take_all(queue)
        in_hand += new
        handed += new
    assert sorted(handed) == sorted(set(handed))
    assert len(handed) == count
