"""Values of requests and policies inside messages: bounded, quoted, without characters that forge lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from issuer.text import ascii_text

_LONGEST: Final = 120
_MOST: Final = 5


def shown(text: str, longest: int = _LONGEST) -> str:
    """Return `text` quoted, in printable ASCII, cut after `longest` characters."""
    quoted = ascii_text(text[:longest]).replace('"', '\\"').replace("\\'", "'")
    return f'"{quoted}{"..." if len(text) > longest else ""}"'


def shown_list(texts: Sequence[str]) -> str:
    """Return the first few of `texts`, and the number of the others."""
    if not texts:
        return "nothing"
    more = f" and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
    return ", ".join(shown(text) for text in texts[:_MOST]) + more
