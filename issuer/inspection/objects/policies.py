"""Accounts of policies: what they match, who may use them, what they approved, and notes of the linter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nlargest
from typing import Any, Final

from issuer.api.group import API_VERSION, GROUP, POLICY_KIND, POLICY_PLURAL
from issuer.explain.advice import Advice
from issuer.explain.lint.cluster import RBAC, UNBOUND, own_roles
from issuer.explain.lint.linting import LintFinding, Severity, Surroundings, lint_policies
from issuer.explain.policies import compiled
from issuer.inspection.commands import edit
from issuer.inspection.objects.account import AccountItem, AccountList, Mark, ObjectAccount
from issuer.inspection.overview.requests import request_json, requests_of
from issuer.inspection.progress import (
    has_more_to_say,
    progress_of,
    ready_json,
    request_name,
    text_of,
    time_of,
)
from issuer.inspection.reading import Reader, Withheld
from issuer.kube.resources import NAMESPACES
from issuer.kube.wire import Object
from issuer.manifests.documents import Document
from issuer.manifests.rbac import users_of
from issuer.manifests.text import shown
from issuer.policy.compiled import CompiledPolicy
from issuer.policy.decision import approval_message
from issuer.policy.facts import IssuerReference
from issuer.policy.selection import selects, selects_namespace
from issuer.requests.conditions import find
from issuer.requests.kinds import KINDS
from issuer.requests.request import Request
from issuer.requests.status import APPROVAL_REASON
from issuer.site import docs_page
from issuer.terminal.ages import age
from issuer.text import counted

_SHOWN: Final = 5
_LISTED: Final = 8
_TARGET: Final = f"{POLICY_PLURAL}.{GROUP}"
_MARKS: Final = {Severity.ERROR: Mark.BAD, Severity.WARNING: Mark.LOOK, Severity.ADVICE: Mark.LOOK}


@dataclass(frozen=True, slots=True)
class _Approved:
    """Requests that name this policy as the one that approved them; `count` is None if not known."""

    count: int | None
    last: Sequence[dict[str, Any]]


async def policy_account(reader: Reader, obj: Object, now: datetime) -> ObjectAccount:
    """Return the account of a policy. Raises KubeError."""
    name = str(obj["metadata"]["name"])
    ready = ready_json(obj)
    around = await _around(reader)
    approved = await _approved(reader, name)
    found = compiled([(name, obj.get("spec") or {})])
    policy = found.policies[0] if found.policies else None
    document = Document("cluster", {**obj, "apiVersion": API_VERSION, "kind": POLICY_KIND})
    items = [
        _ready_item(name, ready),
        *([] if policy is None else _matches(policy, around)),
        _use(name, around.documents),
        _approved_item(approved),
        # What surrounds the policy is told above, item by item.
        *_notes(lint_policies([document], Surroundings(None, UNBOUND), reader.backends.kinds).findings),
    ]
    good = ready["ready"] is True and not any(one.mark is Mark.BAD for one in items)
    lines = [(request_name(one), age(time_of(one["since"]), now), one["issuer"]) for one in approved.last]
    return ObjectAccount(
        kind=POLICY_KIND,
        namespace="",
        name=name,
        good=good,
        state=_state(ready, good=good),
        items=items,
        lists=[AccountList("Last approved by it", ("Request", "Ago", "Issuer"), lines)] if lines else [],
        data={
            "ready": ready,
            "spec": obj.get("spec") or {},
            "users": None if around.documents is None else _users_json(name, around.documents),
            "approved": {"count": approved.count, "last": list(approved.last)},
        },
        gaps=tuple(reader.gaps),
    )


def _state(ready: Mapping[str, Any], *, good: bool) -> str:
    if ready["ready"]:
        return "Ready" if good else "Ready, but of no use as it is"
    return f"not Ready ({ready['reason']})" if ready["reason"] else "not Ready"


async def _around(reader: Reader) -> Surroundings:
    """Read what surrounds a policy, as far as that may be read."""
    rbac: list[Document] | None = []
    for kind, resource in RBAC.items():
        objects = await reader.all(resource, what="who may use it is")
        if objects is None or rbac is None:
            rbac = None
            continue
        typed = {"apiVersion": resource.api_version, "kind": kind}
        rbac += [Document("cluster", {**one, **typed}) for one in objects]
    issuers: list[IssuerReference] | None = []
    for one in reader.backends.kinds:
        objects = await reader.all(one.resource, what=f"{one.kind}s are")
        if objects is None or issuers is None:
            issuers = None
            continue
        issuers += [
            IssuerReference(str(each["metadata"]["name"]), one.api_kind, one.group) for each in objects
        ]
    spaces = await reader.all(NAMESPACES, what="namespaces are")
    labels = None if spaces is None else {str(one["metadata"]["name"]): _labels(one) for one in spaces}
    return Surroundings(None if rbac is None else own_roles(rbac), UNBOUND, issuers, labels)


def _labels(namespace: Object) -> Mapping[str, str]:
    return namespace["metadata"].get("labels") or {}


def _ready_item(name: str, ready: Mapping[str, Any]) -> AccountItem:
    if ready["ready"]:
        # One that selects no issuer is Ready, and says so by its reason.
        is_plain = not has_more_to_say(ready)
        text = "the controller uses it" if is_plain else f"{ready['reason']}: {ready['message']}"
        return AccountItem("Ready", Mark.GOOD if is_plain else Mark.LOOK, shown(text, 1200))
    if ready["ready"] is None:
        return AccountItem("Ready", Mark.NOT_KNOWN, str(ready["message"]))
    cure = Advice("Correct what the message names:", command=edit(_TARGET, name))
    return AccountItem("Ready", Mark.BAD, f"{ready['reason']}: {shown(ready['message'], 1200)}", cure)


def _matches(policy: CompiledPolicy, around: Surroundings) -> Iterator[AccountItem]:
    """Yield which issuers and namespaces it is for, by its selector and by what the cluster has."""
    fields = [f'{field} "{pattern.text}"' for field, pattern in policy.selector.issuer]
    which = f"those with {', '.join(fields)}" if fields else "all of them"
    if around.issuers is None:
        yield AccountItem("Issuers", Mark.NOT_KNOWN, f"{which}; which there are may not be read")
    else:
        names = [f'{one.kind} "{one.name}"' for one in around.issuers if selects(policy, one)]
        yield _selected("Issuers", which, names)
    selector = policy.selector
    parts = (
        [] if selector.namespaces is None else [" or ".join(f'"{one}"' for one in selector.namespaces.texts)]
    )
    parts += [f"label {key}={value}" for key, value in selector.labels]
    which = f"those with {', '.join(parts)}" if parts else "all of them"
    if around.namespaces is None:
        yield AccountItem("Namespaces", Mark.NOT_KNOWN, f"{which}; which there are may not be read")
    else:
        found = [
            f'"{name}"' for name, one in around.namespaces.items() if selects_namespace(policy, name, one)
        ]
        yield _selected("Namespaces", which, found if parts else [], everything=not parts)


def _selected(name: str, which: str, found: Sequence[str], *, everything: bool = False) -> AccountItem:
    if everything:
        return AccountItem(name, Mark.GOOD, which)
    if not found:
        return AccountItem(name, Mark.BAD, f"{which}: there is none")
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return AccountItem(name, Mark.GOOD, f"{which}: {shown(', '.join(found[:_LISTED]), 1200)}{more}")


def _use(name: str, documents: Sequence[Document] | None) -> AccountItem:
    if documents is None:
        return AccountItem("Use", Mark.NOT_KNOWN, "roles and bindings may not be read")
    users = [
        f"{who} in namespace {shown(where)}" if where else who for who, where in users_of(documents, name)
    ]
    if not users:
        cure = Advice(
            "Let requesters use it, by a role with the verb use and a binding. For a request that waits, "
            f"kubectl vault-issuer explain prints both; {docs_page('write-a-policy')} has them, too."
        )
        return AccountItem("Use", Mark.BAD, "nobody but administrators of the cluster may use it", cure)
    more = f" and {len(users) - _LISTED} more" if len(users) > _LISTED else ""
    return AccountItem("Use", Mark.GOOD, shown("; ".join(users[:_LISTED]), 1200) + more)


def _users_json(name: str, documents: Sequence[Document]) -> list[dict[str, str]]:
    return [{"who": who, "namespace": where} for who, where in users_of(documents, name)]


async def _approved(reader: Reader, name: str) -> _Approved:
    """Return the requests that say that this policy approved them."""
    count, last = 0, list[dict[str, Any]]()
    try:
        for kind in KINDS:
            async for request in requests_of(reader, kind, None):
                since = _approved_since(request, name)
                if since is not None:
                    count += 1
                    one = request_json(request, progress_of(request)) | {"since": since}
                    last = nlargest(_SHOWN, [*last, one], key=lambda each: each["since"])
    except Withheld:
        return _Approved(None, ())
    return _Approved(count, last)


def _approved_since(request: Request, policy: str) -> str | None:
    """Return when this policy approved a request; None if it was not this one."""
    condition = find(request.conditions, "Approved") or {}
    if text_of(condition, "reason") != APPROVAL_REASON or text_of(condition, "message") != approval_message(
        policy
    ):
        return None
    return text_of(condition, "lastTransitionTime") or text_of(condition, "lastUpdateTime")


def _approved_item(found: _Approved) -> AccountItem:
    if found.count is None:
        return AccountItem("Approved", Mark.NOT_KNOWN, "requests may not be read")
    requests = counted(found.count, "request that still exists", "requests that still exist")
    text = requests if found.count else "no request that still exists"
    return AccountItem("Approved", Mark.GOOD, text)


def _notes(findings: Sequence[LintFinding]) -> Iterator[AccountItem]:
    for one in findings:
        where = f"{one.field} " if one.field else ""
        yield AccountItem(f"Lint, {one.level.value}", _MARKS[one.level], shown(f"{where}{one.message}", 1200))
