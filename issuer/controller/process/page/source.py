"""Data of the status page, taken from the controller's components as they are at that moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from issuer import __version__
from issuer.controller.canary.history import CanaryRun as Run
from issuer.controller.leadership.replica import ShardedReplica
from issuer.controller.process.options import ControllerOptions
from issuer.controller.process.page.expiring import count_ends
from issuer.controller.process.wiring import Components
from issuer.controller.state.watched import certificates
from issuer.controller.state.watched.requests import Glance
from issuer.kube.leases.election import LeaderElector
from issuer.requests.conditions import ready_of
from issuer.requests.issuers import IssuerKey
from issuer.requests.kinds import kind_of
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import RequestKey
from issuer.statuspage.drawing import RUNS
from issuer.statuspage.model import (
    Expiring,
    FinishedRequest,
    Issuer,
    OpenRequest,
    Outcome,
    PageCanaryRun,
    PageReplica,
    Uncounted,
    Where,
    WorkFigures,
)
from issuer.statuspage.recent import Recent
from issuer.statuspage.snapshot import SLICE
from issuer.text import read_time

COUNT_AGAIN: Final = timedelta(seconds=10)
"""How old the count of Certificates may be."""

_CSR: Final = f"{KubernetesCSR.kind} "


class StatusSource:
    """An `issuer.statuspage.model.Source`. `elector` is None without an election, `sharing` without
    `--shards`."""

    def __init__(
        self,
        options: ControllerOptions,
        components: Components,
        elector: LeaderElector | None,
        sharing: ShardedReplica | None,
        recent: Recent,
    ) -> None:
        self._options = options
        self._components = components
        self._elector = elector
        self._sharing = sharing
        self._recent = recent
        self._expiring: Expiring | None = None
        self._counted = datetime.min.replace(tzinfo=UTC)

    def replica(self) -> PageReplica:
        """Return this process, and who leads."""
        identity, late = self._options.leader.identity, tuple(self._components.watches.late())
        if self._elector is None:
            return PageReplica(__version__, identity, "alone", late=late)
        leader, sharing = self._elector.lease.holder, self._sharing
        if sharing is not None:
            shards = self._options.leader.shards
            return PageReplica(
                __version__, identity, "shares", leader, shards, sharing.owned, sharing.members, late
            )
        if self._elector.is_leader:
            return PageReplica(__version__, identity, "leads", leader, late=late)
        return PageReplica(__version__, identity, "stands by", leader)

    def work(self) -> WorkFigures:
        """Return the numbers of requests and answers."""
        components, queue = self._components, self._components.queues.requests
        return WorkFigures(
            open=sum(len(store) for store in components.state.requests.values()),
            in_line=queue.depth,
            in_work=queue.in_hand,
            held_back=components.queues.fair.held_back,
            unwritten=len(components.delivery.held),
            oldest=queue.oldest_age,
            per_second=self._recent.per_second(),
            since_start=dict(self._recent.totals),
        )

    def issuers(self) -> Sequence[Issuer]:
        """Every issuer as its status says, which all replicas see."""
        stores = self._components.state.issuers.values()
        return [self._issuer(key, store.get(key) or {}) for store in stores for key in store.known()]

    def _issuer(self, key: IssuerKey, obj: dict[str, Any]) -> Issuer:
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        summary = self._components.backends.of(key.kind).summary(spec)
        ready = ready_of(obj)
        entry = self._components.state.registry.find(key)
        life = None if entry is None else entry.current_ca_validity.get(False)
        return Issuer(
            kind=key.kind,
            namespace=key.namespace,
            name=key.name,
            ready={"True": True, "False": False}.get(ready.get("status", "")),
            reason=str(ready.get("reason", "")),
            message=str(ready.get("message", "")),
            server=summary.server,
            path=summary.path,
            ca_subject=str(status.get("caSubject") or ""),
            ca_begins=None if life is None else life.begins,
            ca_ends=read_time(status.get("caNotAfter")),
            warnings=tuple(str(one) for one in status.get("warnings") or ()),
            canary=tuple(_canary_run(one) for one in self._components.canaries.runs(key)[-RUNS:]),
            explain=_explain(f"{key.kind.lower()}/{key.name}", key.namespace),
        )

    def slices(self) -> Iterator[Sequence[OpenRequest]]:
        """Every open request once, some at a time."""
        for store in self._components.state.requests.values():
            keys = store.pending()
            for first in range(0, len(keys), SLICE):
                found = ((key, store.glance(key)) for key in keys[first : first + SLICE])
                yield [self._open(key, glance) for key, glance in found if glance is not None]

    def _open(self, key: RequestKey, glance: Glance) -> OpenRequest:
        reason = glance.reason or self._reported(key, glance.uid)
        issuer = "" if glance.issuer is None else str(glance.issuer)
        return OpenRequest(str(key), issuer, glance.username, self._where(key, reason), reason)

    def _where(self, key: RequestKey, reason: str) -> Where:
        place = self._components.queues.requests.where(key)
        if place is not None:
            return place
        # Another replica's request has no place in our queue: only its status shows whether it waits.
        others = not self._components.ownership.takes(key)
        return "line" if others and not reason else "waiting"

    def _reported(self, key: RequestKey, uid: str) -> str:
        """Return why a request waits whose status has no place for it."""
        reported = self._components.reconcilers.requests.reporter.waits_by_event.get(key)
        return reported[1] if reported is not None and reported[0] == uid else ""

    def created(self, request: str) -> datetime | None:
        """Return when an open request was made."""
        key = _key(request)
        found = self._components.state.requests[kind_of(key)].get(key)
        return None if found is None else found.created

    def explain(self, request: str) -> str:
        """Return the command that tells more of a request."""
        key = _key(request)
        return _explain(key.name if key.namespace else f"csr/{key.name}", key.namespace)

    def answers(self, outcome: Outcome) -> Sequence[FinishedRequest]:
        """The last answers of this process."""
        return self._recent.last(outcome)

    async def expiring(self, now: datetime) -> Expiring | Uncounted:
        """Return the ends of Certificates, counted every ten seconds, or why there is no count."""
        reflector = self._components.watches.reflectors.get(certificates.KIND)
        if reflector is None or reflector.refused:
            return "unwatched"
        if not reflector.current:
            return "counting"
        # None is quickly counted, and soon wrong: the first Certificate is shown at once.
        if self._expiring is None or not self._expiring.total or now - self._counted >= COUNT_AGAIN:
            self._expiring, self._counted = (
                await count_ends(self._components.state.certificates.all(), now),
                now,
            )
        return self._expiring


def _explain(target: str, namespace: str) -> str:
    where = f" -n {namespace}" if namespace else ""
    return f"kubectl vault-issuer explain {target}{where}"


def _canary_run(run: Run) -> PageCanaryRun:
    return PageCanaryRun(run.started, str(run.stage or ""), run.seconds, run.message)


def _key(request: str) -> RequestKey:
    if request.startswith(_CSR):
        return RequestKey("", request.removeprefix(_CSR))
    namespace, _, name = request.partition("/")
    return RequestKey(namespace, name)
