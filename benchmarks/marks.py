"""Places in a page that are written by the benchmarks.

A page marks one by `<!-- results: NAME -->` and `<!-- end -->`; what stands between is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from testbed.cluster import REPOSITORY

PAGES = (REPOSITORY / "docs" / "performance.md", REPOSITORY / "README.md")
PICTURES = REPOSITORY / "docs"
_MARK = re.compile(r"(<!-- results: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def fill(page: str, pieces: Mapping[str, str]) -> str:
    """The page with each marked place that has a piece of that name holding it; others stay as they are."""

    def put(found: re.Match[str]) -> str:
        piece = pieces.get(found[2])
        return found[0] if piece is None else f"{found[1]}\n{piece.strip()}\n\n{found[4]}"

    return _MARK.sub(put, page)
