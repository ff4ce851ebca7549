"""Running a system's tools."""

from __future__ import annotations

import subprocess
from pathlib import Path

from testbed.errors import TestbedError


def run(*words: str | Path) -> str:
    """Run one and return what it printed; TestbedError with its words when it fails."""
    command = [str(word) for word in words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise TestbedError(f"{command[0]} can't be run: {error}") from error
    if done.returncode:
        told = (done.stderr.strip() or done.stdout.strip())[-1500:]
        raise TestbedError(f"`{' '.join(command)[:200]}` failed: {told}")
    return done.stdout
