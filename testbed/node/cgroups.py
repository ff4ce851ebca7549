"""The node's cgroups: made below one name in every hierarchy, removed when nobody uses them any more."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from testbed.cache import DATA_PREFIX

ROOT = Path("/sys/fs/cgroup")


def hierarchies() -> list[Path]:
    """Where directories make cgroups: each of version 1's controllers, or the one tree of version 2."""
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    return [one for one in sorted(ROOT.iterdir()) if (one / "cgroup.procs").exists() and not one.is_symlink()]


def make(name: str) -> str:
    """A cgroup below every root; returns the path that kubelet's ``cgroupRoot`` wants."""
    for hierarchy in hierarchies():
        own = hierarchy / name
        own.mkdir()
        if hierarchy.name == "cpuset":  # empty sets take no process
            for file in ("cpuset.cpus", "cpuset.mems"):
                (own / file).write_text((hierarchy / file).read_text())
    return f"/{name}"


def remove(name: str, seconds: float = 10.0) -> None:
    """Remove a cgroup and those below it, once the kernel has buried the processes in them."""
    for hierarchy in hierarchies():
        _remove_tree(hierarchy / name, time.monotonic() + seconds)


def _remove_tree(top: Path, deadline: float) -> None:
    while top.is_dir():
        below = sorted((one for one in top.rglob("*") if one.is_dir()), reverse=True)
        for one in [*below, top]:
            with contextlib.suppress(OSError):
                one.rmdir()
        if not top.is_dir() or time.monotonic() > deadline:
            return
        time.sleep(0.1)


def sweep(directory: Path) -> None:
    """Remove what crashed nodes left: cgroups of data directories that are gone from ``directory``."""
    for hierarchy in hierarchies():
        for one in hierarchy.glob(f"{DATA_PREFIX}*"):
            if not (directory / one.name).exists():
                remove(one.name)
