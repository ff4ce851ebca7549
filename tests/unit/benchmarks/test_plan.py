"""What a run consists of and in which order."""

from __future__ import annotations

from benchmarks.plan import Plan, rotated


def test_scenarios_follow_the_plan() -> None:
    assert Plan(("a",)).scenarios() == ("start", "burst", "steady-20", "steady-60", "renewal")
    assert Plan(("a",), start=False, steady=(), certificates=0).scenarios() == ("burst",)


def test_each_round_begins_with_another_system_and_holds_all() -> None:
    orders = [rotated(("a", "b", "c"), number) for number in range(3)]
    assert [order[0] for order in orders] == ["a", "b", "c"]
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)


def test_neighbours_change_between_rounds() -> None:
    first, second = rotated(("a", "b", "c"), 0), rotated(("a", "b", "c"), 1)
    assert first[first.index("b") + 1] == "c"
    assert second[second.index("b") + 1] == "a"
