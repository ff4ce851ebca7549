"""A source of the status page whose facts a test sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from issuer.statuspage.model import (
    Expiring,
    FinishedRequest,
    Issuer,
    OpenRequest,
    Outcome,
    PageCanaryRun,
    PageReplica,
    Query,
    Uncounted,
    Where,
    WorkFigures,
)
from issuer.statuspage.snapshot import Snapshot, take

NOW = datetime(2026, 11, 25, 2, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
CLUSTER = "VaultClusterIssuer vault"


def issuer(name: str = "vault", **more: Any) -> Issuer:
    """A Ready VaultClusterIssuer whose CA has five of ten years left."""
    told: dict[str, Any] = {
        "kind": "VaultClusterIssuer",
        "namespace": "",
        "name": name,
        "ready": True,
        "reason": "Ready",
        "message": "logged in by kubernetes; pki_int/sign/lab is ready to sign",
        "server": "vault.example.com:8200",
        "path": "pki_int/sign/lab",
        "ca_subject": "CN=Lab Intermediate",
        "ca_begins": NOW - 1825 * DAY,
        "ca_ends": NOW + 1825 * DAY,
        "explain": f"kubectl vault-issuer explain vaultclusterissuer/{name}",
    }
    return Issuer(**{**told, **more})


def opened(
    name: str, where: Where = "waiting", reason: str = "", of: str = CLUSTER, by: str = "alice"
) -> OpenRequest:
    """A request without an answer, in the namespace team-a."""
    return OpenRequest(f"team-a/{name}", of, by, where, reason)


def answer(
    name: str, outcome: Outcome = "issued", message: str = "", of: str = CLUSTER, **more: Any
) -> FinishedRequest:
    """An answered request."""
    at = NOW - timedelta(seconds=30)
    return FinishedRequest(at, f"team-a/{name}", of, "alice", outcome, message, 0.1, **more)


def run(stage: str = "", ago: float = 60.0, message: str = "look at Vault") -> PageCanaryRun:
    """A canary's run."""
    return PageCanaryRun(NOW - timedelta(seconds=ago), stage, 0.25, message if stage else "")


def expiring(**more: Any) -> Expiring:
    """Two certificates that end tomorrow."""
    steps = 56
    on_time = [0] * steps
    on_time[5] = 2
    told: dict[str, Any] = {
        "begins": NOW.replace(hour=0),
        "step": timedelta(hours=6),
        "on_time": tuple(on_time),
        "late": (0,) * steps,
        "ended": 0,
        "total": 2,
        "overdue": 0,
        "soonest": (),
    }
    return Expiring(**{**told, **more})


@dataclass
class Facts:
    """A source of facts; `looks` counts how often the open requests were gone through."""

    open: list[OpenRequest] = field(default_factory=list)
    known: list[Issuer] = field(default_factory=lambda: [issuer()])
    answered: list[FinishedRequest] = field(default_factory=list)
    me: PageReplica = field(default_factory=lambda: PageReplica("0.1.0", "pod-1_ab", "leads", "pod-1_ab"))
    numbers: WorkFigures | None = None
    ends: Expiring | Uncounted = "unwatched"
    slice: int = 2
    looks: int = 0

    def replica(self) -> PageReplica:
        return self.me

    def work(self) -> WorkFigures:
        if self.numbers is not None:
            return self.numbers
        return WorkFigures(open=len(self.open), per_second=(0,) * 60)

    def issuers(self) -> Sequence[Issuer]:
        return self.known

    def slices(self) -> Iterator[Sequence[OpenRequest]]:
        self.looks += 1
        for first in range(0, len(self.open), self.slice):
            yield self.open[first : first + self.slice]

    def created(self, _request: str) -> datetime | None:
        return NOW - timedelta(minutes=5)

    def explain(self, request: str) -> str:
        return f"kubectl vault-issuer explain {request}"

    def answers(self, outcome: Outcome) -> Sequence[FinishedRequest]:
        return [one for one in self.answered if one.outcome == outcome]

    async def expiring(self, _now: datetime) -> Expiring | Uncounted:
        return self.ends


async def snapshot_of(facts: Facts, *queries: Query) -> Snapshot:
    """One look at them."""
    return await take(facts, queries or (Query(),), NOW)
