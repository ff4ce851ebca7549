"""docs/capabilities.md: each capability names what shows it, and each thing named is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.docs.collected import ROOT
from tests.unit.docs.pages import PAGES, prose

FOLDERS = {
    "I": "tests/integration/test_",
    "U": "tests/unit/",
    "E": "tests/e2e/test_",
    "P": "tests/pki/test_",
    "A": "tests/agent/test_",
}
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
TABLE = (ROOT / "docs" / "capabilities.md").read_text().partition("## Not there yet")[0]
# `\|` is a bar inside a cell.
ROWS = [
    re.split(r"(?<!\\)\|", line)[1:3]
    for line in TABLE.splitlines()
    if line.startswith("| ") and not line.startswith("| capability |")
]


def references(cell: str) -> list[tuple[str, str]]:
    """Each thing that a cell names in backticks, after the folder of the letter before it."""
    found, folder = [], ""
    for letter, name in re.findall(r"\b([IUEPA]): (?=`)|`([^`]+)`", cell):
        if letter:
            folder = FOLDERS[letter]
        else:
            found.append((folder, name.replace("…", "*")))
    return found


def exists(folder: str, name: str) -> bool:
    """Return True for a target of the Makefile, and for a file or folder below `folder` or the root."""
    if name.startswith("make "):
        return name.removeprefix("make ") in TARGETS
    forms = [f"{folder}{name}", f"{folder}{name}.py", name, f"{name}.py"]
    return any(any(ROOT.glob(form)) if "*" in form else (ROOT / form).exists() for form in forms)


def test_there_are_capabilities() -> None:
    assert len(ROWS) > 80


def test_no_capability_is_told_twice() -> None:
    named = [row[0].strip() for row in ROWS]
    assert [one for one in named if named.count(one) > 1] == []


@pytest.mark.parametrize(("capability", "shown_by"), ROWS, ids=[row[0].strip()[:60] for row in ROWS])
def test_each_capability_is_shown_by_what_is_there(capability: str, shown_by: str) -> None:
    named = references(shown_by)
    assert named, f"nothing shows: {capability}"
    assert [one for one in named if not exists(*one)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`(tests/[\w/…-]+(?:\.\w+)?)", prose(page))
    assert [one for one in named if not exists("", one.replace("…", "*"))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_that_a_page_names_is_there(page: Path) -> None:
    packages = "|".join(file.parent.name for file in (ROOT / "issuer").glob("*/__init__.py"))
    named = re.findall(rf"`(issuer/(?:{packages})\b[\w/]*)(?:\.py)?`", prose(page))
    assert [one for one in named if not exists("", one)] == []
