"""The cost of a regular expression in RE2: to compile, which the engine does at every evaluation, and to run.

Both counts err upwards. Source: RE2's syntax (https://github.com/google/re2/wiki/Syntax).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_REPEAT: Final = re.compile(r"\{([0-9]{1,4})(,?)([0-9]{0,4})\}")
_NAMED_CLASS: Final = re.compile(r"\[:\^?[a-z]{1,20}:\]")
_ESCAPE: Final = re.compile(r"\\(?:[pP](?:\{[^}]*\}|.)|.)?", re.DOTALL)
# UTF-8 makes about ten instructions of "any character", and thousands of a Unicode class such as \pL.
_ANY: Final = 10
_UNICODE: Final = 12_000


@dataclass(frozen=True, slots=True)
class Weight:
    """The instructions of a compiled pattern: all (`compiled`), and those that one character can meet
    (`running`)."""

    compiled: int = 0
    running: int = 0

    def __add__(self, other: Weight) -> Weight:
        return Weight(self.compiled + other.compiled, self.running + other.running)

    def __mul__(self, times: int) -> Weight:
        return Weight(self.compiled * times, self.running * times)


@dataclass(slots=True)
class _Group:
    """An open group: its weight so far, and that of its last atom, which a repeat multiplies."""

    all: Weight
    last: Weight = Weight()

    def add(self, atom: Weight) -> None:
        self.all += atom
        self.last = atom


def weigh(pattern: str) -> Weight:
    """Return the weight of `pattern`; any weight for a pattern that can't be compiled."""
    groups = [_Group(Weight(1, 1))]
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "(":
            groups.append(_Group(Weight(2, 2)))
            position += 1
        elif char == ")" and len(groups) > 1:
            closed = groups.pop()
            groups[-1].add(closed.all)
            position += 1
        elif repeat := _REPEAT.match(pattern, position):
            times = max(int(repeat[1]), int(repeat[3] or 0), 1)
            groups[-1].add(groups[-1].last * times)
            position = repeat.end()
        else:
            atom, position = _plain(pattern, position)
            groups[-1].add(atom)
    return sum((group.all for group in groups), Weight())


def _plain(pattern: str, position: int) -> tuple[Weight, int]:
    """Return the weight of the element at `position`, and the position behind it."""
    char = pattern[position]
    if char == "[":
        text = pattern[position : _class_end(pattern, position)]
        wide = _ANY if text.startswith("[^") or not text.isascii() or "\\" in text else 0
        size = 4 + wide + len(text) // 2 + _UNICODE * text.lower().count("\\p")
        return Weight(size, 1), position + len(text)
    if char == "\\":
        escape = _ESCAPE.match(pattern, position)
        text = escape[0] if escape else char
        return Weight(_UNICODE if text[1:2] in {"p", "P"} else _ANY, 1), position + len(text)
    return Weight(_ANY if char == "." or not char.isascii() else 1, 1), position + 1


def _class_end(pattern: str, position: int) -> int:
    """Return the end of the character class that starts at `position`; the pattern's end if it is never
    closed."""
    position += 2 if pattern.startswith("^", position + 1) else 1
    position += pattern.startswith("]", position)  # a bracket in front is a member
    while position < len(pattern):
        if pattern[position] == "]":
            return position + 1
        if pattern[position] == "\\":
            position += 2
        elif named := _NAMED_CLASS.match(pattern, position):
            position = named.end()
        else:
            position += 1
    return len(pattern)
