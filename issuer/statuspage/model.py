"""What the page shows, as plain data. Whoever knows it fills it in; nothing here asks anybody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, Protocol, get_args

Outcome = Literal["issued", "denied", "failed"]
State = Literal["waiting", "line", "issued", "denied", "failed"]
Where = Literal["waiting", "line", "work"]
"""Of an open request: it waits for something, for its turn, or is being worked on."""

STATES: Final[tuple[State, ...]] = get_args(State)
LONGEST_TEXT: Final = 100
"""Characters of a search."""
PAGE: Final = 50
"""Rows of one page of requests."""
_DEEPEST: Final = 100_000


@dataclass(frozen=True, slots=True)
class FinishedRequest:
    """A request that was answered; ``seconds`` is the time from its creation."""

    at: datetime
    request: str
    issuer: str
    requester: str
    outcome: Outcome
    message: str
    seconds: float


class OpenRequest(NamedTuple):
    """A request without an answer; ``reason`` is what it was told, empty when nothing yet."""

    request: str
    issuer: str
    requester: str
    where: Where
    reason: str


@dataclass(frozen=True, slots=True)
class PageCanaryRun:
    """One run of an issuer's canary; ``stage`` is what broke, empty when all went well."""

    at: datetime
    stage: str
    seconds: float
    message: str = ""

    @property
    def well(self) -> bool:
        """Whether it went through."""
        return not self.stage


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer as its last check left it; ``ready`` is None before the first. ``server``: host, port."""

    kind: str
    namespace: str
    name: str
    ready: bool | None
    reason: str
    message: str
    server: str
    path: str
    ca_subject: str = ""
    ca_begins: datetime | None = None
    ca_ends: datetime | None = None
    warnings: tuple[str, ...] = ()
    canary: tuple[PageCanaryRun, ...] = ()

    @property
    def key(self) -> str:
        """As requests and logs name it."""
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


@dataclass(frozen=True, slots=True)
class WorkFigures:
    """What there is to do and how it goes. ``oldest`` is in seconds; ``per_second`` has the certificates of
    each of the last 60 whole seconds, the newest last; ``since_start`` counts answers by outcome."""

    open: int = 0
    in_line: int = 0
    in_work: int = 0
    later: int = 0
    held_back: int = 0
    unwritten: int = 0
    oldest: float = 0.0
    per_second: tuple[int, ...] = ()
    since_start: Mapping[str, int] = field(default_factory=dict)


Role = Literal["alone", "leads", "shares", "stands by"]


@dataclass(frozen=True, slots=True)
class PageReplica:
    """This process among others. ``late`` names what has not been listed yet."""

    version: str
    identity: str
    role: Role
    leader: str = ""
    shards: int = 0
    owned: int = 0
    members: int = 0
    late: tuple[str, ...] = ()


class EndingCertificate(NamedTuple):
    """A certificate in use; ``late`` when its renewal is due and has not happened."""

    ends: datetime
    name: str
    issuer: str
    renews: datetime | None
    late: bool


@dataclass(frozen=True, slots=True)
class Expiring:
    """What ends in the next days: ``on_time`` and ``late`` count certificates in steps from ``begins`` on.

    ``soonest`` are the first to end, ``ended`` counts those that have, ``total`` all.
    """

    begins: datetime
    step: timedelta
    on_time: tuple[int, ...]
    late: tuple[int, ...]
    ended: int
    total: int
    overdue: int
    soonest: tuple[EndingCertificate, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """Which requests somebody wants to see."""

    state: State = "waiting"
    text: str = ""
    page: int = 1

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Query:
        """From a URL's query; what can't be read is left out."""
        state: State = next((one for one in STATES if one == values.get("state")), "waiting")
        number = values.get("page", "")
        page = int(number) if number.isascii() and number.isdecimal() and len(number) < 7 else 1
        text = " ".join(values.get("q", "")[:LONGEST_TEXT].split())
        return cls(state, text, min(max(page, 1), _DEEPEST))

    def matches(self, *texts: str) -> bool:
        """Whether every word of the search stands in one of the texts."""
        if not self.text:
            return True
        hay = "\n".join(texts).casefold()
        return all(word in hay for word in self.text.casefold().split())


class Source(Protocol):
    """Whoever knows the facts. Every call is quick, whatever there is: long things come in slices."""

    def replica(self) -> PageReplica:
        """This process."""
        ...

    def work(self) -> WorkFigures:
        """The numbers."""
        ...

    def issuers(self) -> Sequence[Issuer]:
        """Every issuer."""
        ...

    def slices(self) -> Iterator[Sequence[OpenRequest]]:
        """Every open request once, some hundreds at a time; others work between two slices."""
        ...

    def created(self, request: str) -> datetime | None:
        """When an open request was made."""
        ...

    def answers(self, outcome: Outcome) -> Sequence[FinishedRequest]:
        """The last answers, the newest first."""
        ...

    async def expiring(self, now: datetime) -> Expiring | None:
        """What ends in the next days; None where certificates aren't watched."""
        ...
