"""Metadata that goes along with an object, and notes about the rest."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from issuer.kube.wire import Object
from issuer.manifests.documents import Document
from issuer.migrate.plan import Note, info, todo
from issuer.migrate.read.inventory import inner
from issuer.text import first_of

# The server's own, and kubectl's copy of what was applied last.
_SERVERS: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"

_INSTANCE: Final = "app.kubernetes.io/instance"
# By these a tool knows an object as its own, and removes one that it didn't make.
_TOOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "Argo CD": ("argocd.argoproj.io/", _INSTANCE),
    "Flux": ("kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/"),
    "Helm": ("meta.helm.sh/", "helm.sh/", "app.kubernetes.io/managed-by"),
    "Fleet": ("objectset.rio.cattle.io/",),
}


def new_metadata(document: Document) -> tuple[Object, tuple[Note, ...]]:
    """Return metadata for our object made after this one: name, namespace, labels and annotations.

    Not the server's fields, not the owners, not the marks by which Helm or a GitOps tool knows its objects:
    with them it would take the new object for its own, and prune it.
    """
    old = document.metadata
    notes: list[Note] = []
    made: Object = {key: old[key] for key in ("name", "namespace") if old.get(key)}
    for part in ("labels", "annotations"):
        kept = {key: value for key, value in inner(old, part).items() if key != LAST_APPLIED}
        marks = [key for key in kept if _tool(key, kept[key])]
        if marks:
            notes.append(
                info(f"metadata.{part} not copied, as a tool keeps its own by them: {first_of(marks)}")
            )
        kept = {key: value for key, value in kept.items() if key not in marks}
        if kept:
            made[part] = kept
    owners = [f"{kind} {name}" for kind, name in owners_of(document)]
    if owners:
        notes.append(
            todo(f"belongs to {first_of(owners)}, which the new object does not: its maker must know")
        )
    if old.get("finalizers"):
        notes.append(info(f"metadata.finalizers not copied: {first_of(list(map(str, old['finalizers'])))}"))
    return made, (*notes, *managers(document))


def cleaned(document: Document) -> Object:
    """Return the object as somebody would write it, without status and the server's fields."""
    data: Object = copy.deepcopy({key: value for key, value in document.data.items() if key != "status"})
    metadata = data["metadata"]
    for key in _SERVERS:
        metadata.pop(key, None)
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        annotations.pop(LAST_APPLIED, None)
        if not annotations:
            del metadata["annotations"]
    return data


def managers(document: Document) -> tuple[Note, ...]:
    """Return a note if a tool would put the object back as it was."""
    marks = {**inner(document.metadata, "labels"), **inner(document.metadata, "annotations")}
    # Every chart sets the instance; only as a copy would it be taken for Argo CD's mark.
    marks.pop(_INSTANCE, None)
    tools = sorted({tool for key, value in marks.items() if (tool := _tool(key, value))})
    if not tools:
        return ()
    return (todo(f"kept by {' and '.join(tools)}: make the change in its source too, or it is put back"),)


def owners_of(document: Document) -> Iterator[tuple[str, str]]:
    """Yield kind and name of each owner."""
    owners = document.metadata.get("ownerReferences")
    for owner in owners if isinstance(owners, list) else ():
        if isinstance(owner, dict):
            yield str(owner.get("kind", "?")), str(owner.get("name", "?"))


def _tool(key: str, value: Any) -> str:
    if key == "app.kubernetes.io/managed-by" and value != "Helm":
        return ""
    return next((tool for tool, marks in _TOOLS.items() if key.startswith(marks)), "")
