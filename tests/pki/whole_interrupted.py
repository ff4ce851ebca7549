"""Every call of every case: the apply ends before, during and after it; run again, the end is the same.

Half an hour: `make test-pki-interrupted`. Not named test_*.py: it runs only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.openbao import OpenBao
from tests.pki.cases import CASES, EXAMPLES, case_of, emptied, example_of
from tests.pki.conftest import numbers
from tests.pki.cutting import CutMode
from tests.pki.interrupted import Case
from tests.pki.new_vaults import new_vault
from tests.pki.rotations import UNSEEN, RotationCase, cut_next, holds_both, rotation_case
from tests.pki.support import Vault

pytestmark = pytest.mark.usefixtures("forks")


@pytest.mark.parametrize("mode", list(CutMode))
@pytest.mark.parametrize("name", CASES)
def test_an_apply_is_interrupted_at_every_call(
    bao: OpenBao, tmp_path: Path, name: str, mode: CutMode
) -> None:
    def fresh(folder: Path) -> Case:
        return case_of(Vault(bao, f"t{next(numbers)}"), folder, name)

    interrupt_everywhere(fresh, tmp_path, mode)


@pytest.mark.parametrize("mode", list(CutMode))
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_interrupted_at_every_call(
    bao: OpenBao, tmp_path: Path, name: str, mode: CutMode
) -> None:
    def fresh(folder: Path) -> Case:
        return example_of(emptied(Vault(bao, "t")), folder, name)

    interrupt_everywhere(fresh, tmp_path, mode)


def interrupt_everywhere(fresh: Callable[[Path], Case], folder: Path, mode: CutMode) -> None:
    """End an apply at its first call, at its second, and so on to its last; `fresh` gives each an empty
    server and an empty folder."""
    at, was_cut = 0, True
    while was_cut:
        at += 1
        own = folder / str(at)
        own.mkdir()
        case = fresh(own)
        was_cut = case.cut(at, mode)
        case.finish()
        case.holds()
    assert at > 10


@pytest.mark.parametrize("mode", list(CutMode))
@pytest.mark.parametrize("steps", [0, 1, 2, 3], ids=["prepare", "switch", "retire", "delete"])
def test_a_rotation_is_interrupted_at_every_call(
    bao: OpenBao, tmp_path: Path, steps: int, mode: CutMode
) -> None:
    at, was_cut = 0, True
    while was_cut:
        at += 1
        folder = tmp_path / str(at)
        folder.mkdir()
        case = rotation_case(Vault(bao, f"t{next(numbers)}"), folder)
        for _ in range(steps):
            _step(case)
        _show_at_gates(case)
        was_cut = cut_next(case, at, mode)
        _rotate_to_its_end(case)
    assert at > 10


def _step(case: RotationCase) -> None:
    _show_at_gates(case)
    case.next(*UNSEEN)


def _show_at_gates(case: RotationCase) -> None:
    """Have the new CA sign, if it does by default."""
    if case.default() == case.new:
        case.issue()


def _rotate_to_its_end(case: RotationCase) -> None:
    """Go on to the end, with one key and one certificate for each CA as long as there are both."""
    for _ in range(4):
        phase = case.status(*UNSEEN)["phase"]
        if phase in ("switch", "observe", "retire"):
            holds_both(case)
        if phase == "done":
            break
        _step(case)
    assert (case.own(), case.keys()) == ([case.new], [case.new])


@pytest.mark.parametrize("mode", list(CutMode))
def test_a_first_start_is_interrupted_at_every_call(tmp_path: Path, mode: CutMode) -> None:
    first = tmp_path / "first"
    first.mkdir()
    with new_vault(first) as whole:
        calls = whole.calls()
    assert len(calls) > 15
    for number, at in enumerate(calls):
        folder = tmp_path / str(number)
        folder.mkdir()
        with new_vault(folder) as new:
            code = new.cut(at, mode)
            if new.bao.status()["initialized"] and new.shares.exists() and [*new.shares.iterdir()]:
                is_kept = new.root.exists()
                assert is_kept is not new.admin.exists(), (at, new.output)
                assert new.go_on() in ((0,) if is_kept else (0, 3)), (at, new.output)
                new.works()
            else:
                assert code == 1, at
                assert not new.admin.exists(), at
