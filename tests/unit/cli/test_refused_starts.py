"""Options with which the controller doesn't start; it says what is wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.scripts import run_script

SERVERS = ["https://vault.example.com", "", "10.0.0.0/8,,vault"]
CANARY = "--canary=VaultClusterIssuer/vault"
# In a process of its own, as the controller sets up logging; one for all, as imports take most of the time.
STARTS = """
import contextlib, io, json, sys
from issuer.cli.main import main

def start(option):
    sys.argv = ["vault-issuer", "controller", option]
    with contextlib.redirect_stderr(io.StringIO()) as told:
        try:
            main()
        except SystemExit as end:
            return end.code, told.getvalue()

print(json.dumps({option: start(option) for option in sys.argv[1:]}))
"""


@pytest.fixture(scope="module")
def ends() -> Mapping[str, tuple[int, str]]:
    """Exit code and standard error of the controller with each option."""
    done = run_script(STARTS, CANARY, *(f"--allowed-servers={one}" for one in SERVERS))
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[int, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("servers", SERVERS)
def test_a_list_that_cannot_be_read_ends_the_start(ends: Mapping[str, tuple[int, str]], servers: str) -> None:
    code, told = ends[f"--allowed-servers={servers}"]
    assert code == 2
    assert "--allowed-servers" in told
    assert "host:port" in told


def test_the_controller_refuses_canaries_that_it_cannot_probe(ends: Mapping[str, tuple[int, str]]) -> None:
    code, told = ends[CANARY]
    assert code == 2
    assert "--canary-dns-name" in told
