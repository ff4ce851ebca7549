"""Characters that people can't see in a text, though software tells the texts apart."""

from __future__ import annotations

from itertools import chain
from typing import Final

_CONTROLS: Final = (range(0x20), range(0x7F, 0xA0))
# The categories Cf, Zl and Zp of Unicode 17 (UnicodeData.txt), with the code points beside them that are
# reserved for more of the same and the letters that are blank by definition (DerivedCoreProperties.txt,
# Default_Ignorable_Code_Point). Variation selectors stay out: the names of people and towns are written with
# them. Written down here, since each minor version of Python has another table.
_INVISIBLE: Final = (
    *(range(0xAD, 0xAE), range(0x34F, 0x350), range(0x600, 0x606), range(0x61C, 0x61D), range(0x6DD, 0x6DE)),
    *(range(0x70F, 0x710), range(0x890, 0x892), range(0x8E2, 0x8E3), range(0x115F, 0x1161)),
    *(range(0x17B4, 0x17B6), range(0x180E, 0x180F), range(0x200B, 0x2010), range(0x2028, 0x202F)),
    *(range(0x2060, 0x2070), range(0x3164, 0x3165), range(0xFEFF, 0xFF00), range(0xFFA0, 0xFFA1)),
    *(range(0xFFF0, 0xFFFC), range(0x110BD, 0x110BE), range(0x110CD, 0x110CE), range(0x13430, 0x13440)),
    *(range(0x1BCA0, 0x1BCA4), range(0x1D173, 0x1D17B), range(0xE0000, 0xE0100), range(0xE01F0, 0xE1000)),
)
_CONTROL_POINTS: Final = frozenset(map(chr, chain(*_CONTROLS)))
_INVISIBLE_POINTS: Final = frozenset(map(chr, chain(*_INVISIBLE)))


def text_problem(text: str) -> str | None:
    """Return the kind of invisible character in `text` (controls; Unicode's Cf, Zl and Zp), or None."""
    if not _CONTROL_POINTS.isdisjoint(text):
        return "has control characters in it, such as NUL or a line end"
    if text.isascii() or _INVISIBLE_POINTS.isdisjoint(text):
        return None
    found = next(char for char in text if char in _INVISIBLE_POINTS)
    return f"has the invisible character U+{ord(found):04X} in it"
