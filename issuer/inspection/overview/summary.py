"""Overview of a cluster: issuers, policies, requests, and the controllers that work on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from issuer.inspection.commands import CONTROLLER_PODS, in_namespace, quoted
from issuer.inspection.overview import certificates as overdue
from issuer.inspection.overview.canaries import canaries
from issuer.inspection.overview.leases import controllers
from issuer.inspection.overview.requests import tally
from issuer.inspection.progress import has_more_to_say, ready_json, text_of, time_of, trust_json
from issuer.inspection.reading import Reader
from issuer.kube.wire import Object
from issuer.requests.issuers import IssuerKey
from issuer.requests.resources import CERTIFICATE_REQUEST_POLICIES
from issuer.signing.backend import Summary
from issuer.site import docs_page
from issuer.terminal.ages import until
from issuer.text import rfc3339

_SOME_TIME: Final = "2 minutes"
_CA_SOON: Final = timedelta(days=30)
"""Time before the end of a CA from which on it needs attention, as by the alert of severity warning."""

_PODS: Final = f"See its pods: {CONTROLLER_PODS}"
_ONE: Final = "each answers every request, so certificates are signed twice; uninstall all but one"
_ROTATE: Final = f"rotate it, {docs_page('rotate-the-ca')}"

NO_POLICY = "there is no CertificateRequestPolicy: no issuer with spec.approval Policy signs anything"


async def overview(
    reader: Reader, namespace: str | None, controller_namespace: str | None, now: datetime
) -> dict[str, Any]:
    """Return the overview as JSON, with what needs attention. Raises KubeError if no cluster answers.

    What may not be read is None: the list of issuers if none of their kinds may be; `issuersNotKnown` has the
    kinds that may not.
    """
    policies = await reader.all(CERTIFICATE_REQUEST_POLICIES, what="policies are")
    issuers, not_known = await _issuers(reader, namespace)
    found: dict[str, Any] = {
        "issuers": issuers,
        "issuersNotKnown": not_known,
        "policies": None if policies is None else [_policy(one) for one in policies],
        "controllers": await controllers(reader, controller_namespace, now),
        "canaries": await canaries(reader, namespace),
        "certificates": await overdue.certificates(reader, namespace, now),
    }
    requests = await tally(reader, namespace, now, _external(issuers or ()))
    found |= requests.to_json()
    nothing_allowed = [NO_POLICY] if issuers and policies == [] else []
    found["attention"] = [*nothing_allowed, *_attention(found, requests.late, now), *reader.gaps]
    found["notShown"] = list(reader.gaps)
    return found


async def _issuers(reader: Reader, namespace: str | None) -> tuple[list[dict[str, Any]] | None, list[str]]:
    """Return the issuers, None if no kind of them may be read, and the kinds that may not."""
    found: list[dict[str, Any]] = []
    withheld: list[str] = []
    for kind in reader.backends.kinds:
        where = namespace if kind.namespaced else None
        items = await reader.all(kind.resource, where, what=f"{kind.kind}s are")
        if items is None:
            withheld.append(kind.kind)
            continue
        backend = reader.backends.of(kind.kind)
        found += [_issuer(kind.kind, backend.summary(one.get("spec") or {}), one) for one in items]
    return None if len(withheld) == len(list(reader.backends.kinds)) else found, withheld


def _external(issuers: Iterable[dict[str, Any]]) -> frozenset[str]:
    """Return the issuers whose requests another approver has to approve."""
    found = [one for one in issuers if one["approval"] == "External"]
    return frozenset(str(IssuerKey(one["kind"], one["namespace"], one["name"])) for one in found)


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
        "trust": trust_json(obj),
        "approval": text_of(obj.get("spec") or {}, "approval"),
    }


def _policy(obj: Object) -> dict[str, Any]:
    return {"name": str(obj["metadata"]["name"]), **ready_json(obj)}


def _attention(found: dict[str, Any], late: int, now: datetime) -> Iterator[str]:
    for one in found["issuers"] or ():
        name = _name(one)
        if one["ready"] is not True:
            yield _not_ready(name, one)
        yield from _ca_ends(name, time_of(one["caNotAfter"]), now)
        yield from (f"{name}: {warning}" for warning in one["warnings"])
        if one["trust"] is not None and one["trust"]["distributed"] is False:
            reason, message = one["trust"]["reason"], one["trust"]["message"]
            yield f"{name}: its roots are not everywhere ({reason}): {message}"
    yield from _policies(found["policies"] or ())
    yield from overdue.attention(found["certificates"])
    if late:
        are = "request has" if late == 1 else "requests have"
        yield f"{late} {are} waited for more than {_SOME_TIME}"
    for one in found["canaries"] or ():
        if not one["ok"]:
            yield f"the canary of {_name(one)} fails: {one['message']}"
    yield from _work(found["controllers"])


def _ca_ends(name: str, end: datetime | None, now: datetime) -> Iterator[str]:
    """Yield that the CA of an issuer has expired, or does so soon."""
    if end is None or end - now >= _CA_SOON:
        return
    if end <= now:
        yield f"{name}: its CA expired at {rfc3339(end)}: {_ROTATE}"
    else:
        yield f"{name}: its CA, or one above it, expires {until(end, now)}, at {rfc3339(end)}: {_ROTATE}"


def _policies(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    for one in found:
        name = f'CertificateRequestPolicy "{one["name"]}"'
        if one["ready"] is not True:
            yield _not_ready(name, one)
        elif has_more_to_say(one):
            yield f"{name} ({one['reason']}): {one['message']}"


def _name(one: dict[str, Any]) -> str:
    return f'{one["kind"]} "{"/".join(filter(None, (one["namespace"], one["name"])))}"'


def _not_ready(name: str, one: dict[str, Any]) -> str:
    return f"{name} is not Ready{' (' + one['reason'] + ')' if one['reason'] else ''}: {one['message']}"


def _look(lease: dict[str, Any], leading: Sequence[str]) -> str:
    """Return what to look at where nobody holds a Lease, though perhaps others lead by one of theirs."""
    where = in_namespace(lease["namespace"])
    if leading:
        return f"Is that installation gone? kubectl delete lease {quoted(lease['lease'])}{where}"
    return f"See why: kubectl get pods{where}; {docs_page('runbooks/VaultIssuerAbsent')}"


def _work(found: Sequence[dict[str, Any]] | None) -> Iterator[str]:
    leading = [f'"{one["namespace"]}/{one["lease"]}"' for one in found or () if one["leads"]]
    if len(leading) > 1:
        yield f"{len(leading)} controllers work, by the Leases {' and '.join(leading)}: {_ONE}"
    if found is not None and not found:
        yield f"no controller has a Lease: none runs, or one that was started with --no-leader-elect. {_PODS}"
    for one in found or ():
        lease = f'"{one["namespace"]}/{one["lease"]}"'
        if not one["leads"]:
            last = f"; {one['leader']} renewed it last, at {one['renewed']}" if one["leader"] else ""
            look = _look(one, leading)
            yield f"no controller holds the Lease {lease}, so none works under it{last}. {look}"
        elif one["shards"] and one["shardsFree"]:
            yield f"{one['shardsFree']} of {one['shards']} shards of {lease} have no owner"
