"""Requests of one issuer that meet the same fault of its server at each try, and look as if they always will.

A server's 5xx mostly passes, so that no request fails for it. Some never do: Vault answers so where a CA's
own chain stands in the way. The request goes on waiting, and says what to change.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from issuer.bounded import LruCache
from issuer.requests.request import RequestKey

TRIES: Final = 4
"""Tries with the same answer that look permanent while other requests of the issuer are answered."""

TRIES_ALONE: Final = 9
"""The same where no other request is there to compare with: about a minute, by the queue's back-off."""

_COMPARED: Final = 120.0
"""Seconds for which another request's fault counts: then its next try is overdue, and it is gone."""

_REMEMBERED: Final = 1_000


@dataclass(slots=True)
class _Fault:
    """The answer that a request met last, in the server's words, and how often in a row."""

    uid: str
    text: str
    answered: int
    last: float
    times: int = 1


@dataclass(slots=True, eq=False)
class SameAnswers:
    """Faults by request. `clock` is in seconds, and only grows."""

    clock: Callable[[], float] = time.monotonic
    _answered: int = 0
    _faults: LruCache[RequestKey, _Fault] = field(default_factory=lambda: LruCache(_REMEMBERED))

    def looks_permanent(self, request: RequestKey, uid: str, text: str, *, alone: bool = True) -> bool:
        """Note that a try met this answer; return True if all further ones are likely to meet it, too.

        Without `alone` that is never said of an issuer's only request: it is not known who answered.
        """
        now, known = self.clock(), self._faults.get(request)
        if known is None or (known.uid, known.text) != (uid, text):
            self._faults.put(request, _Fault(uid, text, self._answered, now))
            return False
        known.times, known.last = known.times + 1, now
        if self._answered > known.answered:
            return known.times >= TRIES
        return alone and known.times >= TRIES_ALONE and not self._others_fail(request, now)

    def answered(self, request: RequestKey) -> None:
        """Note that the issuer's CA decided about a request."""
        self._answered += 1
        self._faults.pop(request)

    def _others_fail(self, request: RequestKey, now: float) -> bool:
        return any(key != request and now - fault.last < _COMPARED for key, fault in self._faults.items())
