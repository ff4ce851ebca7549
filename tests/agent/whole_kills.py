"""The writing of a set killed at each system call, and 500 times at any moment: `make test-agent-soak`."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.agent.kills import Writer

LONGEST = 0.05
"""Seconds after which a child that writes without end is killed at the latest: some ten sets."""


def kill_at_calls(writer: Writer, trace: Path, most: int | None = None) -> str:
    """Kill the writing at each of its system calls, or at `most` of them; returns how many there were."""
    calls = writer.calls(trace)
    assert any(name.startswith("rename") for name, _ in calls), calls
    step = max(1, len(calls) // most) if most else 1
    for name, number in calls[::step]:
        writer.killed_at(name, number)
        assert writer.problem() == "", (name, number)
    return f"killed at {len(calls[::step])} of {len(calls)} system calls: 0 mismatched sets"


def kill_at_random(writer: Writer, count: int, chance: random.Random) -> None:
    """Kill a child that writes without end at random moments."""
    for number in range(count):
        with writer.child("ever") as child:
            os.kill(child, signal.SIGCONT)
            time.sleep(chance.uniform(0, LONGEST))  # the moment is what is tried
            os.kill(child, signal.SIGKILL)
        assert writer.problem() == "", number


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not on PATH")
def test_killed_at_each_system_call(tmp_path: Path) -> None:
    with Writer(tmp_path / "web") as writer:
        print(kill_at_calls(writer, tmp_path / "trace"))


def test_killed_500_times(tmp_path: Path) -> None:
    with Writer(tmp_path / "web") as writer:
        kill_at_random(writer, 500, random.Random())
    print("killed 500 times at any moment: 0 mismatched sets")
