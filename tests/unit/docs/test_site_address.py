"""What is printed names pages by their address on the site, which has them and their headings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from issuer.site import SITE
from tests.unit.docs.collected import ROOT

SOURCES = {path: path.read_text() for path in sorted((ROOT / "issuer").rglob("*.py"))}
"""The text of each module; most name no page, and need not be parsed."""


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """The syntax tree of a module, from its root down."""
    return tuple(ast.walk(ast.parse(SOURCES[path])))


def named() -> Iterator[tuple[str, ...]]:
    """Yield page, and heading if one is named, of each call of `docs_page`."""
    for path in (one for one, text in SOURCES.items() if "docs_page" in text):
        for node in nodes(path):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "docs_page":
                yield tuple(ast.literal_eval(one) for one in node.args)


def printed(path: Path) -> Iterator[str]:
    """Yield the texts of a module that may be printed: all but docstrings, which commands alone print."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        ast.get_docstring(node, clean=False) for node in nodes(path) if isinstance(node, documented)
    }
    commands = "cli" in path.parts
    for node in nodes(path):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and (commands or text not in docstrings):
            yield text


def test_the_site_has_the_address_that_is_printed() -> None:
    assert f"site_url: {SITE}/ " in (ROOT / "mkdocs.yml").read_text()


def test_every_page_that_is_named_is_there() -> None:
    pages = sorted(set(named()))
    assert pages
    for page, *wanted in pages:
        text = (ROOT / "docs" / f"{page}.md").read_text()
        headings = {
            re.sub(r"[^a-z0-9]+", "-", one.lower()).strip("-") for one in re.findall(r"^#+ (.*)", text, re.M)
        }
        assert set(wanted) <= headings, page


def test_nothing_printed_names_a_file_of_the_repository() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {text[:80]}"
        for path, source in SOURCES.items()
        if "docs/" in source
        for text in printed(path)
        if re.search(r"\bdocs/[\w/-]+\.md", text)
    ]
    assert [one for one in found if not one.startswith("issuer/telemetry/catalogue/")] == []
