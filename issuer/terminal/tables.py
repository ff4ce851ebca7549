"""Sections, fields and tables on a terminal.

All text goes through `shown` and into `Text`: it moves no cursor, has no colours, and is not read as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from issuer.manifests.text import shown

MOST: Final = 40
"""Lines of one list that are printed; the JSON has all."""
_CELL: Final = 1200

Cell = str | Text


def section(to: Console, title: str) -> None:
    """Print an empty line and a heading."""
    to.print()
    to.print(Text(title, style="bold"))


def fields(to: Console, rows: Iterable[tuple[str, Cell]]) -> None:
    """Print names and values, without empty values."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        if value:
            table.add_row(name, cell(value))
    to.print(table)


def rows(to: Console, headers: Sequence[str], lines: Iterable[Sequence[Cell]]) -> None:
    """Print a table; lines beyond `MOST` are counted."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")
    found = list(lines)
    for line in found[:MOST]:
        table.add_row(*map(cell, line))
    to.print(table)
    if len(found) > MOST:
        to.print(Text(f"and {len(found) - MOST} more (-o json has all)", style="dim"))


def bullets(to: Console, lines: Iterable[str], style: str = "") -> None:
    """Print a line for each text, wrapped by the terminal."""
    for line in lines:
        to.print(Text(f"- {shown(line, _CELL)}", style=style))


def listed(values: Sequence[str]) -> str:
    """Return several values as the text of one cell."""
    more = f" and {len(values) - MOST} more" if len(values) > MOST else ""
    return ", ".join(values[:MOST]) + more


def cell(value: Cell) -> Text:
    """Return a cell as safe text; a `Text` is safe already."""
    return value if isinstance(value, Text) else Text(shown(value, _CELL))


def marked(good: bool | None, yes: str = "yes", no: str = "no", unknown: str = "?") -> Text:
    """Return the word for a state in its colour."""
    if good is None:
        return Text(unknown, style="yellow")
    return Text(yes, style="green") if good else Text(no, style="red")
