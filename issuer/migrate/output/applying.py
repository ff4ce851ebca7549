"""Carries a plan out in a cluster: a dry run, new objects, then changes once their issuer is Ready."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from issuer.api.group import GROUP, POLICY_KIND, POLICY_PLURAL
from issuer.cluster import NAME
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, Forbidden, KubeError, NotFound
from issuer.kube.resources import Resource
from issuer.manifests.errors import BadInput
from issuer.migrate.origins import ORIGINS
from issuer.migrate.plan import Plan, PlanStep
from issuer.migrate.read.inventory import inner
from issuer.migrate.steps.references import CLUSTER_ISSUER, ISSUER, ISSUER_GROUP
from issuer.migrate.steps.references import ISSUER_KIND as KIND_ANNOTATION
from issuer.requests.conditions import NOT_LOOKED_AT, ready_of
from issuer.site import docs_page

MANAGER: Final = "vault-issuer-migrate"
_POLL_SECONDS: Final = 1.0
_MOST_ATTEMPTS: Final = 20
"""The most tries to change an object while others write it: a renewal takes some five writes."""
_ISSUERS: Final = {one.new_kind: one.new_resource for one in ORIGINS.values()}
_PLURALS: Final = {
    **{kind: resource.plural for kind, resource in _ISSUERS.items()},
    POLICY_KIND: POLICY_PLURAL,
    "Ingress": "ingresses",
}
_CLUSTER_SCOPED: Final = frozenset(
    {POLICY_KIND, "ClusterRole", "ClusterRoleBinding"}
    | {kind for kind, resource in _ISSUERS.items() if not resource.namespaced}
)
_Issuer = tuple[str, str, str]
Report = Callable[[str], None]


async def try_out(client: KubeClient, plan: Plan) -> None:
    """Have the API server check every write without doing it. Raises BadInput with all that it refuses."""
    refused, lacking = [], False
    for step in (*plan.created, *plan.changed):
        try:
            await _write(client, step, dry_run=True)
        except KubeError as error:
            refused.append(f"{step.result}: {error.message}")
            lacking = lacking or isinstance(error, Forbidden)
    if lacking:
        refused.append(f"What --apply takes: {docs_page('migrate', 'rights')}; most simply an administrator")
    if refused:
        raise BadInput("the cluster would refuse this, and nothing was written:\n" + "\n".join(refused))


async def carry_out(client: KubeClient, plan: Plan, wait: float, report: Report) -> bool:
    """Create, wait up to `wait` seconds for the issuers, and change what uses those that are Ready.

    Stops at the first write that fails. Returns whether all was written; `report` gets a line for each step.
    """
    if not await _write_all(client, plan.created, report):
        return False
    wanted = {issuer for step in plan.changed if (issuer := _issuer_of(step.manifest or {}))}
    not_ready = await _wait_ready(client, wanted, wait)
    for (kind, namespace, name), why in sorted(not_ready.items()):
        report(f"not Ready: {kind} {f'{namespace}/' if namespace else ''}{name}: {why}")
    ready = [step for step in plan.changed if _issuer_of(step.manifest or {}) not in not_ready]
    for step in plan.changed:
        if step not in ready:
            report(f"left as it is: {step.title}; run this again once the issuer is Ready")
    return await _write_all(client, ready, report) and not not_ready


async def _write_all(
    client: KubeClient, steps: tuple[PlanStep, ...] | list[PlanStep], report: Report
) -> bool:
    for step in steps:
        try:
            await _write(client, step, dry_run=False)
        except KubeError as error:
            report(f"failed: {step.result}: {error.message}. What was written stays; run this again to go on")
            return False
        report(f"{step.action.value}d: {step.result}")
    return True


async def _write(client: KubeClient, step: PlanStep, *, dry_run: bool) -> None:
    manifest = step.manifest or {}
    resource = resource_of(manifest)
    if step.before is None:
        await client.apply(resource, manifest, manager=MANAGER, dry_run=dry_run)
        return
    await _change(client, resource, step, dry_run=dry_run)


async def _change(client: KubeClient, resource: Resource, step: PlanStep, *, dry_run: bool) -> None:
    """Write what a step changes, over the version that it was planned on.

    A Certificate that is being renewed has another version at each turn. So after a conflict the object is
    read again, and its version taken if what the step changes is still as it was. Raises KubeError.
    """
    manifest, version = step.manifest or {}, step.version
    name, namespace = manifest["metadata"]["name"], manifest["metadata"].get("namespace")
    change, before = dict(_difference(manifest)), dict(_difference(step.before or {}))
    for attempt in range(1, _MOST_ATTEMPTS + 1):
        patch = {**change, "metadata": {**change.get("metadata", {}), "resourceVersion": version}}
        try:
            await client.patch(resource, name, patch, namespace, manager=NAME, dry_run=dry_run)
        except Conflict:
            found = await client.get(resource, name, namespace)
            if attempt == _MOST_ATTEMPTS or dict(_difference({**found, "kind": manifest["kind"]})) != before:
                raise
            version = found["metadata"]["resourceVersion"]
        else:
            return


def resource_of(manifest: Mapping[str, Any]) -> Resource:
    """Return the resource that an object of the plan belongs to."""
    kind = manifest["kind"]
    group, _, version = str(manifest["apiVersion"]).rpartition("/")
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    return Resource(group, version, plural, namespaced=kind not in _CLUSTER_SCOPED)


def _difference(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the fields that a change sets, by kind."""
    if manifest["kind"] in ("Role", "ClusterRole"):
        yield "rules", manifest["rules"]
    elif manifest["kind"] == "Certificate":
        yield "spec", {"issuerRef": manifest["spec"]["issuerRef"]}
    else:
        annotations: Mapping[str, Any] = inner(manifest, "metadata", "annotations")
        names = (ISSUER, CLUSTER_ISSUER, KIND_ANNOTATION, ISSUER_GROUP)
        yield "metadata", {"annotations": {key: annotations.get(key) for key in names}}


def _issuer_of(manifest: Mapping[str, Any]) -> _Issuer | None:
    """Return the issuer of ours that a changed object uses, if any."""
    reference = inner(manifest, "spec", "issuerRef")
    found = reference.get("kind"), reference.get("name"), reference.get("group")
    if not reference:
        annotations = inner(manifest, "metadata", "annotations")
        found = annotations.get(KIND_ANNOTATION), annotations.get(ISSUER), annotations.get(ISSUER_GROUP)
    kind, name, group = found
    if group != GROUP:
        return None
    namespace = "" if str(kind) in _CLUSTER_SCOPED else manifest["metadata"].get("namespace", "")
    return str(kind), namespace, str(name)


async def _wait_ready(client: KubeClient, issuers: set[_Issuer], wait: float) -> dict[_Issuer, str]:
    """Wait up to `wait` seconds; return the issuers that are not Ready then, with the reason."""
    deadline = time.monotonic() + wait
    waiting = dict.fromkeys(issuers, "")
    while waiting:
        for issuer in list(waiting):
            why = await _why_not(client, issuer)
            if why is None:
                del waiting[issuer]
            else:
                waiting[issuer] = why
        if not waiting or time.monotonic() > deadline:
            break
        await asyncio.sleep(_POLL_SECONDS)
    return waiting


async def _why_not(client: KubeClient, issuer: _Issuer) -> str | None:
    kind, namespace, name = issuer
    try:
        found = await client.get(_ISSUERS[kind], name, namespace or None)
    except NotFound:
        return "there is none"
    except KubeError as error:
        return error.message
    generation = inner(found, "metadata").get("generation")
    ready = ready_of(found)
    if ready.get("observedGeneration") != generation:
        return NOT_LOOKED_AT
    return None if ready.get("status") == "True" else f"{ready.get('reason')}: {ready.get('message')}"
