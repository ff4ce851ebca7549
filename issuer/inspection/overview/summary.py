"""Overview of a cluster: issuers, policies, requests, and the controllers that work on them."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from issuer.inspection.overview.leases import controllers
from issuer.inspection.progress import RequestState, progress_of, ready_json, text_of, time_of
from issuer.inspection.reading import Reader
from issuer.kube.wire import Object
from issuer.requests.kinds import KINDS
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import BadSpec, Request
from issuer.requests.resources import CERTIFICATE_REQUEST_POLICIES
from issuer.signing.backend import Summary
from issuer.text import rfc3339

SHOWN: Final = 10
"""Number of the oldest waiting requests that are listed."""
LATE: Final = timedelta(minutes=2)
"""Time a request may wait before it deserves a look."""
_SOME_TIME: Final = "2 minutes"


NO_POLICY = "there is no CertificateRequestPolicy: no issuer with spec.approval Policy signs anything"


@dataclass(slots=True)
class _Requests:
    """Requests of one kind, counted; `oldest` are the longest waiting."""

    counts: Counter[RequestState] = field(default_factory=Counter)
    late: int = 0
    oldest: list[dict[str, Any]] = field(default_factory=list)

    def add(self, request: Request, now: datetime) -> None:
        """Count a request."""
        found = progress_of(request)
        self.counts[found.state] += 1
        if found.state is RequestState.WAITING:
            self.late += found.since is not None and now - found.since > LATE
            waiting = [*self.oldest, _waiting(request)]
            self.oldest = heapq.nsmallest(SHOWN, waiting, key=lambda one: one["since"])


async def overview(
    reader: Reader, namespace: str | None, controller_namespace: str | None, now: datetime
) -> dict[str, Any]:
    """Return the overview as JSON, with what needs attention. Raises KubeError if no cluster answers."""
    policies = await reader.all(CERTIFICATE_REQUEST_POLICIES, what="policies are")
    found: dict[str, Any] = {
        "issuers": await _issuers(reader, namespace),
        "policies": [_policy(one) for one in policies],
        "requests": {},
        "waiting": [],
        "controllers": await controllers(reader, controller_namespace, now),
    }
    late = 0
    for kind in KINDS:
        requests = await _requests(reader, kind, namespace, now)
        found["requests"][kind.kind] = {state.value: requests.counts[state] for state in RequestState}
        found["waiting"] += requests.oldest
        late += requests.late
    found["waiting"] = sorted(found["waiting"], key=lambda one: str(one["since"]))[:SHOWN]
    nothing_allowed = [NO_POLICY] if found["issuers"] and not policies and not reader.gaps else []
    found["attention"] = [*nothing_allowed, *_attention(found, late, now), *reader.gaps]
    found["notShown"] = list(reader.gaps)
    return found


async def _issuers(reader: Reader, namespace: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for kind in reader.backends.kinds:
        where = namespace if kind.namespaced else None
        items = await reader.all(kind.resource, where, what=f"{kind.kind}s are")
        backend = reader.backends.of(kind.kind)
        found += [_issuer(kind.kind, backend.summary(one.get("spec") or {}), one) for one in items]
    return found


async def _requests(reader: Reader, kind: type[Request], namespace: str | None, now: datetime) -> _Requests:
    """Count our requests of a kind; Kubernetes' own have no namespace, so there the issuer's counts."""
    found, kinds = _Requests(), reader.backends.kinds
    where = namespace if kind.resource.namespaced else None
    for group in (None,) if kind is KubernetesCSR else kinds.groups:
        selector = None if group is None else f"spec.issuerRef.group={group}"
        objects = reader.each(kind.resource, where, what=f"{kind.kind}s are", field_selector=selector)
        async for obj in objects:
            if _names_group(obj, group):
                request = kind(obj, kinds)
                if request.is_ours and _is_in(request, namespace):
                    found.add(request, now)
    return found


def _names_group(request: Object, group: str | None) -> bool:
    """Return True if a CertificateRequest names that group, as a server may not know the selector."""
    return group is None or (request["spec"].get("issuerRef") or {}).get("group") == group


def _is_in(request: Request, namespace: str | None) -> bool:
    try:
        return namespace is None or request.policy_namespace == namespace
    except BadSpec:
        return False


def _waiting(request: Request) -> dict[str, Any]:
    found = progress_of(request)
    try:
        issuer = str(request.issuer)
    except BadSpec as error:
        issuer = f"none: {error}"
    return {
        "kind": request.kind,
        "namespace": request.key.namespace,
        "name": request.key.name,
        "issuer": issuer,
        "since": "" if found.since is None else rfc3339(found.since),
        "reason": found.reason,
        "message": found.message,
    }


def _issuer(kind: str, summary: Summary, obj: Object) -> dict[str, Any]:
    status = obj.get("status") or {}
    return {
        "kind": kind,
        "namespace": str(obj["metadata"].get("namespace") or ""),
        "name": str(obj["metadata"]["name"]),
        **ready_json(obj),
        "server": summary.address,
        "path": summary.path,
        "caSubject": text_of(status, "caSubject"),
        "caNotAfter": text_of(status, "caNotAfter"),
        "warnings": [str(one) for one in status.get("warnings") or ()],
    }


def _policy(obj: Object) -> dict[str, Any]:
    return {"name": str(obj["metadata"]["name"]), **ready_json(obj)}


def _attention(found: dict[str, Any], late: int, now: datetime) -> Iterator[str]:
    for one in found["issuers"]:
        name = f"{one['kind']} {'/'.join(filter(None, (one['namespace'], one['name'])))}"
        if one["ready"] is not True:
            yield _not_ready(name, one)
        if ended(one["caNotAfter"], now):
            yield f"{name}: its CA ended at {one['caNotAfter']}"
        yield from (f"{name}: {warning}" for warning in one["warnings"])
    for one in found["policies"]:
        if one["ready"] is not True:
            yield _not_ready(f"CertificateRequestPolicy {one['name']}", one)
    if late:
        are = "request has" if late == 1 else "requests have"
        yield f"{late} {are} waited for more than {_SOME_TIME}"
    yield from _work(found["controllers"])


def _not_ready(name: str, one: dict[str, Any]) -> str:
    return f"{name} is not Ready{' (' + one['reason'] + ')' if one['reason'] else ''}: {one['message']}"


def _work(found: Sequence[dict[str, Any]] | None) -> Iterator[str]:
    if found is not None and not found:
        yield "no controller has a Lease: none runs, or one that was started with --no-leader-elect"
    for one in found or ():
        lease = f"{one['namespace']}/{one['lease']}"
        if not one["leads"]:
            last = f"; {one['leader']} renewed it last, at {one['renewed']}" if one["leader"] else ""
            yield f"nobody holds the Lease {lease}, so no controller works under it{last}"
        elif one["shards"] and one["shardsFree"]:
            yield f"{one['shardsFree']} of {one['shards']} shards of {lease} are nobody's"


def ended(text: str, now: datetime) -> bool:
    """Return True if a time of the overview has passed."""
    found = time_of(text)
    return found is not None and found <= now
