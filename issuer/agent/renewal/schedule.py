"""The time at which a certificate is renewed, and pauses between tries. Pure: time is a parameter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from issuer.agent.config.times import Window

LATEST: Final = 0.9
"""The share of a life at which a renewal no longer waits for its window."""
MAX_PAUSE: Final = 300.0
"""Seconds between two tries at most."""
_FIRST_PAUSE: Final = 2.0


@dataclass(frozen=True, slots=True)
class RenewalRule:
    """A fraction of the life, earlier by up to `jitter` of the life, in `windows` of the zone `zone`.

    `now_and_then` is for looks that come far apart, as from cron: each in a window is taken, as the next one
    may be after its end.
    """

    at: float
    jitter: float
    windows: tuple[Window, ...]
    zone: tzinfo
    now_and_then: bool = False


def spread(machine: str, name: str) -> float:
    """Return the share from 0 to 1 by which one certificate of one machine is early: always the same one.

    Machines that were installed together would otherwise all ask at the same moment, again and again.
    """
    digest = hashlib.sha256(f"{len(machine)}:{machine}{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


@dataclass(frozen=True, slots=True)
class RenewalTime:
    """The time of a renewal, seen at one moment.

    `early` is the time that the life alone gives, `at` the one in a window, or the last moment for it.
    `window_open` is None without windows.
    """

    at: datetime
    early: datetime
    window_open: bool | None = None

    def waits(self, now: datetime) -> bool:
        """Return True if the life alone would have it renewed, and a window is waited for."""
        return self.early <= now < self.at


def due_at(begin: datetime, end: datetime, rule: RenewalRule, share: float, now: datetime) -> RenewalTime:
    """Return the time of the renewal of a certificate that lives from `begin` to `end`, seen at `now`.

    `share` is that of `spread`: in a window, too, it is the machine's own place, in the first half: the other
    is for tries again. A window that has gone by is over, whatever was missed in it; the next one is waited
    for, until `LATEST` of the life has gone.
    """
    life = end - begin
    early = begin + life * (rule.at - rule.jitter * share)
    if not rule.windows:
        return RenewalTime(early, early)
    latest = max(early, begin + life * LATEST)
    first, last = next(_window_times(max(early, now), rule.windows, rule.zone), (latest, latest))
    place = timedelta(0) if rule.now_and_then else (last - first) / 2 * share
    at = early if first <= early else first + place
    is_open = any(first <= now < last for first, last in _window_times(now, rule.windows, rule.zone))
    return RenewalTime(min(at, latest), early, is_open)


def _window_times(
    moment: datetime, windows: Sequence[Window], zone: tzinfo
) -> Iterator[tuple[datetime, datetime]]:
    """Yield begin and end of each window that is open at `moment` or begins within a week, in their order."""
    local = moment.astimezone(zone)
    found: list[tuple[datetime, datetime]] = []
    # From the day before: a window over midnight may be open already. A week and a day has every window once.
    for days in range(-1, 9):
        day = local.date() + timedelta(days=days)
        for window in windows:
            if day.weekday() not in window.days:
                continue
            begin = datetime.combine(day, window.begin, zone).astimezone(UTC)
            later = day if window.begin < window.end else day + timedelta(days=1)
            end = datetime.combine(later, window.end, zone).astimezone(UTC)
            if moment < end:
                found.append((begin, end))
    yield from sorted(found)


_SHORTEST_PAUSE: Final = 0.25
"""Seconds between two tries at the very end of a certificate's life."""


def pause(failures: int, chance: float, retry_after: float | None = None, left: float | None = None) -> float:
    """Return the seconds before the next try after `failures` in a row (at least 1).

    `chance`, from 0 to 1, spreads the tries of many machines; what the server asked for is the least, up to
    an hour. With `left` seconds of the old certificate's life, an eighth of it is the most: a server that
    comes back for the last hundredth of a window is met.
    """
    longest = min(MAX_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
    if left is not None and left > 0:
        longest = min(longest, max(left / 8, _SHORTEST_PAUSE))
    own = longest * (0.5 + chance / 2)
    return own if retry_after is None else max(own, min(retry_after, 3600.0))
