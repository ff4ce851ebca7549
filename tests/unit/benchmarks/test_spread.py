"""Medians with spread, percentiles, ratios."""

from __future__ import annotations

import pytest

from benchmarks.spread import Spread, percentile, ratios, spread


def test_a_spread_is_the_median_and_both_ends() -> None:
    assert spread([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0)
    assert spread([1.0, 2.0]).median == 1.5


def test_a_spread_is_written_with_its_ends_only_where_they_differ() -> None:
    assert Spread(2.0, 1.0, 3.26).text(1) == "2.0 (1.0-3.3)"
    assert Spread(2.0, 2.0, 2.0).text(0) == "2"


def test_the_percentile_is_the_nearest_rank() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, one) for one in (1, 50, 99, 100)] == [1.0, 50.0, 99.0, 100.0]
    assert percentile([7.0], 99) == 7.0
    assert percentile([5.0, 1.0], 50) == 1.0


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios({0: 10.0, 1: 30.0, 2: 5.0}, {0: 5.0, 1: 10.0}) == Spread(2.5, 2.0, 3.0)


@pytest.mark.parametrize("empty", [lambda: spread([]), lambda: percentile([], 50), lambda: ratios({}, {})])
def test_of_nothing_there_is_no_median(empty: object) -> None:
    assert callable(empty)
    with pytest.raises(ValueError, match="no value"):
        empty()
