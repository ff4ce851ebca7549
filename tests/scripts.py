"""Python scripts that tests run in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
_NO_GARBAGE: Final = "import atexit, gc; gc.disable(); atexit.register(gc.freeze)\n"
"""As `vault-issuer` itself does: looking for garbage is a quarter of what a script's imports take."""


def run_script(
    script: str,
    *words: str,
    before: Sequence[str] = (),
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a script with these words as arguments to its end; `before` are words of what runs the process."""
    return subprocess.run(
        [*before, sys.executable, "-c", _NO_GARBAGE + script, *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
