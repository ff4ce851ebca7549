"""Tests that CI leaves out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scripts import run_script
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


# In one process, as pytest's own start takes most of the time.
SCRIPT = """
import sys
import pytest
import tests.conftest
for name in sys.argv[2:]:
    print("THEN")
    pytest.main([sys.argv[1] + name, "-q", "--collect-only", "-p", "tests.conftest", "-c", "/dev/null",
                 "-p", "no:cacheprovider"])
    tests.conftest.FULL = False
"""


def test_what_is_longer_runs_by_its_name_or_in_full_size(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(FILE)
    environment = {**os.environ, "FULL_SIZE": "1"}
    done = run_script(SCRIPT, str(file), "", "", "::test_longer", env=environment)
    assert done.returncode == 0, done.stderr
    full, usual, named = (
        [line.rpartition("::")[2] for line in part.splitlines() if "::test" in line and " " not in line]
        for part in done.stdout.split("THEN\n")[1:]
    )
    assert full == ["test_longer", "test_some[a]", "test_some[b]"]
    assert usual == ["test_some[a]"]
    assert named == ["test_longer"]
