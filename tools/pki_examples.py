"""Tables of docs/pki-examples.md, made from comments of the examples: `# was: COMMAND` and `# did: RESULT`.

Such comments stand above the key that takes the command's place, or at the end of a file for what has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "pki-examples.md"
_TABLE: Final = re.compile(r"(<!-- made by `make reference` from (\S+) -->\n).*?(?=\n\n|\Z)", re.DOTALL)
_COMMENT: Final = re.compile(r" *# (was: |did: |     )(.*)")
_KEY: Final = re.compile(r"( *)([^\s#:][^\s:]*):(?:\s|$)")
_GRAVE: Final = re.compile(r"\b(is ignored|was ignored|is refused|refused|open)\b")


@dataclass(frozen=True, slots=True)
class TriedCommand:
    """One command or step of a usual setup, what it did, and the path of the key in its place, or ""."""

    was: str
    did: str
    key: str


def tried_commands(text: str) -> Iterator[TriedCommand]:
    """Yield what the comments of an example tell, in their order."""
    told: list[list[str]] = []
    path: list[tuple[int, str]] = []
    for line in text.splitlines():
        comment, key = _COMMENT.fullmatch(line), _KEY.match(line)
        if comment is not None:
            _add(told, *comment.groups())
        elif key is not None:
            indent = len(key[1])
            path = [*(one for one in path if one[0] < indent), (indent, key[2])]
            yield from _placed(told, ".".join(name for _, name in path))
            told = []
    yield from _placed(told, "")


def _add(told: list[list[str]], kind: str, words: str) -> None:
    if kind == "was: ":
        told.append([words])
    elif kind == "did: ":
        told[-1].append(words)
    elif told:
        told[-1][-1] += f" {words.strip()}"


def _placed(told: list[list[str]], key: str) -> Iterator[TriedCommand]:
    for was, did in told:
        yield TriedCommand(was, did, key)


def page() -> str:
    """Return the page with its tables as the examples tell them now."""
    return _TABLE.sub(lambda found: found[1] + _table(ROOT / found[2]), PAGE.read_text(encoding="utf-8"))


def _table(example: Path) -> str:
    rows = ["| command | what it did | in the file |", "|---|---|---|"]
    for one in tried_commands(example.read_text(encoding="utf-8")):
        was = one.was if one.was[0].isupper() else f"`{one.was}`"
        did = _GRAVE.sub(r"**\1**", one.did)
        key = f"`{one.key}`" if one.key else "left out"
        rows.append(f"| {was} | {did} | {key} |")
    return "\n".join(rows)
