"""docs/tutorial.md: every command as it stands, from `make up` to `make down`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cache import cache_directory
from testbed.cluster import REPOSITORY
from testbed.running import down
from tests.docs.console import console
from tests.docs.shell import Shell

PAGE = REPOSITORY / "docs" / "tutorial.md"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A terminal in a clone, whose testbed is another than the developer's; what is built is shared."""
    state, folder = tmp_path / "state", tmp_path / "home"
    folder.mkdir()
    found = {
        "VAULT_ISSUER_TESTBED": str(state),
        "VAULT_ISSUER_CACHE": str(cache_directory()),
        "TMPDIR": str(folder),
    }
    one = Shell(folder, found)
    one.run(f"cd '{REPOSITORY}'")
    yield one
    one.close()
    down(state)


def test_the_tutorial_works_as_it_stands(shell: Shell) -> None:
    blocks = console(PAGE)
    assert all(block.ours for block in blocks)
    for block in blocks:
        shell.type(block)
