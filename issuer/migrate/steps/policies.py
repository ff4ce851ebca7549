"""Steps that make our policies of approver-policy's CertificateRequestPolicies."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from issuer.api.group import API_VERSION, GROUP, POLICY_KIND
from issuer.api.model import SpecError
from issuer.explain.policies import PEER_GROUP, problem_lines, unknown_fields
from issuer.kube.wire import Object
from issuer.manifests.documents import Document
from issuer.migrate.origins import ORIGINS, IssuerOrigin
from issuer.migrate.plan import Action, Note, PlanStep, failure, info
from issuer.migrate.read.inventory import Inventory, inner, text
from issuer.migrate.steps.differences import met
from issuer.migrate.steps.issuers.carried import Issuers
from issuer.migrate.steps.metadata import new_metadata
from issuer.policy.compiled import CompiledPolicy, PolicyInvalid, compile_policy
from issuer.policy.facts import IssuerReference
from issuer.policy.patterns.wildcard import Pattern
from issuer.policy.selection import selects
from issuer.x509.usages import SERVER_AND_CLIENT, named_usages, usage_name


@dataclass(frozen=True, slots=True)
class Policies:
    """Policies by name: `manifests` of those that are carried over, and those `refused`.

    `refused` holds the selectors of refused policies as far as they could be read, so that nothing opens in
    their place.
    """

    manifests: Mapping[str, Object]
    refused: Mapping[str, CompiledPolicy | None]
    steps: tuple[PlanStep, ...]


def carry_policies(inventory: Inventory, issuers: Issuers) -> Policies:
    """Carry over policies about carried issuers; if no issuers were read, about any that could be."""
    manifests: dict[str, Object] = {}
    refused: dict[str, CompiledPolicy | None] = {}
    steps: list[PlanStep] = []
    for document in inventory.policies:
        old = f"{POLICY_KIND}.{PEER_GROUP} {document.name}"
        new = f"{POLICY_KIND}.{GROUP} {document.name}"
        selecting = _selecting(document)
        if selecting is not None and not _is_about(selecting, issuers):
            note = info("its selector names no issuer that is carried over: approver-policy goes on with it")
            steps.append(PlanStep(Action.LEAVE, old, "", (note,), source=document.source))
            continue
        manifest, notes = _carry(document)
        if manifest is None:
            refused[document.name] = selecting
            steps.append(PlanStep(Action.REFUSE, old, "", notes, source=document.source))
            continue
        manifests[document.name] = manifest
        there = inventory.has(manifest)
        if there is None:
            steps.append(PlanStep(Action.CREATE, old, new, notes, manifest, source=document.source))
        else:
            same = there.data.get("spec") == manifest["spec"]
            note = info("ours is there already" + ("" if same else ", with another spec; it stays as it is"))
            steps.append(PlanStep(Action.KEEP, old, new, (note,), source=document.source))
    return Policies(manifests, refused, tuple(steps))


def _selecting(document: Document) -> CompiledPolicy | None:
    """Compile a policy with its selector alone; None if not even that can be read."""
    selector = inner(document.data, "spec").get("selector")
    try:
        return compile_policy(document.name, {"selector": selector})
    except (PolicyInvalid, SpecError):
        return None


def _is_about(policy: CompiledPolicy, issuers: Issuers) -> bool:
    if issuers.any:
        return any(selects(policy, ref.old_reference) for ref in issuers.carried)
    fields = dict(policy.selector.issuer)
    name = fields["name"].text if "name" in fields else "x"  # a pattern matches itself
    return any(selects(policy, IssuerReference(name, one.kind, one.group)) for one in ORIGINS.values())


def _carry(document: Document) -> tuple[Object | None, tuple[Note, ...]]:
    spec = document.data.get("spec")
    if document.api_version != f"{PEER_GROUP}/v1alpha1":
        wanted = (
            f"apiVersion: {document.api_version} is not {PEER_GROUP}/v1alpha1, which is what is known here"
        )
        return None, (failure(wanted),)
    if not isinstance(spec, dict):
        return None, (failure("spec: is missing, or no object"),)
    # A field that we don't know may forbid something: without it the policy would allow more.
    problems = [f"{line} (without it the policy might allow more)" for line in unknown_fields(spec)]
    new_spec, notes = _rewritten(spec)
    try:
        compile_policy(document.name, new_spec)
    except (PolicyInvalid, SpecError) as error:
        problems += problem_lines(error)
    if problems:
        return None, tuple(map(failure, problems))
    metadata, more = new_metadata(document)
    metadata.pop("namespace", None)
    manifest = {"apiVersion": API_VERSION, "kind": POLICY_KIND, "metadata": metadata, "spec": new_spec}
    found = (*_usages_of_roles(inner(spec, "allowed").get("usages")), *map(info, met(spec)))
    return manifest, (*notes, *found, *more)


def _usages_of_roles(usages: Any) -> Iterator[Note]:
    """Yield a note about usages that a Vault role adds by default and the policy refuses."""
    allowed = named_usages(usages or ()).extended
    missing = sorted(map(usage_name, SERVER_AND_CLIENT - allowed))
    if allowed and missing:
        yield info(
            f"spec.allowed.usages: names extended usages without {' and '.join(missing)}. Vault roles, "
            "and step-ca's templates, add server auth and client auth unless they say otherwise, and a "
            "certificate with one that the policy doesn't name is refused: set server_flag and client_flag "
            "of the roles, or name it here"
        )


def _rewritten(spec: Mapping[str, Any]) -> tuple[Object, tuple[Note, ...]]:
    new: Object = copy.deepcopy(dict(spec))
    reference = inner(new, "selector", "issuerRef")
    notes = tuple(_rewrite_reference(reference)) if reference else ()
    if not reference:
        notes = (info("spec.selector names no issuer: with us it is about every issuer of vault-issuer.io"),)
    return new, notes


def _rewrite_reference(reference: Any) -> Iterator[Note]:
    group, kind = reference.get("group"), reference.get("kind")
    selected = _selected(group, kind)
    if isinstance(group, str) and group != GROUP:
        yield info(f"spec.selector.issuerRef.group: {group} -> {GROUP}")
        reference["group"] = GROUP
    new = _kind(kind if isinstance(kind, str) else None, selected)
    if new != kind:
        yield info(f"spec.selector.issuerRef.kind: {'any' if kind is None else kind} -> {new}")
        reference["kind"] = new
    if group is None or "*" in text(group):
        yield info(
            "the policy of approver-policy selects requests for our issuers too; it has no right to approve "
            "them, and says so in its log"
        )


def _selected(group: object, kind: object) -> tuple[IssuerOrigin, ...]:
    """Return the kinds that a selector is about; absent parts are about all."""
    groups = Pattern.parse(group) if isinstance(group, str) and group != GROUP else None
    kinds = Pattern.parse(kind) if isinstance(kind, str) else None
    return tuple(
        one
        for one in ORIGINS.values()
        if (groups is None or groups.matches(one.group)) and (kinds is None or kinds.matches(one.kind))
    )


def _kind(kind: str | None, selected: Collection[IssuerOrigin]) -> str | None:
    """Return the pattern that matches of our kinds the successors of those selected, and no other.

    Where the groups set them apart until now, the kind has to: ours are all of one group.
    """
    wanted = {one.new_kind for one in selected}
    matched = {
        one.new_kind for one in ORIGINS.values() if kind is None or Pattern.parse(kind).matches(one.new_kind)
    }
    if not wanted or wanted == matched:
        return kind
    if len(wanted) == 1:
        return wanted.pop()
    families = {one.new_family for one in selected}
    return families.pop() if len(families) == 1 else kind
