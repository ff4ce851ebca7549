"""Applies that are killed at a seeded call, and two at once. `whole_interrupted.py` has every call."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pki.cases import CASES, case_of
from tests.pki.cutting import CutMode, CuttingProxy
from tests.pki.interrupted import LEFT, Case
from tests.pki.support import Vault

pytestmark = pytest.mark.usefixtures("forks")
SEEDS = (1, 2, 3, 4, 5)
CALLS = {"two-tier": 31, "imported": 12, "offline": 9}
"""Calls of the first run of each case at least: more where another mount can be asked for its fields."""


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


LISTS = "LIST [^ ]+-{}/(keys|issuers)"
"""The reads by which an applier sees that there is no CA yet."""


@pytest.mark.parametrize(
    ("name", "held", "calls", "again"),
    [
        ("two-tier", LISTS.format("root"), (1, 2), "-root/root/generate/internal"),
        ("two-tier", "POST [^ ]+/intermediate/generate/internal", (1, 1), "-root/revoke"),
        ("two-tier", "POST [^ ]+/sign-intermediate", (1, 1), ""),
        ("two-tier", "POST [^ ]+/intermediate/set-signed", (1, 1), ""),
        ("imported", LISTS.format("pki"), (3, 3), "-pki/issuers/import/bundle"),
    ],
    ids=["root", "key", "signed", "installed", "imported"],
)
def test_two_appliers_end_with_one_certificate(
    vault: Vault, tmp_path: Path, name: str, held: str, calls: tuple[int, int], again: str
) -> None:
    """One applier stands still after these calls, the other ends; then the first goes on.

    `again` is what it does although the other has done it, or what it takes back.
    """
    case = case_of(vault, tmp_path, name)
    met = Meeting(case, held, *calls)
    met.run(case.finish)
    done = [one.split()[1] for one in met.after]
    if again:
        assert any(one.endswith(again) for one in done), done
    assert any(one.endswith("/revoke") for one in done) == (again == "-root/revoke")
    case.holds()


def test_two_appliers_make_one_key_for_an_offline_ca(vault: Vault, tmp_path: Path) -> None:
    case = case_of(vault, tmp_path, "offline")
    met = Meeting(case, LISTS.format("env"), 1, 2)
    met.run(case.apply)
    assert [one.split()[1].split("/", 1)[1] for one in met.after if "generate" in one] == [
        "intermediate/generate/internal",
        "intermediate/generate/existing",
    ]
    assert met.code == LEFT
    case.between()
    case.finish()
    case.holds()


class Meeting:
    """Two appliers of one case: a slow one is held at its calls number `first` to `last` that match.

    `after` are its calls from there on, `code` its exit code.
    """

    def __init__(self, case: Case, held: str, first: int, last: int) -> None:
        self._case, self._held = case, re.compile(held)
        self._range = range(first, last + 1)
        self._lock = threading.Lock()
        self._matched = 0
        self._reached, self._finished = threading.Event(), threading.Event()
        self._proxy = CuttingProxy(case.vault.bao)
        self._proxy.held = self._hold
        self.after: list[str] = []
        self.code: int | None = None

    def run(self, other: Callable[[], object]) -> None:
        """Apply slowly; once it is held do `other`, then let it go on to its end."""
        with self._proxy.running():
            slow = threading.Thread(target=self._apply)
            slow.start()
            assert self._reached.wait(60)
            seen = len(self._proxy.paths)
            try:
                other()
            finally:
                self._finished.set()
            slow.join()
        self.after = self._proxy.paths[seen:]

    def _apply(self) -> None:
        self.code = self._case.process(self._proxy.addr)

    def _hold(self, call: str) -> None:
        if self._held.fullmatch(call) is None:
            return
        with self._lock:
            self._matched += 1
            number = self._matched
        if number == self._range[-1]:
            self._reached.set()
        if number in self._range:
            assert self._finished.wait(60)
