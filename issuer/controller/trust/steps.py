"""The next step for the ConfigMap of one name in one namespace. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from issuer.controller.trust.claims import Claim
from issuer.controller.trust.objects import CONFIG_MAPS, ISSUER, LABEL, ROOTS, SeenObject, content_hash
from issuer.controller.trust.roots import Roots
from issuer.kube.wire import Object


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave it: it is as it should be, or what it should be isn't known now."""


@dataclass(frozen=True, slots=True)
class StayFor:
    """Leave it for so many seconds, and look at it again then."""

    seconds: float


@dataclass(frozen=True, slots=True)
class NotOurs:
    """Somebody else made the ConfigMap that is there: it is never touched."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """Wait: what we made is being deleted, and a finalizer of somebody else's keeps it, unchangeable."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write this object, in the place of `over`, or where none is there."""

    body: Object = field(repr=False)
    over: SeenObject | None


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete what we made, as it was found; `to_write_anew` where another is to be in its place."""

    found: SeenObject
    to_write_anew: bool = False


Step = Leave | StayFor | NotOurs | Stuck | Write | Remove


@dataclass(frozen=True, slots=True)
class WantedRoots:
    """A claim that holds, with the issuer's roots: None while they are not known for this spec of it."""

    claim: Claim
    roots: Roots | None


def decide(
    name: str,
    namespace: str,
    labels: dict[str, str],
    wanted: WantedRoots | None,
    found: SeenObject | None,
    kept: float = 0.0,
) -> Step:
    """Return the step for a namespace with these labels, which is not being deleted.

    `wanted` None: no issuer names the ConfigMap. For `kept` seconds what was made for its issuer stays though
    no spec wants it; `math.inf` until something else is known.
    """
    target = None if wanted is None else wanted.claim.config_map
    if wanted is None or target is None or not target.namespace_selector.selects(labels):
        if found is None or not found.ours or found.ending or kept == math.inf:
            return Leave()
        return StayFor(kept) if kept else Remove(found)
    if found is not None and not found.ours:
        return NotOurs()
    if wanted.roots is None:
        return Leave()
    meta = {"name": name, "namespace": namespace, **made_for(wanted.claim)}
    body = {
        "apiVersion": CONFIG_MAPS.api_version,
        "kind": "ConfigMap",
        "metadata": meta,
        "data": {target.key: wanted.roots.pem},
    }
    if found is not None and says(found, body):
        return Leave()
    if found is not None and found.immutable:  # once it is seen to be gone it is made again
        return Stuck() if found.ending else Remove(found, to_write_anew=True)
    return Write(body, found)


def made_for(claim: Claim) -> Object:
    """Return the metadata by which an object is known as made for an issuer."""
    return {"labels": {LABEL: ROOTS}, "annotations": {ISSUER: str(claim.issuer)}}


def says(found: SeenObject, body: Object) -> bool:
    """Return True if what was found is as this object would be written."""
    return (found.owner, found.content) == (body["metadata"]["annotations"][ISSUER], content_hash(body))


def replacing(found: SeenObject, body: Object) -> Object:
    """Return the object to be written in the place of what was found, and of nothing that came after it."""
    meta = {**body["metadata"], "uid": found.uid, "resourceVersion": found.version}
    return {**body, "metadata": meta}
