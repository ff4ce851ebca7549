"""A made-up run, for tests of what is made of one."""

from __future__ import annotations

from benchmarks.runner import Measurement, Run

MACHINE = {
    "date": "2026-11-24",
    "time": "2026-11-24T12:00:00Z",
    "commit": "abc1234",
    "cores": 2,
    "python": "3.11.9",
    "architecture": "x86_64",
    "processor": "a processor",
}


def run(*measured: tuple[int, str, str, dict[str, float]]) -> Run:
    """A run of these measurements: round, system, scenario, values."""
    made = [Measurement(*one) for one in measured]
    titles = {one.system: one.system for one in made}
    return Run(dict(MACHINE), {"rounds": 2}, {"etcd": "3.5.1"}, titles, made)
