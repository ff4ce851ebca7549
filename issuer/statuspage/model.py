"""The facts that the page shows, as plain data, and the protocol of their source. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, Protocol, get_args

Outcome = Literal["issued", "denied", "failed"]
State = Literal["waiting", "line", "issued", "denied", "failed"]
Where = Literal["waiting", "line", "work"]
"""Of an open request: it waits for something, for its turn, or is being worked on."""
Uncounted = Literal["counting", "unwatched"]
"""The reason why Certificates have no figures: their first list hasn't come, or they aren't watched."""

STATES: Final[tuple[State, ...]] = get_args(State)
LONGEST_TEXT: Final = 100
"""Characters of a search."""
PAGE: Final = 50
"""Rows of one page of requests."""
_DEEPEST: Final = 100_000


@dataclass(frozen=True, slots=True)
class FinishedRequest:
    """A request with its final outcome; `seconds` is the time from its creation.

    `certificate` identifies the Certificate it was made for, "" without one. `tries` counts that
    Certificate's requests with this outcome, of which `first` is the time of the first; this is the last.
    """

    at: datetime
    request: str
    issuer: str
    requester: str
    outcome: Outcome
    message: str
    seconds: float
    certificate: str = ""
    tries: int = 1
    first: datetime | None = None


class OpenRequest(NamedTuple):
    """A request without an outcome; `reason` is its last status message, "" before the first."""

    request: str
    issuer: str
    requester: str
    where: Where
    reason: str


@dataclass(frozen=True, slots=True)
class PageCanaryRun:
    """One run of an issuer's canary; `stage` is the one that failed, "" for a success."""

    at: datetime
    stage: str
    seconds: float
    message: str = ""

    @property
    def well(self) -> bool:
        """True for a success."""
        return not self.stage


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer as its last check left it; `ready` is None before the first. `server` is host:port.

    The CA is the last that was known, also while the issuer is broken. `explain` is the command that tells
    more.
    """

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
    explain: str = ""

    @property
    def key(self) -> str:
        """The issuer's kind, namespace and name, as requests and logs name it."""
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


@dataclass(frozen=True, slots=True)
class WorkFigures:
    """The amount of work, and its pace.

    `oldest` is the longest wait in seconds; `per_second` has the certificates of each of the last 60 whole
    seconds, the newest last; `since_start` counts finished requests by outcome.
    """

    open: int = 0
    in_line: int = 0
    in_work: int = 0
    held_back: int = 0
    unwritten: int = 0
    oldest: float = 0.0
    per_second: tuple[int, ...] = ()
    since_start: Mapping[str, int] = field(default_factory=dict)


Role = Literal["alone", "leads", "shares", "stands by"]


@dataclass(frozen=True, slots=True)
class PageReplica:
    """This process among others. `late` names the resources that have not been listed yet."""

    version: str
    identity: str
    role: Role
    leader: str = ""
    shards: int = 0
    owned: int = 0
    members: int = 0
    late: tuple[str, ...] = ()


class EndingCertificate(NamedTuple):
    """A certificate in use; `late` if its renewal is due and has not happened."""

    ends: datetime
    name: str
    issuer: str
    renews: datetime | None
    late: bool


@dataclass(frozen=True, slots=True)
class Expiring:
    """Certificates that end in the next days.

    `on_time` and `late` count them in steps from `begins` on, by whether their renewal is overdue. `soonest`
    are the first to end, `ended` counts those that have, `total` all.
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
    """A list of requests that a viewer asks for: by state, search text and page (from 1)."""

    state: State = "waiting"
    text: str = ""
    page: int = 1

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Query:
        """Read a URL's query; values that can't be read are left out."""
        state: State = next((one for one in STATES if one == values.get("state")), "waiting")
        number = values.get("page", "")
        page = int(number) if number.isascii() and number.isdecimal() and len(number) < 7 else 1
        text = " ".join(values.get("q", "")[:LONGEST_TEXT].split())
        return cls(state, text, min(max(page, 1), _DEEPEST))

    def matches(self, *texts: str) -> bool:
        """Return True if every word of the search is in one of the texts, whatever its case."""
        if not self.text:
            return True
        hay = "\n".join(texts).casefold()
        return all(word in hay for word in self.text.casefold().split())


class Source(Protocol):
    """The supplier of all facts. Every call is quick, however much there is: long things come in slices."""

    def replica(self) -> PageReplica:
        """Return this process among others."""
        ...

    def work(self) -> WorkFigures:
        """Return the amount and pace of work."""
        ...

    def issuers(self) -> Sequence[Issuer]:
        """Return every issuer."""
        ...

    def slices(self) -> Iterator[Sequence[OpenRequest]]:
        """Yield every open request once, some hundreds at a time, so that callers can pause between."""
        ...

    def created(self, request: str) -> datetime | None:
        """Return an open request's creation time."""
        ...

    def explain(self, request: str) -> str:
        """Return the command that tells more of a request."""
        ...

    def answers(self, outcome: Outcome) -> Sequence[FinishedRequest]:
        """Return the last finished requests of that outcome, the newest first."""
        ...

    async def expiring(self, now: datetime) -> Expiring | Uncounted:
        """Return the certificates that end in the next days, or why there are no figures."""
        ...
