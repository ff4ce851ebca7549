"""A sample of `make test-agent-soak`'s kills: readers never see a key with another set's certificate."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from tests.agent.kills import Writer
from tests.agent.whole_kills import kill_at_calls, kill_at_random

AT_CALLS, AT_RANDOM = 8, 20


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not on PATH")
def test_killed_at_some_system_calls(tmp_path: Path) -> None:
    with Writer(tmp_path / "web") as writer:
        kill_at_calls(writer, tmp_path / "trace", AT_CALLS)


def test_killed_at_some_moments(tmp_path: Path) -> None:
    with Writer(tmp_path / "web") as writer:
        kill_at_random(writer, AT_RANDOM, random.Random(1234))
