"""The facts of one moment, for all viewers: numbers, issuers, and each wanted list of requests.

Open requests come in slices with a pause between two, so that 20,000 of them block no other task.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from issuer.statuspage.model import (
    PAGE,
    Expiring,
    FinishedRequest,
    Issuer,
    OpenRequest,
    PageReplica,
    Query,
    Source,
    Uncounted,
    WorkFigures,
)

SLICE: Final = 250
"""Open requests that are looked at in one go for one list, in about a millisecond; for more lists fewer."""

REASONS: Final = 6
"""Of the reasons why requests wait, the most frequent ones that are shown."""


@dataclass(frozen=True, slots=True)
class Row:
    """One request of a list: `at` is when it was made, or finished.

    `explain` is the command that tells more. `tries` counts the finished requests of its Certificate, `first`
    is the time of the first.
    """

    request: str
    issuer: str
    requester: str
    at: datetime | None
    state: str
    message: str
    explain: str
    tries: int = 1
    first: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a query's requests; `total` counts all pages, `of` the requests without the search."""

    rows: tuple[Row, ...]
    total: int
    of: int


@dataclass(frozen=True, slots=True)
class WaitingReason:
    """The number of requests that wait for one and the same reason."""

    count: int
    issuer: str
    reason: str


@dataclass(slots=True)
class Counts:
    """Open requests counted: waiting, in line (or in progress), waiting by issuer, and by reason."""

    waiting: int = 0
    line: int = 0
    by_issuer: Counter[str] = field(default_factory=Counter)
    by_reason: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, one: OpenRequest) -> None:
        """Count a request."""
        if one.where != "waiting":
            self.line += 1
            return
        self.waiting += 1
        self.by_issuer[one.issuer] += 1
        self.by_reason[one.issuer, one.reason] += 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the page shows, at one moment.

    `why` are the most frequent reasons, `other_reasons` the number of further ones.
    """

    at: datetime
    replica: PageReplica
    work: WorkFigures
    issuers: tuple[Issuer, ...]
    waiting: int
    in_line: int
    waiting_by_issuer: Mapping[str, int]
    why: tuple[WaitingReason, ...]
    other_reasons: int
    expiring: Expiring | Uncounted
    listed: Mapping[Query, Listed]


class _Finder:
    """Collects the page of open requests that one query asks for."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._first = (query.page - 1) * PAGE
        self.found: list[OpenRequest] = []
        self.total = 0

    def add(self, one: OpenRequest) -> None:
        if (one.where == "waiting") != (self._query.state == "waiting"):
            return
        if not self._query.matches(one.request, one.issuer, one.requester, one.reason):
            return
        if self._first <= self.total < self._first + PAGE:
            self.found.append(one)
        self.total += 1


async def take(source: Source, queries: Collection[Query], now: datetime) -> Snapshot:
    """Take a snapshot of the source, with a list for each query."""
    counts, finders = await _scan(source, [one for one in queries if one.state in ("waiting", "line")])
    listed = {}
    for query, finder in finders.items():
        await asyncio.sleep(0)  # each row is parsed
        rows = tuple(_open_row(source, one) for one in finder.found)
        of = counts.waiting if query.state == "waiting" else counts.line
        listed[query] = Listed(rows, finder.total, of)
    for query in queries:
        if query not in listed:
            await asyncio.sleep(0)
            listed[query] = _answered(source, query)
    expiring = await source.expiring(now)
    return Snapshot(
        at=now,
        replica=source.replica(),
        work=source.work(),
        issuers=tuple(sorted(source.issuers(), key=_trouble_first)),
        waiting=counts.waiting,
        in_line=counts.line,
        waiting_by_issuer=counts.by_issuer,
        why=tuple(WaitingReason(count, *why) for why, count in counts.by_reason.most_common(REASONS)),
        other_reasons=max(0, len(counts.by_reason) - REASONS),
        expiring=expiring,
        listed=listed,
    )


async def _scan(source: Source, queries: Sequence[Query]) -> tuple[Counts, dict[Query, _Finder]]:
    counts, finders = Counts(), {query: _Finder(query) for query in queries}
    collectors = tuple(finders.values())
    step = max(1, SLICE // max(1, len(collectors)))
    for some in source.slices():
        for first in range(0, len(some), step):
            for one in some[first : first + step]:
                counts.add(one)
                for finder in collectors:
                    finder.add(one)
            await asyncio.sleep(0)
    return counts, finders


def _open_row(source: Source, one: OpenRequest) -> Row:
    state = {"waiting": "waiting", "line": "queued", "work": "being worked on"}[one.where]
    created, explain = source.created(one.request), source.explain(one.request)
    return Row(one.request, one.issuer, one.requester, created, state, one.reason, explain)


def _answered(source: Source, query: Query) -> Listed:
    if query.state == "waiting" or query.state == "line":
        raise AssertionError("open requests are scanned")
    answers = source.answers(query.state)
    found = [one for one in answers if query.matches(one.request, one.issuer, one.requester, one.message)]
    first = (query.page - 1) * PAGE
    rows = tuple(_answer_row(source, one) for one in found[first : first + PAGE])
    return Listed(rows, len(found), len(answers))


def _answer_row(source: Source, one: FinishedRequest) -> Row:
    message, explain = one.message or f"after {one.seconds:.1f} s", source.explain(one.request)
    return Row(
        one.request, one.issuer, one.requester, one.at, one.outcome, message, explain, one.tries, one.first
    )


def _trouble_first(one: Issuer) -> tuple[int, str]:
    order = 2 if one.ready is None else int(one.ready)
    broken_canary = bool(one.canary) and not one.canary[-1].well
    return (0 if order == 0 else 1 if broken_canary or one.warnings else 2), one.key
