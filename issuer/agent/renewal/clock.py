"""The server's time, by which renewals go."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

_LEAST_SKEW: Final = timedelta(seconds=2)


@dataclass(slots=True)
class ServerClock:
    """The server's time: this machine's, and by how much they differ.

    Once somebody sets this machine's clock the difference is another one: it counts as none until it is read
    again. `ticks` are seconds that no setting of the clock changes.
    """

    local: Callable[[], datetime] = lambda: datetime.now(UTC)
    skew: timedelta = timedelta(0)
    ticks: Callable[[], float] = time.monotonic
    _read_at: float | None = field(default=None, init=False)

    def take(self, skew: timedelta) -> None:
        """Note the difference that was read now; one of 2 s or less is taken for none."""
        self.skew = skew if abs(skew) > _LEAST_SKEW else timedelta(0)
        self._read_at = self._ahead_of_ticks()

    @property
    def is_known(self) -> bool:
        """Return True if the difference was read, and this machine's clock goes on as it went then."""
        if self._read_at is None:
            return False
        return abs(self._ahead_of_ticks() - self._read_at) <= _LEAST_SKEW.total_seconds()

    def now(self) -> datetime:
        """Return the server's time."""
        if self._read_at is not None and not self.is_known:
            self.skew, self._read_at = timedelta(0), None
        return self.local() + self.skew

    def _ahead_of_ticks(self) -> float:
        return self.local().timestamp() - self.ticks()
