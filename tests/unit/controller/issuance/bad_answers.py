"""Support for tests of answers that can't be delivered: an issuer under trial, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from issuer.controller.state.health.bad_answers import (
    PAUSES,
)
from issuer.requests.request import RequestKey
from issuer.signing.outcomes import AnswerFault, BadAnswer
from issuer.signing.signer import SignedCertificate, SigningRequest
from tests.builders import certificate_request
from tests.unit.controller.bench import CLUSTER_ISSUER, Bench

LOST = BadAnswer(AnswerFault.LOST, "the connection broke")


OTHER = RequestKey("team-a", "two")


def uid_of(key: RequestKey) -> str:
    return f"uid-of-{key.namespace}-{key.name}"


def told(logs: list[Any], event: str) -> list[Any]:
    """The log lines of that event."""
    return [line for line in logs if line["event"] == event]


def waits(bench: Bench) -> str:
    """The request waits, and says so; why."""
    assert bench.ready["reason"] == "Pending"
    return str(bench.ready["message"])


def unknown(bench: Bench, fault: str) -> float:
    """How often an unknown outcome was counted."""
    return float(bench.metrics.outcomes_unknown.labels(fault)._value.get())


class Trial:
    """An issuer whose answers are bad, with three requests and a clock of its own."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.time = bench, 0.0
        bench.with_ready_issuer()
        self.entry = bench.registry.entry(CLUSTER_ISSUER)
        self.bad = self.entry.bad_answers
        self.bad.clock = lambda: self.time
        self.keys = [RequestKey("team-a", name) for name in ("one", "two", "three")]
        for key in self.keys:
            bench.store.upsert(certificate_request(key.name))
        self.signed = 0

    def check(self, *marks: str) -> None:
        """A check finds the issuer sound, as far as it can see."""
        self.bench.registry.checked(CLUSTER_ISSUER, {}, marks)
        if self.bad.error is None:
            self.bench.registry.mark_ready(CLUSTER_ISSUER)
        else:
            message = self.bad.message(CLUSTER_ISSUER)
            self.bench.registry.mark_broken(CLUSTER_ISSUER, self.bad.error.reason, message)
        self.bench.registry.let_one_try(CLUSTER_ISSUER)

    async def work(self, answer: Callable[[SigningRequest], SignedCertificate]) -> int:
        """Have every request that is to be looked at looked at; how many were signed."""
        self.signed = 0

        async def sign(request: SigningRequest) -> SignedCertificate:
            request.before_sending()
            self.signed += 1
            return answer(request)

        self.bench.signer.sign = sign  # type: ignore[method-assign]
        while self.bench.queue.depth:
            key = await self.bench.queue.get()
            for _ in range(3):
                self.bench.kube.accepts_status()
            await self.bench.reconciler.reconcile(key)
            self.bench.kube.script.clear()
            self.bench.queue.done(key)
        return self.signed

    def ask(self) -> None:
        """All requests come, or are looked at again."""
        for key in self.keys:
            self.bench.queue.add(key)


def lose(_request: SigningRequest) -> SignedCertificate:
    raise LOST


async def used_up(trial: Trial) -> None:
    """All tries are made."""
    trial.ask()
    await trial.work(lose)
    for pause in PAUSES:
        trial.time += pause
        trial.check("a")
        assert await trial.work(lose) == 1
    trial.check("a")
    assert await trial.work(lose) == 0
