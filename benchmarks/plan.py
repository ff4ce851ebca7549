"""What a run consists of, and in which order: rounds of all systems, each round beginning with another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

START, BURST, RENEWAL = "start", "burst", "renewal"
ORDER_OF_STEADY = "steady-{}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Attributes:
        systems: names, see `benchmarks.systems`.
        rounds: how often everything is measured.
        start: measure a start with one request there.
        burst: requests in a burst, 0 for none.
        steady: rates a second of steady streams, each for `steady_seconds`.
        certificates: Certificates in the mass renewal, 0 for none.
        webhook: cert-manager's admission webhook stands in front, as in life.
        fresh: a testbed of its own for each system in each round, rather than one for the whole run.
        warm: requests in a first burst on each testbed that isn't counted.
    """

    systems: tuple[str, ...]
    rounds: int = 3
    start: bool = True
    burst: int = 2000
    steady: tuple[int, ...] = (20, 60)
    steady_seconds: int = 30
    certificates: int = 1000
    webhook: bool = True
    fresh: bool = True
    warm: int = 100

    def scenarios(self) -> tuple[str, ...]:
        """Names of what is measured, in order."""
        names = [START] if self.start else []
        names += [BURST] if self.burst else []
        names += [ORDER_OF_STEADY.format(rate) for rate in self.steady]
        return tuple([*names, RENEWAL] if self.certificates else names)


def rotated(systems: Sequence[str], number: int) -> tuple[str, ...]:
    """The order of one round (from 0): the same circle, begun at another place, and turned every other time.

    So no system is always first on a machine that warms up, nor always after the same neighbour.
    """
    at = number % len(systems)
    order = (*systems[at:], *systems[:at])
    return order if number % 2 == 0 else (order[0], *reversed(order[1:]))
