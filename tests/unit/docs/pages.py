"""README.md, CONTRIBUTING.md and docs/, taken apart: their links, headings and YAML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from tests.unit.docs.collected import ROOT

PAGES = tuple(
    page
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
    if page.parent.name != "reference"  # made from the code
)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def documents(page: Path) -> list[dict[str, Any]]:
    """Return every YAML document that a page shows."""
    return [one for block in blocks(page, "yaml") for one in yaml.safe_load_all(block)]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ +(.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def links(page: Path) -> list[str]:
    """Return the targets of its relative links and images."""
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    return [one for one in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in one]
