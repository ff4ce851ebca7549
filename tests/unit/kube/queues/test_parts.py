"""Parts of a queue that never wait for each other's workers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.controller.scheduling.limits import OPEN
from issuer.kube.queues.fairqueue import Place
from issuer.kube.queues.parts import PartedLine

Key = tuple[str, str, int]


def place(key: Key) -> Place[Key]:
    return Place(key[1], OPEN, key[1])


def parted(most: int = 8, left: int = 0) -> PartedLine[Key]:
    return PartedLine(place, lambda key: key[0], dict.fromkeys("ab", most), left)


def take_all(line: PartedLine[Key]) -> list[Key]:
    found = []
    while (key := line.take()) is not None:
        found.append(key)
    return found


def test_one_owner_has_half_of_all_and_all_owners_leave_the_others_share() -> None:
    line = parted(left=2)
    for owner in range(20):
        for number in range(20):
            line.add(("a", f"o{owner}", number))
            if owner == 0 and number == 19:
                assert len(take_all(line)) == 4
    assert len(take_all(line)) == 2, "six of eight in all"
    line.add(("b", "x", 0))
    assert take_all(line) == [("b", "x", 0)]


@pytest.mark.parametrize("hung", range(1, 11))
def test_another_owner_of_the_same_part_finds_room_beside_many_that_hang(hung: int) -> None:
    line: PartedLine[Key] = parted(most=64, left=16)
    for number in range(64):
        for owner in range(hung):
            line.add(("a", f"o{owner}", number))
    assert len(take_all(line)) >= 32
    line.add(("a", "other", 0))
    assert take_all(line) == [("a", "other", 0)]


def test_what_is_done_makes_room_in_its_own_part() -> None:
    line = parted(most=1)
    keys = [("a", "o", number) for number in range(3)]
    for key in keys:
        line.add(key)
    assert take_all(line) == keys[:1]
    line.add(("b", "o", 0))
    assert take_all(line) == [("b", "o", 0)]
    line.done(("b", "o", 0))
    assert take_all(line) == []
    line.done(keys[0])
    assert take_all(line) == keys[1:2]


def test_a_key_goes_with_its_part() -> None:
    parts = {"x": "a"}
    line: PartedLine[str] = PartedLine(
        lambda key: Place(key, OPEN, key), lambda key: parts[key], dict.fromkeys("ab", 1)
    )
    line.add("x")
    parts["x"] = "b"
    assert (line.take(), line.part("x"), len(line)) == ("x", "b", 0)
    line.done("x")
    assert line.part("x") is None


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.booleans()), max_size=80))
def test_every_key_is_handed_out_once_and_the_bounds_hold(steps: list[tuple[str, str, bool]]) -> None:
    line, in_hand, handed, count = parted(most=4, left=1), list[Key](), list[Key](), 0
    for number, (part, owner, finish) in enumerate(steps):
        line.add((part, owner, number))
        count += 1
        if finish and in_hand:
            line.done(in_hand.pop(0))
        new = take_all(line)
        in_hand += new
        handed += new
        assert all(sum(1 for key in in_hand if key[0] == part) <= 3 for part in "ab")
        assert len(line) == count - len(handed)
    while len(line):
        line.done(in_hand.pop(0))
        new = take_all(line)
        in_hand += new
        handed += new
    assert sorted(handed) == sorted(set(handed))
    assert len(handed) == count
