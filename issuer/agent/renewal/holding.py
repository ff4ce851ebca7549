"""Certificates held back because a consumer refused them: ever longer, and over restarts.

A hold is noted beside the set's files, so that the next run from cron, and another process, keep it: else
each would sign a certificate that is refused again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from issuer.agent.files.generations import GenerationFolder
from issuer.text import parse_rfc3339, rfc3339

FIRST_HOLD: Final = timedelta(minutes=5)
LONGEST_HOLD: Final = timedelta(hours=1)
"""The time for which a certificate is held back: doubled each time, up to this."""
_NOTE: Final = "refused.json"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A certificate that a consumer refused, in memory: its notes, and when it is tried again."""

    notes: Mapping[str, Any]
    until: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """The set that was gone back to, and until when it stays.

    Attributes:
        serial: of the set that was gone back to; another set ends the hold.
        request: digest of what was asked for; a changed configuration ends the hold.
        count: refusals in a row, this one included.
        until: RFC 3339.
    """

    serial: str
    request: str
    count: int
    until: str

    def ends(self, now: datetime) -> datetime:
        """Return the end of the hold, at most an hour away, whatever is noted."""
        try:
            return min(parse_rfc3339(self.until), now + LONGEST_HOLD)
        except ValueError:
            return now


def read_hold(folder: GenerationFolder, serial: str, request: str) -> Hold | None:
    """Return the hold of a set, None if there is none for it. Raises DiskRefused."""
    try:
        found = json.loads(folder.noted(_NOTE) or b"null")
        hold = Hold(
            str(found["serial"]), str(found["request"]), max(1, int(found["count"])), str(found["until"])
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return hold if (hold.serial, hold.request) == (serial, request) else None


def hold_back(folder: GenerationFolder, serial: str, request: str, now: datetime) -> Hold:
    """Note one more refusal of what should have replaced the set `serial`; returns the hold. Raises
    DiskRefused."""
    before = read_hold(folder, serial, request)
    count = 1 if before is None else before.count + 1
    longest = min(FIRST_HOLD * 2 ** min(count - 1, 10), LONGEST_HOLD)
    hold = Hold(serial, request, count, rfc3339(now + longest))
    folder.note(_NOTE, json.dumps(asdict(hold), sort_keys=True).encode())
    return hold
