"""Steps for what names an issuer: Certificates, Ingresses, Gateways, CertificateSigningRequests."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from issuer.api.group import GROUP
from issuer.kube.wire import Object
from issuer.manifests.documents import Document
from issuer.migrate.origins import CERT_MANAGER_GROUP, ORIGINS, referred
from issuer.migrate.plan import Action, Note, PlanStep, info, loss, todo
from issuer.migrate.read.inventory import (
    Inventory,
    Ref,
    inner,
    is_live,
    is_plain,
    namespace_of,
    text,
    title,
)
from issuer.migrate.steps.access import issuer_of
from issuer.migrate.steps.issuers.carried import Issuers
from issuer.migrate.steps.metadata import LAST_APPLIED, cleaned, managers, owners_of
from issuer.migrate.steps.roles import signer_of
from issuer.text import counted

ISSUER: Final = f"{CERT_MANAGER_GROUP}/issuer"
CLUSTER_ISSUER: Final = f"{CERT_MANAGER_GROUP}/cluster-issuer"
ISSUER_KIND: Final = f"{CERT_MANAGER_GROUP}/issuer-kind"
ISSUER_GROUP: Final = f"{CERT_MANAGER_GROUP}/issuer-group"
_ANNOTATIONS: Final = (ISSUER, CLUSTER_ISSUER, ISSUER_KIND, ISSUER_GROUP)
_TLS_ACME: Final = "kubernetes.io/tls-acme"
_SHIM_OWNERS: Final = frozenset({"Ingress", "Gateway", "ListenerSet", "XListenerSet"})


def certificate_steps(inventory: Inventory, issuers: Issuers) -> Iterator[PlanStep]:
    """Yield Certificates with their new issuerRef."""
    for document in inventory.certificates:
        spec = inner(document.data, "spec")
        reference = inner(spec, "issuerRef")
        ref = _named(reference.get("name"), reference.get("kind"), reference.get("group"), document)
        if ref is None:
            continue  # of another issuer's group, ours included
        refusal = _refusal(ref, issuers) or _unfit(document, spec)
        if refusal is not None:
            yield _left(document, ref, refusal)
            continue
        owner = next((one for one in owners_of(document) if one[0] in _SHIM_OWNERS), None)
        if owner is not None:
            yield _left(document, ref, info(f"made from {' '.join(owner)}, and follows its annotations"))
            continue
        before = cleaned(document)
        after = copy.deepcopy(before)
        after["spec"]["issuerRef"] = dict(issuer_of(ref))
        # With cert-manager's defaults written out: kubectl would leave our kind and group where none stand.
        before["spec"]["issuerRef"] = {"group": ref.origin.group, "kind": ref.kind, "name": ref.name}
        yield _change(document, f"-> {ref.old}", f"-> {ref.new}", before, after, managers(document))


def ingress_steps(inventory: Inventory, issuers: Issuers) -> Iterator[PlanStep]:
    """Yield Ingresses, Gateways and ListenerSets with the annotations that name our issuer."""
    for document in inventory.ingresses:
        annotations = inner(document.metadata, "annotations")
        if not any(key in annotations for key in (ISSUER, CLUSTER_ISSUER)):
            if annotations.get(_TLS_ACME) == "true":
                note = todo(
                    f"{_TLS_ACME} takes the default issuer of cert-manager's flags, which can't be seen "
                    "here: if that one moves, change ingressShim in its values"
                )
                yield PlanStep(Action.LEAVE, title(document), "", (note,), source=document.source)
            continue
        if CLUSTER_ISSUER in annotations and len([key for key in _ANNOTATIONS if key in annotations]) > 1:
            note = loss(
                "its cert-manager.io annotations contradict each other, and cert-manager ignores them"
            )
            yield PlanStep(Action.LEAVE, title(document), "", (note,), source=document.source)
            continue
        ref = _annotated(annotations, document)
        if ref is None:
            continue
        refusal = _refusal(ref, issuers)
        if refusal is not None:
            yield _left(document, ref, refusal)
            continue
        yield _ingress(document, ref)


def signing_request_steps(inventory: Inventory, issuers: Issuers) -> Iterator[PlanStep]:
    """Yield Kubernetes CertificateSigningRequests: files get the new signerName, live ones can't change."""
    live: Counter[Ref] = Counter()
    for document in inventory.signing_requests:
        ref = signer_of(text(inner(document.data, "spec").get("signerName")))
        if ref is None or ref not in issuers.carried:
            continue
        if is_live(document):
            live[ref] += 1
            continue
        before = cleaned(document)
        after = copy.deepcopy(before)
        after["spec"]["signerName"] = ref.new_signer
        yield PlanStep(
            Action.CHANGE, title(document), ref.new_signer, managers(document), after, before, document.source
        )
    for ref, count in live.items():
        note = todo(
            f"{counted(count, 'CertificateSigningRequest names', 'CertificateSigningRequests name')} it: "
            f"whoever makes them must name {ref.new_signer}"
        )
        yield PlanStep(Action.LEAVE, f"signer of {ref.old}", "", (note,))


def _named(name: object, kind: object, group: object, document: Document) -> Ref | None:
    """Return the issuer that a reference means, with the defaults of its group; None for another group."""
    named = referred(kind, group)
    if named is None:
        return None
    origin = ORIGINS.get(named)
    namespace = "" if origin is not None and not origin.resource.namespaced else namespace_of(document)
    return Ref(named, namespace, text(name))


def _annotated(annotations: Mapping[str, object], document: Document) -> Ref | None:
    if CLUSTER_ISSUER in annotations:
        return _named(annotations[CLUSTER_ISSUER], "ClusterIssuer", None, document)
    return _named(annotations[ISSUER], annotations.get(ISSUER_KIND), annotations.get(ISSUER_GROUP), document)


def _refusal(ref: Ref, issuers: Issuers) -> Note | None:
    """Return why objects that name this issuer stay as they are; None if it is carried over."""
    if ref in issuers.carried:
        return None
    if ref in issuers.others:
        return info(f"its issuer is of type {issuers.others[ref]}")
    if ref in issuers.refused:
        return loss(f"stays with {ref.quoted}, which cannot be carried over")
    condition = "if it has spec.vault, " if ref.origin.group == CERT_MANAGER_GROUP else ""
    return todo(f"{ref.quoted} was not among what was read: {condition}give it too")


def _unfit(document: Document, spec: Mapping[str, object]) -> Note | None:
    if document.api_version != f"{CERT_MANAGER_GROUP}/v1":
        return loss(f"apiVersion {document.api_version} is none that cert-manager serves today")
    if spec.get("isCA") is True:
        return loss(
            "asks for a CA certificate (spec.isCA), which our issuer fails until it has "
            "spec.certificateAuthority.path; add that, and change the issuerRef then"
        )
    return None


def _left(document: Document, ref: Ref, note: Note) -> PlanStep:
    return PlanStep(Action.LEAVE, f"{title(document)} -> {ref.old}", "", (note,), source=document.source)


def _change(
    document: Document, old: str, new: str, before: Object, after: Object, notes: tuple[Note, ...]
) -> PlanStep:
    version = text(document.metadata.get("resourceVersion"))
    return PlanStep(
        Action.CHANGE, f"{title(document)} {old}", new, notes, after, before, document.source, version
    )


def _ingress(document: Document, ref: Ref) -> PlanStep:
    before = cleaned(document)
    wanted = {ISSUER: ref.name, ISSUER_KIND: ref.new_kind, ISSUER_GROUP: GROUP}
    old = before["metadata"]["annotations"]
    kept = {key: value for key, value in old.items() if key not in _ANNOTATIONS}
    after = {**before, "metadata": {**before["metadata"], "annotations": {**kept, **wanted}}}
    notes = (*_left_over(document), *managers(document))
    return _change(document, f"-> {ref.old}", f"-> {ref.new}", before, after, notes)


def _left_over(document: Document) -> Iterator[Note]:
    """Yield a note of the annotation that kubectl apply leaves: it removes only those that it wrote."""
    annotations = inner(document.metadata, "annotations")
    if CLUSTER_ISSUER not in annotations or not is_live(document):
        return
    if CLUSTER_ISSUER not in text(annotations.get(LAST_APPLIED)):
        where = f"-n {namespace_of(document)} {document.kind.lower()}/{document.name}"
        command = f": kubectl annotate {where} {CLUSTER_ISSUER}-"
        yield todo(
            f"kubectl apply would leave {CLUSTER_ISSUER} beside the new annotations, and cert-manager takes "
            "only one; take it out (--apply does so)"
            + (command if is_plain(document.name, namespace_of(document)) else "")
        )
