"""Every command block of the tutorial and the how-to pages is run by a test, or says why nobody can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.console import RUN, Block, console, difference
from tests.unit.docs.collected import ROOT

DOCS = ROOT / "docs"


class _Loader(yaml.SafeLoader):
    """mkdocs.yml names a function, which is none of ours to import."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def nav() -> dict[str, list[str]]:
    """Return the pages of the site by the first level of its contents."""
    found = yaml.load((ROOT / "mkdocs.yml").read_text(), _Loader)["nav"]
    return {name: list(_pages(below)) for one in found for name, below in one.items()}


def _pages(below: Any) -> Iterator[str]:
    if isinstance(below, str):
        yield below
    else:
        for one in below:
            for inner in [one] if isinstance(one, str) else one.values():
                yield from _pages(inner)


GUIDES = [*nav()["Tutorial"], *nav()["How to"], *nav()["Watch"]]
RUNBOOKS = [page for page in nav()["Troubleshooting"] if page.startswith("runbooks/")]
BLOCKS = [
    pytest.param(block, id=block.where)
    for page in dict.fromkeys([*GUIDES, *RUNBOOKS, *RUN])
    for block in console(DOCS / page)
]


def test_every_page_is_in_the_sites_contents() -> None:
    listed = {page for pages in nav().values() for page in pages}
    pages = {str(one.relative_to(DOCS)) for one in DOCS.rglob("*.md")}
    assert sorted(pages - listed) == []


def test_every_guide_with_blocks_of_ours_is_run_and_no_other() -> None:
    ours = {page for page in GUIDES if any(block.ours for block in console(DOCS / page))}
    assert ours == set(RUN) - {"policy.md"}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_that_tests_docs_does_not_run_names_its_test_or_a_reason(block: Block) -> None:
    assert not (block.run_by and block.not_run)
    if block.run_by:
        file, _, name = block.run_by.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text()
    elif block.not_run:
        assert len(block.not_run.split()) >= 3


@pytest.mark.parametrize("page", RUNBOOKS)
def test_commands_of_a_runbook_are_console_blocks_so_that_they_are_run_or_have_a_reason(page: str) -> None:
    fences = re.findall(r"^ *```(.*)$", (DOCS / page).read_text(), re.MULTILINE)
    assert set(fences[::2]) <= {"console", "yaml", "promql"}


def test_a_block_is_what_is_typed_and_what_is_shown(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "text\n\n<!-- exit: 1 -->\n```console\n"
        "$ one \\\n    two\nshown 1\n\nshown 2\n$ cat <<'EOF'\nx\nEOF\n```\n"
        "   <!-- not run: nobody has it -->\n   ```console\n   typed\n     whole\n   ```\n"
    )
    first, second = console(page)
    assert [step.script for step in first.steps] == ["one \\\n    two", "cat <<'EOF'\nx\nEOF"]
    assert first.steps[0].shown == ("shown 1", "", "shown 2")
    assert (first.where, first.exit_code, first.ours) == ("page.md:4", 1, True)
    assert [step.script for step in second.steps] == ["typed\n  whole"]
    assert (second.not_run, second.ours) == ("nobody has it", False)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["NAME   AGE", "demo   20s"], "NAME AGE\ndemo 1m3s\n", True),
        (["NAME   AGE", "demo   20s"], "NAME AGE\nother 20s\n", False),
        (["until 2031-11-24T00:00:00Z"], "until 2030-01-01T10:11:12Z\n", True),
        (["…", "last"], "one\ntwo\nlast\n", True),
        (["…", "last"], "one\nlast\ntwo\n", False),
        (["serial=…"], "serial=4F\n", True),
        (["a (b)"], "a (b)\nmore\n", False),
        ([], "anything\n", True),
    ],
)
def test_what_is_shown_is_compared(shown: list[str], printed: str, same: bool) -> None:
    assert (difference(shown, printed) is None) == same
