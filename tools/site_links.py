"""Where a page of the repository lies in the site of the docs, and its links as they are there.

The pages are read on the repository's own pages as well, so they link to files by their place in it. In the
site, docs/ is the root, some pages from elsewhere have a place of their own, and other files lie below
`files/`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "charts/vault-issuer/README.md": "chart.md",
}
"""Pages outside of docs/, and what they are called in the site."""

_CODE = re.compile(r"^ *```.*?^ *```$|^<!--.*?-->\n?", re.MULTILINE | re.DOTALL)
_TYPED = re.compile(r"^( *)```console\n(?!.*^ *\$ )", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")


def place(path: str) -> str | None:
    """Where a file of the repository lies in the site; None for a folder, which has no page."""
    if path in PAGES:
        return PAGES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    # Browsers show text, and download what they don't know.
    return f"files/{path}.txt" if (ROOT / path).is_file() else None


def source(page: str) -> str:
    """Which file of the repository a page of the site is made from."""
    return next((path for path, name in PAGES.items() if name == page), f"docs/{page}")


def rewritten(markdown: str, path: str, titles: Mapping[str, str]) -> str:
    """A page's text as it is in the site: its links, and no comments.

    Args:
        markdown: the text as it is in the repository, where `path` is the page's.
        titles: pages of the site by what its contents call them, for links that name a file.
    """
    start = posixpath.dirname(place(path) or "")

    def link(found: re.Match[str]) -> str:
        mark, label, target = found.groups()
        name, _, anchor = target.partition("#")
        if "://" in target or not name:
            return found[0]
        there = place(_joined(path, name))
        if there is None:
            return label
        if label == posixpath.basename(name) or label == name:
            label = titles.get(there, label)
        return f"{mark}[{label}]({posixpath.relpath(there, start or '.')}{'#' if anchor else ''}{anchor})"

    return _outside_code(markdown, lambda text: _LINK.sub(link, text))


def files(markdown: str, path: str) -> Iterator[str]:
    """The files of the repository that a page links to and that are no pages of the site."""
    prose = _outside_code(markdown, lambda text: text, fenced="")
    for found in _LINK.finditer(prose):
        name = found[3].partition("#")[0]
        there = _joined(path, name)
        if name and "://" not in name and (place(there) or "").startswith("files/"):
            yield there


def _joined(path: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def _outside_code(markdown: str, change: Callable[[str], str], fenced: str | None = None) -> str:
    """Change what is no fenced block; comments go, and blocks are kept, or become `fenced`."""
    parts, at = [], 0
    for found in _CODE.finditer(markdown):
        parts.append(change(markdown[at : found.start()]))
        if not found[0].startswith("<!--"):
            # Without a prompt all of a block is typed, and coloured as such.
            parts.append(_TYPED.sub(r"\1```bash\n", found[0]) if fenced is None else fenced)
        at = found.end()
    return "".join([*parts, change(markdown[at:])])
