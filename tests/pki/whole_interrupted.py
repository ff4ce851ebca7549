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
