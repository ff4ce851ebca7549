"""The clock of a machine that has no network to set it by, held against what the ledger knows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from issuer.root.errors import RootRefusal
from issuer.root.reasons import RefusalReason
from issuer.root.record.ledger import RootLedger
from issuer.text import rfc3339

EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""No machine that runs this command can rightly be before it; a dead battery says 1970 or a BIOS's date."""
LATEST_INIT: Final = datetime(2036, 1, 1, tzinfo=UTC)
"""Time from which on a person says on which day a new root is made: nothing else shows a clock far ahead."""
SKEW: Final = timedelta(minutes=5)
LONGEST_REST: Final = timedelta(days=2 * 365)
"""Time after the last entry beyond which a person says which day it is: a CRL is made each year or so."""


def check_clock(now: datetime, ledger: RootLedger | None, today: date | None) -> None:
    """Refuse a clock that is years off. `today` is the date as a person read it elsewhere.

    Raises RootRefusal.
    """
    if today is not None:
        if abs(now.date() - today) > timedelta(days=1):
            raise _off(now, f"you say that it is {today.isoformat()}")
        return
    if now < EARLIEST:
        raise _off(now, "which was before this command was written")
    if ledger is None:
        if now >= LATEST_INIT:
            raise _off(now, "ten years after this command was written, and a new root has no ledger to ask")
        return
    if now < ledger.root.not_valid_before_utc - SKEW:
        raise _off(now, f"and the root begins at {rfc3339(ledger.root.not_valid_before_utc)}")
    last = max(entry.time for entry in ledger.entries)
    if now < last - SKEW:
        raise _off(now, f"and the ledger has an entry of {rfc3339(last)}")
    if now > last + LONGEST_REST:
        raise _off(now, f"years after the ledger's last entry, of {rfc3339(ledger.last.time)}")


def _off(now: datetime, why: str) -> RootRefusal:
    return RootRefusal(
        RefusalReason.CLOCK,
        f"The clock says {rfc3339(now)}, {why}. Set the clock; if it is right, name the day by --today "
        "YYYY-MM-DD.",
    )
