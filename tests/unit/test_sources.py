"""What the sources must not use, since the oldest Python that is promised reads or has it otherwise."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("issuer", "testbed", "tools", "benchmarks", "tests")
# A repeat followed by +, or an atomic group, outside of a character class.
POSSESSIVE = re.compile(r"\(\?>|(?:[*+?]|\{[0-9]*,?[0-9]*\})\+")
CLASSES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)


# Most files have neither, and need not be parsed.
LOOKED_AT = re.compile(r"\bre\.|\.extract(?:all)?\b|\.unpack_archive\b")


@cache
def calls(folder: str) -> list[tuple[str, ast.Call]]:
    """Every call of a method or function of a module, in files that use `re` or unpack, with the file."""
    return [
        (str(path.relative_to(ROOT)), node)
        for path in (ROOT / folder).rglob("*.py")
        if LOOKED_AT.search(text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]


def patterns(folder: str) -> Iterator[tuple[str, str]]:
    """File with line, and text, of every literal, or part of one, inside a call of a function of `re`."""
    for file, node in calls(folder):
        assert isinstance(node.func, ast.Attribute)
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "re"):
            continue
        for part in (found for argument in node.args for found in ast.walk(argument)):
            if isinstance(part, ast.Constant) and isinstance(part.value, str | bytes):
                text = part.value if isinstance(part.value, str) else part.value.decode("latin-1")
                yield f"{file}:{part.lineno}", text


def is_possessive(pattern: str) -> bool:
    return bool(POSSESSIVE.search(CLASSES.sub("x", pattern)))


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_regular_expression_has_possessive_repeats(folder: str) -> None:
    """They are new in 3.11, whose first patch levels match wrongly: `https://a./x` was taken for a URI."""
    assert [where for where, text in patterns(folder) if is_possessive(text)] == []


@pytest.mark.parametrize("pattern", ["a*+", "(?:a|b)++c", "x{2,3}+", "a?+", "(?>a)", "[a]*+", r"\++*+"])
def test_a_possessive_repeat_would_be_found(pattern: str) -> None:
    assert is_possessive(pattern)
    assert not is_possessive(r"[*+]x\*+[+]+a+\{+]*")


def test_archives_are_not_unpacked_by_an_argument_of_a_later_patch_level() -> None:
    """`filter` came with 3.11.4, and Debian 12 has 3.11.2: set `extraction_filter` on the archive."""
    assert [
        f"{file}:{node.lineno}"
        for folder in FOLDERS
        for file, node in calls(folder)
        if isinstance(node.func, ast.Attribute)
        and node.func.attr in {"extract", "extractall", "unpack_archive"}
        and any(word.arg == "filter" for word in node.keywords)
    ] == []
