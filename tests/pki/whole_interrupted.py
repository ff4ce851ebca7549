"""Every call of every case: the apply ends before, during and after it; run again, the end is the same.

Minutes: `make test-pki-interrupted`. Not named test_*.py, so that it runs only when it is asked for.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.openbao import OpenBao
from tests.pki.cases import CASES, case_of
from tests.pki.conftest import numbers
from tests.pki.cutting import CutMode
from tests.pki.support import Vault


@pytest.mark.parametrize("mode", list(CutMode))
@pytest.mark.parametrize("name", CASES)
def test_an_apply_is_interrupted_at_every_call(
    bao: OpenBao, tmp_path: Path, name: str, mode: CutMode
) -> None:
    at = 0
    while True:
        at += 1
        vault, folder = Vault(bao, f"t{next(numbers)}"), tmp_path / str(at)
        folder.mkdir()
        case = case_of(vault, folder, name)
        was_cut = case.cut(at, mode)
        case.finish()
        case.holds()
        if not was_cut:
            break
    print(f"{name}: ended {mode.value} each of {at - 1} calls")
    assert at > 10
