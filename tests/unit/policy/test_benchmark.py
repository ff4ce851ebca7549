"""The benchmark of policy decisions still runs; how long it takes is not judged."""

from __future__ import annotations

from benchmarks.policy import measure


def test_the_benchmark_measures_a_decision_by_many_policies() -> None:
    timing = measure(5, 2, runs=1)
    assert (timing.policies, timing.selected) == (5, 2)
