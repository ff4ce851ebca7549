"""Sections, fields, lists and tables for people.

All text goes through `shown` and into `Text`: it moves no cursor, has no colours, and is not read as markup.
Lines break between words; a table that is too wide for that becomes a block for each row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.padding import Padding
from rich.table import Table

from issuer.manifests.text import shown
from issuer.terminal.console import Console, Text
from issuer.text import first_of

MOST: Final = 40
"""Lines of one list that are printed; the JSON has all."""
_CELL: Final = 1200
_GAP: Final = 2
_LEAST: Final = 24
"""Width below which no column of a table is wrapped."""

Cell = str | Text


def section(to: Console, title: str) -> None:
    """Print an empty line and a heading."""
    to.print()
    heading(to, title)


def heading(to: Console, title: str) -> None:
    """Print a heading."""
    to.print(Text(shown(title, _CELL), style="bold"))


def paragraph(to: Console, text: Cell, style: str = "") -> None:
    """Print a text, wrapped between words."""
    to.print(Text(shown(text, _CELL), style=style) if isinstance(text, str) else text)


def indented(to: Console, text: Cell) -> None:
    """Print a text below a line that it belongs to."""
    to.print(Padding(cell(text), (0, 0, 0, _GAP)))


def rule(to: Console) -> None:
    """Print an empty line and a rule across."""
    to.print()
    to.rule()


def pasted(to: Console, text: str) -> None:
    """Print lines that are there to be pasted: neither wrapped nor coloured, with an empty line around."""
    lines = (shown(line, 10_000) if line else line for line in text.rstrip("\n").split("\n"))
    to.print()
    to.print(Text("\n".join(lines)), soft_wrap=True)
    to.print()


def unwrapped(to: Console, text: str, style: str = "") -> None:
    """Print one line that is not wrapped, as part of it may be a command to paste."""
    to.print(Text(shown(text, 10_000), style=style), soft_wrap=True)


def fields(to: Console, rows: Iterable[tuple[str, Cell]]) -> None:
    """Print names and values, without empty values."""
    table = Table.grid(padding=(0, _GAP))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in rows:
        if value:
            table.add_row(name, cell(value))
    to.print(table)


def rows(
    to: Console, headers: Sequence[str], lines: Iterable[Sequence[Cell]], most: int | None = MOST
) -> None:
    """Print a table; lines beyond `most` (None: of any number) are counted."""
    found = [[cell(one) for one in line] for line in lines]
    first = found[:most]
    widths = _widths(headers, first, to.width - _GAP * (len(headers) - 1))
    if widths:
        to.print(_table(headers, first, widths))
    else:
        _blocks(to, headers, first)
    if len(found) > len(first):
        to.print(Text(f"and {len(found) - len(first)} more (-o json has all)", style="dim"))


def _widths(headers: Sequence[str], lines: Sequence[Sequence[Text]], width: int) -> list[int]:
    """Return the width of each column, all of them within `width`; [] where words would have to be broken.

    The widest give way first, none below `_LEAST` or its longest word.
    """
    columns = [[Text(header), *column] for header, *column in zip(headers, *lines, strict=True)]
    widths = [max(value.cell_len for value in column) for column in columns]
    least = [
        min(one, max(_LEAST, *map(_longest_word, column)))
        for one, column in zip(widths, columns, strict=True)
    ]
    if sum(least) > width:
        return []
    while sum(widths) > width:
        wide = [number for number, one in enumerate(widths) if one > least[number]]
        widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def _longest_word(text: Text) -> int:
    return max((Text(word).cell_len for word in text.plain.split()), default=0)


def _table(headers: Sequence[str], lines: Sequence[Sequence[Text]], widths: Sequence[int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for header, width in zip(headers, widths, strict=True):
        table.add_column(header, width=width)
    for line in lines:
        table.add_row(*line)
    return table


def _blocks(to: Console, headers: Sequence[str], lines: Sequence[Sequence[Text]]) -> None:
    """Print each row as a block: its first cell, and the others below it with their headers."""
    width = max(map(len, headers[1:]), default=0)
    for line in lines:
        to.print(line[0])
        grid = Table.grid(padding=(0, _GAP, 0, 0))
        grid.add_column(no_wrap=True, min_width=width, style="bold")
        grid.add_column(overflow="fold")
        for header, value in zip(headers[1:], line[1:], strict=True):
            if value.plain:
                grid.add_row(header, value)
        to.print(Padding(grid, (0, 0, 0, _GAP)))


def bullets(to: Console, lines: Iterable[str], style: str = "") -> None:
    """Print an item for each text, wrapped between words and indented below its dash."""
    for line in lines:
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(Text("-", style=style), Text(shown(line, _CELL), style=style))
        to.print(grid)


def listed(values: Sequence[str]) -> str:
    """Return several values as the text of one cell."""
    return first_of(values, MOST)


def cell(value: Cell) -> Text:
    """Return a cell as safe text; a `Text` is safe already."""
    return value if isinstance(value, Text) else Text(shown(value, _CELL))


def marked(good: bool | None, yes: str = "yes", no: str = "no", unknown: str = "?") -> Text:
    """Return the word for a state in its colour."""
    if good is None:
        return Text(unknown, style="yellow")
    return Text(yes, style="green") if good else Text(no, style="red")
