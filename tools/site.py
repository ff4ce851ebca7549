"""Looks at the built site: nothing is loaded from elsewhere, and no Markdown is left as it was written.

python -m tools.site [FOLDER]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "site"
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""What a browser loads by itself, and the attribute that says from where."""
LOADING = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "modulepreload", "manifest"}
LEFT_OVER = re.compile(r"^ *(?:```|\|[- |:]+\|$|<!--)|(?<=\S)\n *(?:[-*]|\d\.|#{1,6}) \S", re.MULTILINE)


class Page(HTMLParser):
    """What one page loads, and its text outside of code."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what is loaded."""
        found = dict(attrs)
        if tag in LOADED and (tag != "link" or LOADING & set((found.get("rel") or "").split())):
            self.loads.append(found.get(LOADED[tag]) or "")
        self._silent += tag in ("pre", "code", "script", "style")

    def handle_endtag(self, tag: str) -> None:
        """Code ends."""
        self._silent -= tag in ("pre", "code", "script", "style")

    def handle_data(self, data: str) -> None:
        """Text that readers see as prose."""
        if not self._silent:
            self.text.append(data)


def main(arguments: Sequence[str]) -> int:
    """Exit code 1 with every finding on standard error."""
    site = Path(arguments[0]) if arguments else SITE
    pages = sorted(site.rglob("*.html"))
    found = [f"{page.relative_to(site)}: {one}" for page in pages for one in problems(page.read_text())]
    if not pages:
        found = [f"{site} holds no pages"]
    if found:
        print(*found, sep="\n", file=sys.stderr)
        return 1
    print(f"{len(pages)} pages in {site}; with their search: python3 -m http.server -d {site}")
    return 0


def problems(html: str) -> Iterator[str]:
    """What a page loads from elsewhere, and what was left as Markdown."""
    page = Page()
    page.feed(html)
    for one in page.loads:
        if one.startswith(("http:", "https:", "//")):
            yield f"loads {one}"
    for piece in page.text:
        for left in LEFT_OVER.finditer(piece):
            yield f"shows Markdown: {piece[left.start() : left.start() + 60].strip()!r}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
