"""What CI leaves out of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.cluster import REPOSITORY
from tests.sizes import LONGER, sampled

FILE = """
import pytest
from tests.sizes import LONGER, sampled

@LONGER
def test_longer(): ...

@pytest.mark.parametrize("one", sampled(["a", "b"], "a"))
def test_some(one): ...
"""


def test_parameters_that_are_no_sample_are_marked() -> None:
    found = {one.values[0]: [mark.name for mark in one.marks] for one in sampled([None, 0, "b"], 0)}
    assert found == {None: [LONGER.name], 0: [], "b": [LONGER.name]}


def test_a_sample_names_cases() -> None:
    with pytest.raises(ValueError, match="not among the cases: \\['d'\\]"):
        sampled(["a", "b"], "a", "d")


@pytest.mark.parametrize(
    ("names", "full", "ran"),
    [
        ([""], "", ["test_some[a]"]),
        (["::test_longer"], "", ["test_longer"]),
        ([""], "1", ["test_longer", "test_some[a]", "test_some[b]"]),
    ],
)
def test_what_is_longer_runs_by_its_name_or_in_full_size(
    names: list[str], full: str, ran: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(FILE)
    words = ["-m", "pytest", "-q", "--collect-only", "-p", "tests.conftest", f"--rootdir={tmp_path}"]
    words += [*(f"{file}{name}" for name in names), "-c", os.devnull, "-p", "no:cacheprovider"]
    found = subprocess.run(
        [sys.executable, *words],
        cwd=REPOSITORY,
        env={**os.environ, "FULL_SIZE": full},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [one.rpartition("::")[2] for one in found.stdout.splitlines() if "::" in one] == ran
