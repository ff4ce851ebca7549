"""Which tests there are, as pytest collects them."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@cache
def feature_tests() -> frozenset[str]:
    """Node ids of the tests of features; nothing is run."""
    files = sorted(str(file) for file in (ROOT / "tests" / "integration").glob("test_features*.py"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    return frozenset(line for line in done.stdout.splitlines() if "::" in line)
