"""Refusals by policies, which are final once they have stood for some seconds.

What is applied together arrives in any order: Helm writes a Certificate before the policy that allows it
(it sorts kinds that it doesn't know by name), and of several policies one is seen first. A denial at once
would cost the certificate the hour that cert-manager waits after one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_REMEMBERED: Final = 120.0
"""Seconds for which a refusal that became final is remembered: its denial may have to be written again, after
a back-off of up to a minute."""


@dataclass(slots=True, eq=False)
class StandingRefusals:
    """Requests by uid, and since when policies refuse them. After `seconds` that is final; 0: at once."""

    seconds: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _since: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._since)

    def left(self, uid: str) -> float:
        """Return the seconds until the refusal of a request is final, 0 if it is; note when it began."""
        if not self.seconds:
            return 0.0
        now = self.clock()
        self._drop(now - self.seconds - _REMEMBERED)
        return max(0.0, self._since.setdefault(uid, now) + self.seconds - now)

    def end(self, uid: str) -> None:
        """Forget the refusal of a request: no policy refuses it any more."""
        self._since.pop(uid, None)

    def _drop(self, before: float) -> None:
        """Forget those that began before that time; they stand in the order in which they began."""
        while self._since:
            uid = next(iter(self._since))
            if self._since[uid] >= before:
                return
            del self._since[uid]
