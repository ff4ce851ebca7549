"""docs/write-a-backend.md shows the example as it is, and its suite runs outside of this repository's own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.console import console
from tests.unit.docs.collected import ROOT
from tests.unit.docs.pages import blocks

PAGE = ROOT / "docs" / "write-a-backend.md"
EXAMPLE = ROOT / "tests" / "example_backend"
SUITE = ROOT / "tests" / "unit" / "signing" / "contract" / "test_example.py"
FILES = {
    "python": (EXAMPLE / "example_backend.py", SUITE),
    "toml": (EXAMPLE / "pyproject.toml",),
}


@pytest.mark.parametrize(
    ("language", "block"),
    [
        pytest.param(language, block, id=block.split("\n")[0])
        for language in FILES
        for block in blocks(PAGE, language)
    ],
)
def test_a_block_is_a_piece_of_the_example(language: str, block: str) -> None:
    # Not by lines: ruff formats what stands in a page by itself, without the class around it.
    assert any("".join(block.split()) in "".join(file.read_text().split()) for file in FILES[language])


def test_no_block_is_of_a_language_that_no_test_reads() -> None:
    """tests/integration/test_backends.py applies the YAML; the image takes a container's build."""
    fences = set(re.findall(r"^```(\w+)$", PAGE.read_text(), re.MULTILINE))
    assert fences == {*FILES, "console", "yaml", "dockerfile"}


def test_the_suite_runs_as_the_page_says(tmp_path: Path) -> None:
    shutil.copy(SUITE, tmp_path)
    [block] = console(PAGE)
    [step] = block.steps
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": "-o asyncio_mode=auto -p no:cacheprovider -k 'reasons or one_signing or missing'",
    }
    done = subprocess.run(
        ["bash", "-c", step.script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
