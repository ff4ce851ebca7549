"""Consoles: where text for people goes, as it was written.

Serials, names and messages are data: `a:ab:c` stays so instead of becoming an emoji, and `[tracing]` instead
of vanishing as markup.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any, Final, TextIO, cast

from rich.console import Console
from rich.text import Text

__all__ = ["Console", "Text", "console"]

WIDTH: Final = 120
"""Columns where there is no terminal to ask, such as in a CI log, and no `COLUMNS`."""


def console(stream: TextIO | None = None, *, width: int | None = None, **more: Any) -> Console:
    """Return a console on a stream, by default on standard output.

    It is as wide as `width`, else the terminal, else the variable COLUMNS, else `WIDTH`. `more` goes to rich.
    """
    to = sys.stdout if stream is None else stream
    if not to.isatty():
        if width is None:
            columns = os.environ.get("COLUMNS", "")
            width = int(columns) if columns.isdecimal() and int(columns) > 0 else WIDTH
        to = cast("TextIO", _TrimmedLines(to))
    return Console(file=to, width=width, markup=False, emoji=False, highlight=False, soft_wrap=False, **more)


class _TrimmedLines:
    """Stream without the blanks by which rich fills each line of a table: files and pipes keep them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write whole lines, as rich does at each print."""
        self._stream.write(_BLANKS_AT_END.sub("", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


_BLANKS_AT_END: Final = re.compile(r" +(?=\n)")
