"""`--allowed-servers` that can't be read: the controller says how to write it, and doesn't start."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("entry", ["https://vault.example.com", "", "10.0.0.0/8,,vault"])
def test_a_list_that_cannot_be_read_ends_the_start(entry: str) -> None:
    # In a process of its own, as it sets up logging.
    words = [sys.executable, "-m", "issuer", "controller", f"--allowed-servers={entry}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert "--allowed-servers" in done.stderr
    assert "host:port" in done.stderr
