"""What processes have used, from /proc; and one clock that fits the times found there."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def now() -> float:
    """Seconds since the machine's start: the clock of `started`."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def started(pid: int) -> float:
    """When a process was forked, on the clock of `now`; good to a hundredth of a second."""
    return int(_stat(pid)[19]) / _TICKS


def runs(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return _stat(pid)[0] not in ("Z", "X")
    except OSError:
        return False


def cpu_seconds(pid: int) -> float:
    """CPU seconds of all threads of a process so far, user and system."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_peak_mb(pid: int) -> float:
    """The most resident memory a process has had, in MB (1024 kB each)."""
    for line in (Path("/proc") / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"/proc/{pid}/status tells no VmHWM")


def all_cpu_seconds(processes: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds of named processes (name to process id)."""
    return {name: cpu_seconds(pid) for name, pid in processes.items()}


def _stat(pid: int) -> list[str]:
    # Field 3 and on: the name in brackets, field 2, may hold spaces.
    return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()
