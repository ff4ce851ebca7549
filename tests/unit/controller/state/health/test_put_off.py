"""Requests that were put off come back once another is served, however long the outage was."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from issuer.api.issuers import RateLimit
from issuer.controller.scheduling.limits import IssuerLimiter
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.health.put_off import LONGEST_PAUSE, PutOffRequests
from issuer.kube.queues.fairqueue import FairQueue, QueueKey
from issuer.kube.queues.workqueue import WorkQueue
from issuer.requests.request import RequestKey
from issuer.signing.vault.reasons import VaultRetry
from tests.unit.controller.bench import CLUSTER_ISSUER
from tests.unit.virtual_time import run_in_virtual_time

ONE, TWO, THREE = (RequestKey("team-a", name) for name in ("one", "two", "three"))
WAITING = 100
"""Requests of one outage: more than the 64 workers, so that some wait for others."""
MANY = 1500
"""Requests behind a limit: three times what its burst and its rate allow in any second."""
REFUSED, DOWN = VaultRetry.PERMISSION_DENIED, VaultRetry.VAULT_UNAVAILABLE


class Hastened(dict[RequestKey, float]):
    """The requests that were brought forward, with the seconds until then."""


def put_off(**reasons: VaultRetry) -> tuple[PutOffRequests, Hastened]:
    """Requests of team-a that were put off."""
    hastened = Hastened()
    made = PutOffRequests(hastened.__setitem__)
    for name, reason in reasons.items():
        made.add(RequestKey("team-a", name), CLUSTER_ISSUER, reason, shared=reason is DOWN)
    return made, hastened


def test_one_that_is_served_brings_forward_what_was_put_off_for_shared_reasons() -> None:
    requests, hastened = put_off(one=DOWN, two=DOWN, three=REFUSED)
    requests.served(RequestKey("team-b", "new"), CLUSTER_ISSUER)
    assert hastened == {ONE: 0.0, TWO: 0.0}


def test_a_reason_of_one_request_ends_with_a_request_that_had_it() -> None:
    requests, hastened = put_off(one=REFUSED, two=REFUSED)
    requests.served(ONE, CLUSTER_ISSUER)
    assert hastened == {TWO: 0.0}
    assert requests.known() == (TWO,)
    requests.forget(TWO)
    assert requests.known() == ()


def test_one_that_fails_while_others_are_served_waits_longer_each_time() -> None:
    requests, hastened = put_off()
    pauses = []
    for _ in range(10):
        requests.add(ONE, CLUSTER_ISSUER, DOWN, shared=True)
        requests.served(TWO, CLUSTER_ISSUER)
        requests.served(TWO, CLUSTER_ISSUER)  # once is enough
        pauses.append(hastened[ONE])
    assert pauses == [0, 1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_an_issuer_that_is_ready_again_brings_forward_and_one_that_stayed_so_does_not() -> None:
    hastened = Hastened()
    registry = IssuerRegistry(lambda _key: None, hastened.__setitem__)
    registry.begin_check(CLUSTER_ISSUER, "uid-1", 1)
    registry.mark_ready(CLUSTER_ISSUER)
    registry.put_off.add(ONE, CLUSTER_ISSUER, DOWN, shared=True)
    registry.mark_ready(CLUSTER_ISSUER)
    assert hastened == {}
    registry.mark_broken(CLUSTER_ISSUER, DOWN, "502")
    registry.mark_ready(CLUSTER_ISSUER)
    assert hastened == {ONE: 0.0}


@dataclass(slots=True)
class Outage:
    """Requests of one issuer whose CA answers nobody until `ends`; times are seconds of the loop's clock.

    `served` is when each was, in order; `most` is the most that were at the CA at once.
    """

    count: int
    ends: float
    limit: RateLimit | None
    hastens: bool = True
    served: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    most: int = 0
    _at_the_ca: int = 0
    _all_served: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> Outage:
        """Have the requests come during the first 20 seconds, and work until all are served."""
        clock = asyncio.get_running_loop().time
        limiter: IssuerLimiter = IssuerLimiter(lambda: self.limit, 16, lambda _reason, _seconds: None, clock)
        fair: FairQueue[RequestKey] = FairQueue(
            lambda key: QueueKey("tenant", limiter, key.namespace), 256, clock=clock
        )
        queue: WorkQueue[RequestKey] = WorkQueue(
            fair, longest=60, clock=clock, jitter=random.Random(15).random
        )
        requests = PutOffRequests(queue.hasten if self.hastens else lambda _key, _seconds: None)
        workers = [asyncio.create_task(self._work(queue, limiter, requests, clock)) for _ in range(64)]
        for number in range(self.count):
            queue.add_after(RequestKey("team-a", f"r{number}"), 20 * number / self.count)
        await self._all_served.wait()
        queue.close()
        await asyncio.gather(*workers, return_exceptions=True)
        assert requests.known() == ()
        return self

    async def _work(
        self,
        queue: WorkQueue[RequestKey],
        limiter: IssuerLimiter,
        requests: PutOffRequests,
        clock: Callable[[], float],
    ) -> None:
        while True:
            key = await queue.get()
            with limiter.call(key):
                self.calls.append(clock())
                self._at_the_ca += 1
                self.most = max(self.most, self._at_the_ca)
                await asyncio.sleep(0.02)
                self._at_the_ca -= 1
            if clock() < self.ends:
                requests.add(key, CLUSTER_ISSUER, DOWN, shared=True)
                queue.retry(key)
            else:
                requests.served(key, CLUSTER_ISSUER)
                queue.forget(key)
                self.served.append(clock())
                if len(self.served) == self.count:
                    self._all_served.set()
            queue.done(key)


@pytest.mark.parametrize("minutes", [1, 5, 30])
def test_the_last_request_is_served_seconds_after_an_outage(minutes: int) -> None:
    ends = 60.0 * minutes
    late = run_in_virtual_time(Outage(WAITING, ends, None, hastens=False).run()).served[-1] - ends
    soon = run_in_virtual_time(Outage(WAITING, ends, None).run()).served[-1] - ends
    print(f"\noutage of {minutes} min: the last is served after {soon:.1f} s; by back-off {late:.1f} s")
    assert soon < 3, f"{soon} s"
    assert late > 10, "the test shows nothing"


def test_fifteen_hundred_waiting_are_served_at_the_issuers_rate() -> None:
    limit = RateLimit.model_validate({"perSecond": 250, "burst": 250, "concurrent": 12})
    ends = 25.0
    began = time.process_time()
    outage = run_in_virtual_time(Outage(MANY, ends, limit).run())
    took = outage.served[-1] - ends
    print(f"\n{MANY} requests: {took:.1f} s, {time.process_time() - began:.1f} s of CPU time")
    assert outage.most <= 12
    calls = outage.calls
    busiest = max(later - first for first, later in _windows(calls))
    assert busiest <= 250 + 250, "a token bucket allows its burst and a second's rate"
    assert took < MANY / 250 + 10


def _windows(calls: list[float]) -> list[tuple[int, int]]:
    """Return the indices of the first and last call of each second that begins with a call."""
    found, last = [], 0
    for first, when in enumerate(calls):
        while last < len(calls) and calls[last] < when + 1:
            last += 1
        found.append((first, last))
    return found
