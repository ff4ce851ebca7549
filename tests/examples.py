"""How many examples hypothesis makes: all of them on the Python of `.venv`, fewer on the others in CI."""

from __future__ import annotations

import os
from typing import Final

FEWER: Final = "FEWER_EXAMPLES"
"""Environment variable: set where the same property is tried on another Python at the same time."""


def examples(count: int) -> int:
    """Return `count`, or a fifth of it where fewer are asked for."""
    return max(count // 5, 10) if os.environ.get(FEWER) else count
