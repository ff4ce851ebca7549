"""Findings of each canary's last runs; kept in memory, lost with the process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from issuer.requests.issuers import IssuerKey

KEPT: Final = 50
"""Runs remembered of each issuer: four hours of the default period."""


class Stage(StrEnum):
    """Stage at which a run can break, by what has to be looked at."""

    API = "api"
    """The API server refuses, or doesn't answer."""
    CONTROLLER = "controller"
    """Nobody answered the request in time."""
    POLICY = "policy"
    """It was denied, or no policy may be used for it."""
    ISSUER = "issuer"
    """The issuer isn't Ready, or signing fails or waits."""
    CHAIN = "chain"
    """The answer doesn't verify."""
    ENDPOINT = "endpoint"
    """The TLS endpoint doesn't serve a good certificate of the same CA."""


@dataclass(frozen=True, slots=True)
class CanaryRun:
    """One run: when it began (with time zone), how many seconds it took, and what it found.

    `stage` is the one that broke, None when all went well; `message` says what happened and, where
    something broke, what to do. `not_after` is the end of the certificate that the endpoint serves, or of
    the run's own where there is no endpoint; None when none was seen.
    """

    started: datetime
    seconds: float
    stage: Stage | None
    message: str
    not_after: datetime | None = None

    @property
    def ok(self) -> bool:
        """True if all went well."""
        return self.stage is None


Heard = Callable[[IssuerKey, CanaryRun, CanaryRun | None], None]
"""Called with an issuer, its new run, and the run before or None."""


class CanaryHistory:
    """The last runs by issuer; an issuer is known from its first run on.

    `heard` is called with each run that is added.
    """

    def __init__(self, kept: int = KEPT, heard: Heard | None = None) -> None:
        self._kept = kept
        self._heard = heard
        self._runs: dict[IssuerKey, deque[CanaryRun]] = {}

    def add(self, issuer: IssuerKey, run: CanaryRun) -> None:
        """Remember a run, and forget the oldest of its issuer when there are too many."""
        last = self.last(issuer)
        self._runs.setdefault(issuer, deque(maxlen=self._kept)).append(run)
        if self._heard is not None:
            self._heard(issuer, run, last)

    def issuers(self) -> tuple[IssuerKey, ...]:
        """Return the issuers with at least one run."""
        return tuple(self._runs)

    def runs(self, issuer: IssuerKey) -> tuple[CanaryRun, ...]:
        """The runs of an issuer, oldest first; empty where there was none."""
        return tuple(self._runs.get(issuer, ()))

    def last(self, issuer: IssuerKey) -> CanaryRun | None:
        """Return the newest run, or None."""
        runs = self._runs.get(issuer)
        return runs[-1] if runs else None
