"""docs/architecture.md and docs/decisions: the map holds, and no decision is missing from its index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.docs.collected import ROOT

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
INDEX = (ROOT / "docs" / "decisions" / "README.md").read_text()
MAP = (ROOT / "docs" / "architecture.md").read_text()


def folders(below: Path) -> set[str]:
    """The packages directly in a folder."""
    return {file.parent.name for file in below.glob("*/__init__.py")}


def first_cells(heading: str) -> set[str]:
    """The names in the first column of the table below a heading of the map."""
    part = MAP.partition(heading)[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", part, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([\w/]+)`", cell)}


def test_the_map_has_every_package() -> None:
    assert first_cells("## The packages") == folders(ROOT / "issuer")


def test_the_map_has_every_folder_of_the_controller() -> None:
    assert first_cells("## The folders of `controller/`") == folders(ROOT / "issuer" / "controller")


def test_every_module_on_the_way_of_a_request_is_there() -> None:
    way = MAP.partition("## The way of one request")[2]
    named = re.findall(r"\b(?:api|controller|kube|requests|signing|x509)/[\w/]+", way)
    assert named
    assert [one for one in named if not list((ROOT / "issuer").glob(f"{one}*"))] == []


def test_numbers_are_given_once_without_gaps() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_has_its_parts_and_a_line_in_the_index(page: Path) -> None:
    text = page.read_text()
    title = re.match(rf"# {int(page.name[:4])}\. (.*)\n", text)
    assert title
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Context",
        "Decision",
        "Measured",
        "When to revisit",
    ]
    assert INDEX.count(f"[{title[1]}]({page.name})") == 1
