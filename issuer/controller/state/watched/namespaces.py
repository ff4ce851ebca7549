"""Labels of namespaces, and which are being deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from issuer.controller.state.watched.store import Store
from issuer.kube.wire import Object


class _Namespace(NamedTuple):
    """Parts of a namespace; the uid tells one that was made again while the watch was away."""

    uid: str
    labels: dict[str, str]
    terminating: bool


class NamespaceStore(Store[str]):
    """The labels of every namespace, and which are being deleted; `on_change` hears when that changes."""

    def __init__(self, on_change: Callable[[str], None]) -> None:
        super().__init__()
        self._on_change = on_change
        self._known: dict[str, _Namespace] = {}

    def terminating(self, namespace: str) -> bool:
        """Return True if the namespace is being deleted."""
        known = self._known.get(namespace)
        return known is not None and known.terminating

    def labels(self, namespace: str) -> dict[str, str] | None:
        """The namespace's labels, or None while it is not known."""
        known = self._known.get(namespace)
        return None if known is None else known.labels

    def key_of(self, obj: Object) -> str:
        """Return the name of an object."""
        return str(obj["metadata"]["name"])

    def known(self) -> Iterable[str]:
        """Return the names of all namespaces."""
        return tuple(self._known)

    def upsert(self, obj: Object) -> None:
        """Keep a namespace that appeared or changed."""
        name, meta = self.key_of(obj), obj["metadata"]
        now = _Namespace(
            str(meta.get("uid", "")), dict(meta.get("labels") or {}), bool(meta.get("deletionTimestamp"))
        )
        if self._known.get(name) != now:
            self._known[name] = now
            self._on_change(name)

    def drop(self, key: str) -> None:
        """Forget a namespace that is gone."""
        self._known.pop(key, None)
