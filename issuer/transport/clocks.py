"""A server's clock by the Date of its answers, and its difference from ours. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

_CUT: Final = timedelta(seconds=1)
"""A Date has whole seconds: what is below one is cut off."""


def answered_at(headers: Mapping[str, str]) -> datetime | None:
    """Return the server's time of an answer, in whole seconds; None where it tells none.

    The Date of an answer which a cache has kept (RFC 9111: `Age`) is when it was made, and tells nothing.
    """
    if headers.get("Age", "0") != "0":
        return None
    try:
        told = parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, OverflowError):  # OverflowError: of a year or a zone with twenty digits
        return None
    return None if told.tzinfo is None else told


def difference(theirs: datetime | None, before: datetime, after: datetime) -> timedelta | None:
    """Return by how much the clock of an answer is ahead of ours at least, negative for behind.

    It was asked `before`, and read `after`: a difference within that is none. None where it told no time.
    """
    if theirs is None:
        return None
    if theirs > after:
        return theirs - after
    return min(timedelta(), theirs + _CUT - before)
