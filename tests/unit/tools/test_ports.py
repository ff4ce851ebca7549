"""testbed/processes.py: ports that no two processes' testbeds hand out."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from testbed import processes
from testbed.errors import TestbedError
from tools.tiers import ROOT

TAKES_A_PORT = """
import sys
from testbed import processes
processes.PORTS = range({0}, {0} + processes.CLAIMED_AT_ONCE)
print(processes.free_port(), flush=True)
sys.stdin.read()
"""


def test_a_port_that_another_process_chose_is_not_handed_out_before_that_one_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = random.randrange(32_000, 32_700, processes.CLAIMED_AT_ONCE)  # none of another test's
    ports = range(start, start + processes.CLAIMED_AT_ONCE)
    monkeypatch.setattr(processes, "PORTS", ports)
    monkeypatch.setattr(processes, "_ports", [])
    words = [sys.executable, "-c", TAKES_A_PORT.format(start)]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert int(other.stdout.readline()) in ports
        with pytest.raises(TestbedError, match="no free loopback port"):
            processes.free_port()
    assert processes.free_port() in ports


def test_no_port_is_handed_out_twice() -> None:
    ports = [processes.free_port() for _ in range(3 * processes.CLAIMED_AT_ONCE)]
    assert len(ports) == len(set(ports))
