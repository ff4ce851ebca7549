"""Requests, counted: by state, the waiting ones by reason; and the last that got no certificate."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from issuer.inspection.progress import Progress, RequestState, progress_of
from issuer.inspection.reading import Reader, Withheld
from issuer.kube.wire import Object
from issuer.requests.kinds import KINDS
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.reason_message import Opening, opening_of, reason_of
from issuer.requests.request import BadSpec, Request
from issuer.text import rfc3339

SHOWN: Final = 10
"""Number of the oldest waiting requests, and of reasons for which requests wait, that are listed."""
LAST: Final = 5
"""Number of the last denied requests, and of the last failed ones, that are listed."""
LATE: Final = timedelta(minutes=2)
"""Time a request may wait before it deserves a look."""

NOT_JUDGED: Final = "NotJudgedYet"
"""Reason of a waiting request whose status says nothing."""

NOT_APPROVED: Final = {
    "reason": "NotApproved",
    "message": "nobody has approved it yet: its issuer has spec.approval External",
}

_OPENINGS: Final = {
    Opening.ALLOWED_BY_NONE: "NoPolicyAllows",
    Opening.NO_POLICY_APPLIES: "NoPolicyApplies",
    Opening.NO_POLICY_EXISTS: "NoPolicyExists",
    Opening.IS_SIGNED_NEXT: "IsSignedNext",
    Opening.REFUSED_SOON: "RefusedSoon",
}


@dataclass(slots=True)
class WaitingGroup:
    """Requests of one issuer that wait for one reason; `oldest` is the one that has waited longest."""

    reason: str
    issuer: str
    count: int = 0
    oldest: dict[str, Any] = field(default_factory=dict)

    def add(self, waiting: dict[str, Any]) -> None:
        """Count a request."""
        self.count += 1
        if not self.oldest or waiting["since"] < self.oldest["since"]:
            self.oldest = waiting

    def to_json(self) -> dict[str, Any]:
        """Return the group as `-o json` prints it."""
        return {"reason": self.reason, "issuer": self.issuer, "count": self.count, "oldest": self.oldest}


@dataclass(slots=True)
class RequestTally:
    """All requests that were counted; `counts` has None for a kind that may not be read.

    `external` are the issuers whose requests another approver has to approve.
    """

    external: frozenset[str] = frozenset()
    counts: dict[str, Counter[RequestState] | None] = field(default_factory=dict)
    late: int = 0
    oldest: list[dict[str, Any]] = field(default_factory=list)
    groups: dict[tuple[str, str], WaitingGroup] = field(default_factory=dict)
    last: dict[RequestState, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, request: Request, counts: Counter[RequestState], now: datetime) -> None:
        """Count a request."""
        progress = progress_of(request)
        counts[progress.state] += 1
        if progress.state is RequestState.WAITING:
            self._add_waiting(request, progress, now)
        elif progress.state is not RequestState.ISSUED:
            last = [*self.last.get(progress.state, ()), request_json(request, progress)]
            self.last[progress.state] = heapq.nlargest(LAST, last, key=lambda one: one["since"])

    def _add_waiting(self, request: Request, progress: Progress, now: datetime) -> None:
        self.late += progress.since is not None and now - progress.since > LATE
        waiting = request_json(request, progress)
        if waiting["reason"] == NOT_JUDGED and waiting["issuer"] in self.external and not request.approved:
            waiting |= NOT_APPROVED
        self.oldest = heapq.nsmallest(SHOWN, [*self.oldest, waiting], key=lambda one: one["since"])
        key = waiting["reason"], waiting["issuer"]
        self.groups.setdefault(key, WaitingGroup(*key)).add(waiting)

    def to_json(self) -> dict[str, Any]:
        """Return the parts of the overview that are about requests."""
        groups = sorted(self.groups.values(), key=lambda group: (-group.count, group.oldest["since"]))
        return {
            "requests": {
                kind: None if counts is None else {state.value: counts[state] for state in RequestState}
                for kind, counts in self.counts.items()
            },
            "waiting": self.oldest,
            "waitingByReason": [group.to_json() for group in groups],
            "lastDenied": self.last.get(RequestState.DENIED, []),
            "lastFailed": self.last.get(RequestState.FAILED, []),
        }


async def tally(
    reader: Reader, namespace: str | None, now: datetime, external: frozenset[str] = frozenset()
) -> RequestTally:
    """Count the requests for issuers of ours, in all namespaces if `namespace` is None. Raises KubeError."""
    found = RequestTally(external)
    for kind in KINDS:
        counts: Counter[RequestState] = Counter()
        try:
            async for request in requests_of(reader, kind, namespace):
                found.add(request, counts, now)
        except Withheld:
            found.counts[kind.kind] = None
        else:
            found.counts[kind.kind] = counts
    return found


async def requests_of(reader: Reader, kind: type[Request], namespace: str | None) -> AsyncIterator[Request]:
    """Yield our requests of a kind; Kubernetes' own have no namespace, so there the issuer's counts.

    Raises Withheld, KubeError.
    """
    kinds = reader.backends.kinds
    where = namespace if kind.resource.namespaced else None
    groups: Iterable[str | None] = (None,) if kind is KubernetesCSR else kinds.groups
    for group in groups:
        selector = None if group is None else f"spec.issuerRef.group={group}"
        objects = reader.each(kind.resource, where, what=f"{kind.kind}s are", field_selector=selector)
        async for obj in objects:
            if _names_group(obj, group):
                request = kind(obj, kinds)
                if request.is_ours and _is_in(request, namespace):
                    yield request


def request_json(request: Request, progress: Progress) -> dict[str, Any]:
    """Return a request's names, issuer and state; of one that waits, the reason is what it waits for."""
    try:
        issuer = str(request.issuer)
    except BadSpec as error:
        issuer = f"none: {error}"
    return {
        "kind": request.kind,
        "namespace": request.key.namespace,
        "name": request.key.name,
        "issuer": issuer,
        "state": progress.state.value,
        "since": "" if progress.since is None else rfc3339(progress.since),
        "reason": waiting_reason(progress) if progress.state is RequestState.WAITING else progress.reason,
        "message": progress.message,
    }


def waiting_reason(progress: Progress) -> str:
    """Return the reason for which a request waits, as its message begins."""
    opening = opening_of(progress.message)
    if opening in _OPENINGS:
        return _OPENINGS[opening]
    return reason_of(progress.message) or ("" if progress.message else NOT_JUDGED) or progress.reason


def _names_group(request: Object, group: str | None) -> bool:
    """Return True if a CertificateRequest names that group, as a server may not know the selector."""
    return group is None or (request["spec"].get("issuerRef") or {}).get("group") == group


def _is_in(request: Request, namespace: str | None) -> bool:
    try:
        return namespace is None or request.policy_namespace == namespace
    except BadSpec:
        return False
