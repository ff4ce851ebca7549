"""What is to be done about the ConfigMap of one name in one namespace. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from issuer.controller.trust.claims import Claim
from issuer.controller.trust.config_maps import CONFIG_MAPS, ISSUER, LABEL, ROOTS, Found, content_hash
from issuer.controller.trust.roots import Roots
from issuer.kube.wire import Object


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing is to be done: it is as it should be, or what it should be isn't known now."""


@dataclass(frozen=True, slots=True)
class NotOurs:
    """Somebody else made the ConfigMap that is there: it is never touched."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write this object, in the place of `over`, or where none is there."""

    body: Object = field(repr=False)
    over: Found | None


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete what we made, as it was found."""

    found: Found


Step = Leave | NotOurs | Write | Remove


@dataclass(frozen=True, slots=True)
class Wanted:
    """A claim that holds, with the issuer's roots: None while they are not known for this spec of it."""

    claim: Claim
    roots: Roots | None


def decide(
    name: str,
    namespace: str,
    labels: dict[str, str],
    wanted: Wanted | None,
    found: Found | None,
    *,
    may_be_wanted: bool = False,
) -> Step:
    """Return the step for a namespace with these labels, which is not being deleted.

    `wanted` None: no issuer names the ConfigMap; then `may_be_wanted` keeps what an issuer had whose spec
    can't be read.
    """
    if wanted is None or not wanted.claim.config_map.namespace_selector.selects(labels):
        if found is None or not found.ours or (wanted is None and may_be_wanted):
            return Leave()
        return Remove(found)
    if found is not None and not found.ours:
        return NotOurs()
    if wanted.roots is None:
        return Leave()
    body = _body(name, namespace, wanted.claim, wanted.roots)
    if found is not None and _says(found, body):
        return Leave()
    return Write(body, found)


def _body(name: str, namespace: str, claim: Claim, roots: Roots) -> Object:
    return {
        "apiVersion": CONFIG_MAPS.api_version,
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {LABEL: ROOTS},
            "annotations": {ISSUER: str(claim.issuer)},
        },
        "data": {claim.config_map.key: roots.pem},
    }


def _says(found: Found, body: Object) -> bool:
    return (found.owner, found.content) == (
        body["metadata"]["annotations"][ISSUER],
        content_hash(body["data"], {}),
    )
