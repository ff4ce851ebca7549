"""Certificates that are issued again and again, and how long the next request of each waits. Pure.

Whatever makes cert-manager renew without end, what it costs is bounded here: a Certificate that got
`certificates` within `window` gets one more after each pause, and pauses double. A new generation of it
begins anew, as somebody changed it; so does one that was quiet for twice its pause.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from issuer.bounded import LruCache
from issuer.requests.request import RequestKey

MOST: Final = 20_000
"""Certificates whose last ones are remembered, about 0.5 KiB each: those of 10 minutes at 30 a second."""
MOST_HELD: Final = 5_000
"""Certificates in a loop that are remembered, about 0.5 KiB each; others don't push them out."""
_MAX_DOUBLINGS: Final = 20


class Owner(NamedTuple):
    """Identity of the Certificate that a request was made for.

    Whoever makes a request writes its owner; with the namespace, they can only hold back their own.
    """

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """Bounds of renewals. The first pause is `window`; no `certificates` (0) means that none is ever held."""

    certificates: int = 5
    window: timedelta = timedelta(minutes=10)
    longest: timedelta = timedelta(hours=6)

    @property
    def pace(self) -> timedelta:
        """Return the time between two certificates that is never held back."""
        return self.window / max(self.certificates, 1)

    def pause(self, number: int) -> timedelta:
        """Return the pause after the certificate of that number in a loop, from 1 on."""
        doubled = self.window * float(2 ** min(number - 1, _MAX_DOUBLINGS))
        return min(doubled, max(self.longest, self.window))


@dataclass(slots=True)
class _History:
    """The last certificates of one Certificate: when, and of which request; `held` counts those in a loop."""

    last: list[tuple[datetime, str]] = field(default_factory=list)
    generation: int | None = None
    held: int = 0

    def saw(self, generation: int | None) -> None:
        """Begin anew if somebody has changed the Certificate."""
        if generation is None or generation == self.generation:
            return
        if self.generation is not None:
            self.last.clear()
            self.held = 0
        self.generation = generation


class RenewalLoops:
    """The history of each Certificate that was issued lately, and the requests that wait for its pause."""

    def __init__(self, limits: LoopLimits = LoopLimits()) -> None:
        self.limits = limits
        self._recent: LruCache[Owner, _History] = LruCache(MOST)
        self._loops: LruCache[Owner, _History] = LruCache(MOST_HELD)
        self._waiting: dict[RequestKey, Owner] = {}
        self._waiting_of: dict[tuple[str, str], dict[RequestKey, None]] = {}

    def __len__(self) -> int:
        return len(self._recent) + len(self._loops)

    @property
    def waiting(self) -> int:
        """The number of requests that wait because of their Certificate's loop."""
        return len(self._waiting)

    def waiting_for(self, namespace: str, name: str) -> list[RequestKey]:
        """Return the requests of a Certificate that wait."""
        return list(self._waiting_of.get((namespace, name), ()))

    def issued(
        self, owner: Owner, uid: str, at: datetime, now: datetime, generation: int | None = None
    ) -> None:
        """Note that the request `uid` got its certificate at that time; each counts once.

        `generation` is the Certificate's, None where it isn't known.
        """
        if not self.limits.certificates or now - at > self.limits.window:
            return
        at = min(at, now)  # by a clock that was ahead; the wait would go on until then
        history = self._find(owner) or _History()
        history.saw(generation)
        if any(known == uid for _, known in history.last):
            return
        is_newest = not history.last or at >= history.last[-1][0]
        insort(history.last, (at, uid))
        del history.last[: -self.limits.certificates]
        if history.held:
            history.held += is_newest
        elif self._is_loop(history):
            history.held = 1
        self._keep(owner, history)

    def next_at(
        self,
        owner: Owner,
        created: datetime,
        generation: int | None,
        not_after: datetime | None = None,
    ) -> datetime | None:
        """Return the time before which a request of that Certificate isn't signed; None if it needn't wait.

        `created` is the request's own time, `not_after` the end of the Certificate's last certificate: no
        pause is longer than half of what that had left, so that none ends while its successor waits.
        """
        history = self._find(owner)
        if history is None:
            return None
        history.saw(generation)
        if not history.held or not history.last:
            self._keep(owner, history)
            return None
        last, pause = history.last[-1][0], self.limits.pause(history.held)
        if created - last > 2 * pause:
            self._forget(owner)
            return None
        if not_after is not None:
            pause = min(pause, max((not_after - last) / 2, self.limits.pace))
        return last + pause

    def hold(self, key: RequestKey, owner: Owner) -> None:
        """Note that a request waits."""
        self.release(key)
        self._waiting[key] = owner
        self._waiting_of.setdefault(owner[:2], {})[key] = None

    def release(self, key: RequestKey) -> None:
        """Note that a request waits no longer, or is gone."""
        owner = self._waiting.pop(key, None)
        if owner is None:
            return
        others = self._waiting_of[owner[:2]]
        del others[key]
        if not others:
            del self._waiting_of[owner[:2]]

    def _is_loop(self, history: _History) -> bool:
        times = history.last
        enough = len(times) >= self.limits.certificates
        return enough and times[-1][0] - times[0][0] <= self.limits.window

    def _find(self, owner: Owner) -> _History | None:
        return self._loops.get(owner) or self._recent.get(owner)

    def _keep(self, owner: Owner, history: _History) -> None:
        to, away = (self._loops, self._recent) if history.held else (self._recent, self._loops)
        away.pop(owner)
        to.put(owner, history)

    def _forget(self, owner: Owner) -> None:
        self._loops.pop(owner)
        self._recent.pop(owner)
