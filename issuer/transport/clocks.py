"""The difference between a server's clock and ours, by the Date of its answer. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

_CUT: Final = timedelta(seconds=1)
"""A Date has whole seconds: what is below one is cut off."""


def difference(theirs: datetime | None, before: datetime, after: datetime) -> timedelta | None:
    """Return by how much the clock of an answer is ahead of ours at least, negative for behind.

    It was asked `before`, and read `after`: a difference within that is none. None where it told no time.
    """
    if theirs is None or theirs.tzinfo is None:
        return None
    if theirs > after:
        return theirs - after
    return min(timedelta(), theirs + _CUT - before)
