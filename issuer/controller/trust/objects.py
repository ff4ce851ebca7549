"""Objects with roots, as a watch brings them: of each a few facts, and no content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

import orjson

from issuer.api.group import GROUP
from issuer.controller.state.watched.store import Store
from issuer.kube.resources import Resource
from issuer.kube.wire import Object

CONFIG_MAPS: Final = Resource("", "v1", "configmaps", namespaced=True)
BUNDLE_GROUP: Final = "certificates.k8s.io"
CLUSTER_TRUST_BUNDLES: Final = tuple(
    Resource(BUNDLE_GROUP, version, "clustertrustbundles", namespaced=False) for version in ("v1", "v1beta1")
)
"""By API version, the best first: which of them a server has depends on its version and flags."""
LABEL: Final = f"{GROUP}/trust"
ROOTS: Final = "roots"
"""The label, and its value, of an object that this controller made."""
ISSUER: Final = f"{GROUP}/trust-issuer"
"""The annotation that names the issuer whose roots it has."""
_MAX_OWNER: Final = 512


@dataclass(frozen=True, slots=True)
class SeenObject:
    """Facts of an object: `ours` if this controller made it, `owner` the issuer it was written for, the
    SHA-256 of its content, whether somebody made that `immutable`, and whether it is `ending`: being deleted,
    and kept by a finalizer."""

    uid: str
    version: str
    ours: bool
    owner: str
    content: str
    immutable: bool = False
    ending: bool = False

    @classmethod
    def of(cls, obj: Object) -> SeenObject:
        """The facts of an object of the API server."""
        meta = obj["metadata"]
        labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
        return cls(
            str(meta.get("uid", "")),
            str(meta.get("resourceVersion", "")),
            labels.get(LABEL) == ROOTS,
            str(annotations.get(ISSUER) or "")[:_MAX_OWNER],
            content_hash(obj),
            obj.get("immutable") is True,
            bool(meta.get("deletionTimestamp")),
        )


def content_hash(obj: Object) -> str:
    """Return the SHA-256 of all that an object holds beside its metadata."""
    content = [obj.get(part) or {} for part in ("data", "binaryData", "spec")]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


class SeenStore(Store[str]):
    """Facts of objects: those of one name by namespace, or those of the cluster by name.

    `on_change` hears of the key of one that changed, `on_listed` when all are known. Before that `listed` is
    False, and one that isn't known may be there.
    """

    def __init__(
        self,
        by: Literal["namespace", "name"],
        on_change: Callable[[str], None],
        on_listed: Callable[[], None],
    ) -> None:
        super().__init__()
        self._by = by
        self._on_change = on_change
        self._on_listed = on_listed
        self._found: dict[str, SeenObject] = {}
        self.listed = False

    def end(self) -> None:
        """End the list: what it did not name is gone."""
        super().end()
        self.listed = True
        self._on_listed()

    def get(self, key: str) -> SeenObject | None:
        """Return what is known of one, None where there is none."""
        return self._found.get(key)

    def key_of(self, obj: Object) -> str:
        """Return the namespace or name of an object."""
        return str(obj["metadata"][self._by])

    def known(self) -> Iterable[str]:
        """Return the keys of all."""
        return tuple(self._found)

    def upsert(self, obj: Object) -> None:
        """Keep the facts of one that appeared or changed, unless they are older than what is known.

        A list is believed: after a restore of etcd, versions begin at an earlier number.
        """
        key, found = self.key_of(obj), SeenObject.of(obj)
        known = self._found.get(key)
        is_event = self._listed is None and known is not None and known.uid == found.uid
        if is_event and known is not None and _number(found) < _number(known):
            return  # from before our own write
        self._found[key] = found
        if known != found:
            self._on_change(key)

    def drop(self, key: str) -> None:
        """Forget one that is gone."""
        if self._found.pop(key, None) is not None:
            self._on_change(key)


def _number(found: SeenObject) -> int:
    """Resource versions are numbers at every API server with etcd; elsewhere any order counts as new."""
    return int(found.version) if found.version.isdecimal() else 0
