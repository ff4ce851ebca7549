"""docs/troubleshooting.md: every symptom has a test that makes it happen, and each named test is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import Any

import pytest
import yaml

from tests.unit.docs.collected import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
MAP: dict[str, dict[str, list[str]]] = yaml.safe_load((ROOT / "tests" / "docs" / "symptoms.yaml").read_text())
OPENSHIFT = "pods are refused by unable to validate against any security context constraint"


def plain(cell: str) -> str:
    """A cell without its marks: `Pending`: "x" becomes Pending: x."""
    return re.sub(r'[`"]', "", cell).strip()


def cells(heading: str) -> list[str]:
    """The first cells of the table below a heading."""
    section = re.split(r"^## ", PAGE.read_text().partition(f"## {heading}\n")[2], flags=re.MULTILINE)[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [plain(row.split("|")[1]) for row in rows]


def reasons() -> list[str]:
    """The reasons of an issuer, each by itself, as a row may have several."""
    found = []
    for cell in cells("An issuer is not Ready"):
        if " with " in cell:
            found.append(cell.partition(",")[0])
        else:
            found += cell.split(", ")
    return found


@cache
def functions(file: str) -> dict[str, str]:
    """The source of each test of a file of tests/integration, by its name."""
    text = (ROOT / "tests" / "integration" / file).read_text()
    lines = text.splitlines(keepends=True)
    found = [one for one in ast.parse(text).body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {one.name: "".join(lines[one.lineno - 1 : one.end_lineno]) for one in found}


def test_every_reason_of_an_issuer_has_a_test() -> None:
    assert reasons() == list(MAP["issuer"])


def test_every_symptom_of_an_installation_has_a_test() -> None:
    assert cells("The installation hangs") == list(MAP["installation"])
    assert [symptom for symptom, tests in MAP["installation"].items() if not tests] == [OPENSHIFT]


def test_every_symptom_of_a_request_has_a_test() -> None:
    assert cells("A request stays without a certificate") == list(MAP["request"])


def test_the_other_sections_have_one() -> None:
    others = re.findall(r"^## (.*)$", PAGE.read_text(), re.MULTILINE)[3:]
    assert others == list(MAP["sections"])


NAMED: list[Any] = [
    pytest.param(symptom, test, id=f"{symptom}-{test.partition('::')[2]}")
    for part in MAP.values()
    for symptom, tests in part.items()
    for test in tests
]


@pytest.mark.parametrize(("symptom", "test"), NAMED)
def test_the_named_test_is_there(symptom: str, test: str) -> None:
    file, _, name = test.partition("::")
    assert name in functions(file)


@pytest.mark.parametrize("reason", MAP["issuer"])
def test_a_reasons_test_sees_that_reason(reason: str) -> None:
    word = reason.partition(" ")[0]
    files = [one.partition("::")[0] for one in MAP["issuer"][reason]]
    assert any(f'"{word}"' in (ROOT / "tests" / "integration" / file).read_text() for file in files)
