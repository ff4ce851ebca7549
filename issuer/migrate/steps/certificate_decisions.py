"""Notes at Certificates that the policies would deny after the migration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from issuer.explain.offline import EVERY_POLICY, explain
from issuer.explain.policies import PolicySet, compiled
from issuer.explain.review_input import RequestOptions, requests_in
from issuer.manifests.documents import Document
from issuer.manifests.errors import BadInput
from issuer.migrate.plan import Action, Note, PlanStep, info, todo
from issuer.migrate.read.inventory import Inventory, inner
from issuer.policy.decision import PolicyVerdict
from issuer.policy.selection import Exclusion
from issuer.text import first_of

_SHOWN = 5


def evaluate_certificates(steps: tuple[PlanStep, ...], inventory: Inventory) -> tuple[PlanStep, ...]:
    """Return the steps, with a note at each Certificate that our policies would not approve."""
    policies = _policies(steps, inventory)
    return tuple(
        replace(step, notes=(*step.notes, *_notes(step, policies, inventory.namespaces)))
        if step.action is Action.CHANGE and (step.manifest or {}).get("kind") == "Certificate"
        else step
        for step in steps
    )


def _policies(steps: tuple[PlanStep, ...], inventory: Inventory) -> PolicySet:
    specs = {one.name: inner(one.data, "spec") for one in inventory.our_policies}
    for step in steps:
        manifest = step.manifest or {}
        if manifest.get("kind") == "CertificateRequestPolicy":
            specs.setdefault(manifest["metadata"]["name"], manifest["spec"])
    return compiled(list(specs.items()))


def _notes(
    step: PlanStep, policies: PolicySet, namespaces: Mapping[str, Mapping[str, str]]
) -> Iterator[Note]:
    manifest: dict[str, Any] = step.manifest or {}
    try:
        (request,) = requests_in([Document(step.source, manifest)], step.source, RequestOptions())
    except BadInput as error:
        yield todo(f"can't be judged by the policies: {error}")
        return
    labels = namespaces.get(request.namespace, {})
    decision = explain(request, request.requester, policies, labels, [EVERY_POLICY]).decision
    if decision.verdict is PolicyVerdict.DENIED:
        fields = sorted({violation.field for result in decision.results for violation in result.violations})
        yield todo(f"no policy would allow it: {first_of(fields, _SHOWN)}")
    elif decision.verdict is PolicyVerdict.UNPROCESSED and any(
        result.reason is Exclusion.NAMESPACE and request.namespace not in namespaces
        for result in decision.results
    ):
        yield info("whether a policy selects it depends on its namespace, whose labels were not read")
    elif decision.verdict is PolicyVerdict.UNPROCESSED:
        yield todo("no policy would select it, and its request would wait")
