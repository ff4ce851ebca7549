"""The `console` blocks of a page: what a reader types, and what the page shows of the answers.

With a `$` the lines after a command are what it prints; without any `$` the whole block is typed. Right
before a block a comment may say what is special about it:

    <!-- not run: REASON -->           nobody can run it here
    <!-- run by: tests/…::test_… -->   another test runs it
    <!-- exit: 1 -->                   its commands end with this exit code

In what is shown, `…` stands for any text, alone on a line for any lines; times, ages and spaces may differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

RUN = (
    "tutorial.md",
    "quick-start.md",
    "install.md",
    "install-the-command.md",
    "auth.md",
    "write-a-policy.md",
    "waiting-request.md",
    "policy.md",
    "migrate.md",
    "scaling.md",
    "rotate-the-ca.md",
    "ca-compromise.md",
    "status-page.md",
    "first-ca.md",
    "existing-ca.md",
)
"""The pages with blocks that `tests/docs` runs, in the order in which they are run."""

_BLOCK = re.compile(r"((?:^ *<!-- [^\n]* -->\n)*)^( *)```console\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_NOTE = re.compile(r"^ *<!-- (not run|run by|exit): (.*?) -->$", re.MULTILINE)
_HEREDOC = re.compile(r"<<-?'?(\w+)'?")
_VARYING = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|(?<= )(?:\d+[dhms])+$")


@dataclass(frozen=True, slots=True)
class Step:
    """What is typed, and the lines the page shows behind it (none: anything may be printed)."""

    script: str
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a page.

    Attributes:
        where: `page.md:LINE`.
        steps: in their order.
        prompted: whether commands stand behind `$`.
        not_run: why nobody runs it, or an empty text.
        run_by: the test that runs it, or an empty text.
        exit_code: what its commands end with.
    """

    where: str
    steps: tuple[Step, ...]
    prompted: bool
    not_run: str = ""
    run_by: str = ""
    exit_code: int = 0

    @property
    def ours(self) -> bool:
        """Whether `tests/docs` runs it."""
        return not (self.not_run or self.run_by)


def console(page: Path) -> list[Block]:
    """The console blocks of a page, in their order."""
    return blocks(page.name, page.read_text(encoding="utf-8"))


def blocks(page: str, text: str) -> list[Block]:
    """The console blocks of a text; `page` is its name."""
    return [_block(page, text, found) for found in _BLOCK.finditer(text)]


def _block(page: str, text: str, found: re.Match[str]) -> Block:
    notes = dict(_NOTE.findall(found[1]))
    indent, lines = len(found[2]), found[3].splitlines()
    lines = [line[indent:] if not line[:indent].strip() else line for line in lines]
    prompted = any(line.startswith("$ ") for line in lines)
    return Block(
        where=f"{page}:{text.count(chr(10), 0, found.start(2)) + 1}",
        steps=tuple(_prompted(lines)) if prompted else (Step("\n".join(lines)),),
        prompted=prompted,
        not_run=notes.get("not run", ""),
        run_by=notes.get("run by", ""),
        exit_code=int(notes.get("exit", 0)),
    )


def _prompted(lines: Sequence[str]) -> Iterator[Step]:
    """Each command with its continued lines and here-documents, and what is shown behind it."""
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in pairwise([*starts, len(lines)]):
        typed = _typed(lines[start:end])
        script = "\n".join(lines[start : start + typed]).removeprefix("$ ")
        shown = [line.rstrip() for line in lines[start + typed : end]]
        while shown and not shown[-1]:
            shown.pop()
        yield Step(script, tuple(shown))


def _typed(lines: Sequence[str]) -> int:
    """How many of these lines are the command."""
    document = _HEREDOC.search(lines[0])
    if document:
        return lines.index(document[1]) + 1
    return next((n for n, line in enumerate(lines, 1) if not line.endswith("\\")), len(lines))


def difference(shown: Sequence[str], printed: str) -> str | None:
    """How what was printed differs from what a page shows, or None where it doesn't."""
    lines = [" ".join(line.split()) for line in printed.splitlines() if line.strip()]
    wanted = [" ".join(line.split()) for line in shown if line.strip()]
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else f"{_pattern(line)}\n" for line in wanted)
    if not wanted or re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)):
        return None
    return "the page shows\n  {}\nand it printed\n  {}".format("\n  ".join(wanted), "\n  ".join(lines))


def _pattern(line: str) -> str:
    """An expression for a line whose times, ages and `…` may be anything."""
    parts = _VARYING.split(line)
    return r"\S+".join(re.escape(part).replace("…", ".*") for part in parts)
