"""What this machine lacks for the testbed, told before anything starts, each with its remedy."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from testbed.cache import cache_directory
from testbed.servers import builds_needed

_RUN_MB = 500  # data and logs of one testbed
_MEMORY_MB = 3000  # the Go linker's peak, with room for the compiler beside it


def problems() -> list[str]:
    """Everything that would make it fail; empty when nothing does."""
    found = []
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        found.append(
            f"the servers come for Linux on x86-64 and arm64, and this is {platform.system()} on "
            f"{platform.machine()}: use such a machine, or a virtual one"
        )
    builds = builds_needed()
    needed = _RUN_MB + sum(one.disk_mb for one in builds)
    existing = next(one for one in (cache_directory(), *cache_directory().parents) if one.exists())
    free = shutil.disk_usage(existing).free // 1_000_000
    if free < needed:
        found.append(
            f"{needed} MB of disk are needed and {free} MB are free at {existing}: free some, "
            "or set VAULT_ISSUER_CACHE to a folder with room"
        )
    memory = _available_memory_mb()
    if builds and memory is not None and memory < _MEMORY_MB:
        found.append(
            f"building the servers needs about {_MEMORY_MB} MB of memory and {memory} MB are available: "
            "end other programs, or copy the cache from a bigger machine"
        )
    return found


def _available_memory_mb() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    told = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return None if told is None else int(told.split()[1]) // 1024
