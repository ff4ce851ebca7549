"""What was measured: printed beside the last recorded values, and recorded on RECORD=1."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from benchmarks.machine import machine

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "e2e.json"
UNITS = {
    "first_certificate_s": "container's start to its first certificate",
    "ready_s": "container's start to Ready, as kubelet sees it",
    "image_added_mb": "image without its base, unpacked",
    "image_added_gzip_mb": "image without its base, gzipped",
    "idle_leader_cpu_percent": "CPU of the idle leader, of one core",
    "idle_leader_memory_mb": "memory of the idle leader (working set)",
    "idle_standby_cpu_percent": "CPU of the idle standby",
    "idle_standby_memory_mb": "memory of the idle standby",
    "leader_killed_longest_s": "longest wait for a certificate, leader killed (SIGKILL)",
    "leader_deleted_longest_s": "longest wait, leader's pod deleted without grace",
    "upgrade_longest_s": "longest wait for a certificate, release upgraded",
    "upgrade_from_previous_longest_s": "longest wait, upgraded from the previous version",
    "kubelet_stopped_longest_s": "longest wait, kubelet stopped",
}


def report(found: dict[str, float], kubernetes: str) -> str:
    """The numbers as a table beside the last recorded ones."""
    history: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    last = history[-1]["numbers"] if history else {}
    lines = [f"{'':<58}{'now':>8}{'recorded':>10}"]
    for name, value in found.items():
        lines.append(f"{UNITS[name]:<58}{value:>8.1f}{last.get(name, '-'):>10}")
    if os.environ.get("RECORD"):
        history.append({**machine(), "kubernetes": kubernetes, "numbers": found})
        RESULTS.write_text(json.dumps(history, indent=2) + "\n")
        lines.append(f"recorded in {RESULTS.name}")
    return "\n".join(lines)
