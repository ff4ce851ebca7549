"""How the demo tells what it does: a line a step, with its time, and a spinner while it works."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

INDENT = 11
WIDTH = 118  # of a recorded terminal


@dataclass(slots=True)
class Story:
    """Prints steps to a terminal (with colours and a spinner) or to a file (plain lines)."""

    console: Console = field(default_factory=lambda: Console(highlight=False, record=True))
    steps: int = 0
    started: float = field(default_factory=time.monotonic)

    def chapter(self, title: str) -> None:
        """A heading."""
        self.console.print(f"\n[bold]{escape(title)}[/bold]")

    @contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """One step; an exception inside marks it failed and goes on up."""
        began = time.monotonic()
        one = Step(what)
        try:
            with self.console.status(f"{escape(what)} …"):
                yield one
        except BaseException:
            self._line("[red]✗[/red]", began, escape(what))
            raise
        self.steps += 1
        self._line("[green]✓[/green]", began, escape(one.what))
        for note in one.notes:
            self.console.print(Padding(Text(note, style="dim"), (0, 0, 0, INDENT)))

    def _line(self, mark: str, began: float, text: str) -> None:
        line = Table.grid()
        line.add_column(width=INDENT, no_wrap=True)
        line.add_column()
        line.add_row(f" {mark} {time.monotonic() - began:5.1f} s", text)
        self.console.print(line)

    def table(self, title: str, rows: list[tuple[str, str]]) -> None:
        """Facts, one a row."""
        table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(escape(name), escape(value))
        self.console.print(Padding(table, (0, 0, 0, INDENT)))

    def save(self, path: Path) -> None:
        """Record all that was shown as a picture of a terminal, which loads nothing from elsewhere."""
        picture = self.console.export_svg(title="make demo")
        picture = re.sub(r"@font-face\s*{[^}]*}", "", picture)
        picture = re.sub(r"<!--.*?-->", "", picture, flags=re.DOTALL)
        path.write_text("\n".join(line.rstrip() for line in picture.splitlines()) + "\n", encoding="utf-8")

    def say(self, text: str = "") -> None:
        """A plain line."""
        self.console.print(escape(text))

    def command(self, text: str) -> None:
        """A line to paste into a shell: never broken, however long."""
        self.console.print(f"  {escape(text)}", soft_wrap=True)

    @property
    def seconds(self) -> float:
        """Since the story began."""
        return time.monotonic() - self.started


@dataclass(slots=True)
class Step:
    """A step under way; ``what`` may be reworded and ``notes`` added while it runs."""

    what: str
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """A line below the step."""
        self.notes.append(text)
