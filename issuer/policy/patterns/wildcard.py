"""Patterns in which `*` stands for any run of characters, none included. Nothing else is special.

As in approver-policy: over code points, case counts, and the empty pattern matches the empty text alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern, cut at its stars."""

    text: str
    _pieces: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern. Every text is one."""
        return cls(text, tuple(text.split("*")))

    def matches(self, text: str) -> bool:
        """Return True if all of `text` fits. Each piece between stars is looked for once, leftmost first."""
        first, *rest = self._pieces
        if not rest:
            return text == first
        *middle, last = rest
        if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
            return False
        position, end = len(first), len(text) - len(last)
        for piece in middle:
            found = text.find(piece, position, end)
            if found < 0:
                return False
            position = found + len(piece)
        return True


@dataclass(frozen=True, slots=True)
class Patterns:
    """Patterns of which one must match. Those with no star, or one at an end, are looked up together."""

    texts: tuple[str, ...]
    _exact: frozenset[str]
    _prefixes: tuple[str, ...]
    _suffixes: tuple[str, ...]
    _others: tuple[Pattern, ...]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Patterns:
        """Read `texts` as patterns."""
        found = tuple(texts)
        wild = [text for text in found if "*" in text]
        ends = {text for text in wild if text.count("*") == 1 and (text[0] == "*" or text[-1] == "*")}
        return cls(
            found,
            frozenset(text for text in found if "*" not in text),
            tuple(text[:-1] for text in ends if text[-1] == "*"),
            tuple(text[1:] for text in ends if text[-1] != "*"),
            tuple(Pattern.parse(text) for text in wild if text not in ends),
        )

    @property
    def cost(self) -> int:
        """The nanoseconds, roughly and rounded up, that matching a short text takes."""
        return 1_000 + 20 * (len(self._prefixes) + len(self._suffixes)) + 1_000 * len(self._others)

    def match(self, text: str) -> bool:
        """Return True if one of the patterns matches."""
        return (
            text in self._exact
            or text.startswith(self._prefixes)
            or text.endswith(self._suffixes)
            or any(pattern.matches(text) for pattern in self._others)
        )
