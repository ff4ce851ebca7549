"""Applies that are killed at a seeded call, and two at once. `whole_interrupted.py` has every call."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from tests.pki.cases import CASES, case_of
from tests.pki.cutting import CutMode, CuttingProxy
from tests.pki.interrupted import Case
from tests.pki.support import Vault

SEEDS = (1, 2, 3, 4, 5)
CALLS = {"two-tier": 31, "imported": 14, "offline": 11}
"""Calls of the first run of each case."""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_apply_is_gone_on_with(vault: Vault, tmp_path: Path, seed: int) -> None:
    chosen = random.Random(seed)  # not for secrets
    name = CASES[seed % len(CASES)]
    case = case_of(vault, tmp_path, name)
    at, mode = chosen.randint(1, CALLS[name]), chosen.choice(list(CutMode))
    assert case.kill(at, mode), "it ended before that call"
    case.finish()
    case.holds()
    before = len(vault.requests())
    case.finish()
    assert vault.writes_since(before) == []


@pytest.mark.parametrize(
    ("held", "revokes"),
    [
        ("/intermediate/generate/internal", True),
        ("/sign-intermediate", False),
        ("/intermediate/set-signed", False),
    ],
)
def test_two_appliers_end_with_one_certificate(
    vault: Vault, tmp_path: Path, held: str, revokes: bool
) -> None:
    case = case_of(vault, tmp_path, "two-tier")
    reached, finished = threading.Event(), threading.Event()
    slow = CuttingProxy(vault.bao)

    def hold(call: str) -> None:
        if call.endswith(held):
            reached.set()
            assert finished.wait(60)

    slow.held = hold
    with slow.running():
        other = threading.Thread(target=case.process, args=(slow.addr,))
        other.start()
        assert reached.wait(60)
        _finish(case, finished)
        other.join()
    assert any(one.endswith("-root/revoke") for one in slow.paths) == revokes
    case.holds()


def _finish(case: Case, finished: threading.Event) -> None:
    try:
        case.finish()
    finally:
        finished.set()
