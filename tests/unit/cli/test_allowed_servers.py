"""`--allowed-servers` that can't be read: the controller says how to write it, and doesn't start."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping

import pytest

ENTRIES = ["https://vault.example.com", "", "10.0.0.0/8,,vault"]
# In a process of its own, as the controller sets up logging; one for all, as imports take most of the time.
STARTS = """
import contextlib, io, json, sys
from issuer.cli.main import main

def start(entry):
    sys.argv = ["vault-issuer", "controller", f"--allowed-servers={entry}"]
    with contextlib.redirect_stderr(io.StringIO()) as told:
        try:
            main()
        except SystemExit as end:
            return end.code, told.getvalue()

print(json.dumps({entry: start(entry) for entry in sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def ends() -> Mapping[str, tuple[int, str]]:
    """Exit code and standard error of the controller with each entry."""
    words = [sys.executable, "-c", STARTS, *ENTRIES]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[int, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_list_that_cannot_be_read_ends_the_start(ends: Mapping[str, tuple[int, str]], entry: str) -> None:
    code, told = ends[entry]
    assert code == 2
    assert "--allowed-servers" in told
    assert "host:port" in told
