"""Issuers, as they were last seen or written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from issuer.controller.state.health.bad_answers import RETRY_ANNOTATION
from issuer.controller.state.watched.kept import KeptIssuers
from issuer.controller.state.watched.store import Store
from issuer.kube.wire import Object
from issuer.requests.finalizer import annotation
from issuer.requests.issuers import BUILT_IN, IssuerKey, IssuerKinds


class IssuerStore(Store[IssuerKey]):
    """All issuers of one kind: spec, status, and the metadata that is read.

    `on_change` hears of new, deleted and newly specified issuers, and of those that somebody asks to have
    tried again; a write of our own to their status is no change.
    """

    def __init__(
        self, kind: str, on_change: Callable[[IssuerKey], None], kinds: IssuerKinds = BUILT_IN
    ) -> None:
        super().__init__()
        self._kind = kind
        self._type = {"apiVersion": kinds[kind].resource.api_version, "kind": kinds[kind].api_kind}
        self._on_change = on_change
        self._objects = KeptIssuers()

    def get(self, key: IssuerKey) -> Object | None:
        """The issuer as last seen, or None."""
        return self._objects.get(key)

    def version(self, key: IssuerKey) -> tuple[str, int] | None:
        """Return uid and generation of the issuer as last seen, or None."""
        found = self._objects.get(key)
        return None if found is None else _version(found)

    def key_of(self, obj: Object) -> IssuerKey:
        """Kind, namespace (empty for cluster issuers) and name."""
        meta = obj["metadata"]
        return IssuerKey(self._kind, meta.get("namespace", ""), meta["name"])

    def known(self) -> Iterable[IssuerKey]:
        """Every issuer of this kind."""
        return tuple(self._objects)

    def upsert(self, obj: Object) -> None:
        """Keep an issuer that appeared or changed."""
        key, old = self.key_of(obj), self._objects.get(self.key_of(obj))
        self._keep(key, obj)
        if old is None or _version(old) != _version(obj) or retry_mark(old) != retry_mark(obj):
            self._on_change(key)

    def refresh(self, obj: Object) -> None:
        """Keep a newer copy that we wrote of the very object that is known."""
        key = self.key_of(obj)
        known = self._objects.get(key)
        if known is not None and _version(known) == _version(obj):
            self._keep(key, obj)

    def problem(self, key: IssuerKey) -> str | None:
        """Return why the issuer can't be worked with, or None."""
        return self._objects.problem(key)

    def fits_now(self, key: IssuerKey) -> bool:
        """Return True if there is room again for an issuer that was left out: read it, and `refresh`."""
        return self._objects.fits_now(key)

    def drop(self, key: IssuerKey) -> None:
        """Forget an issuer that is gone."""
        self._objects.pop(key)
        self._on_change(key)

    def _keep(self, key: IssuerKey, obj: Object) -> None:
        """Items of a list come without their type."""
        self._objects.put(key, {**obj, **self._type})


def retry_mark(issuer: Object) -> str | None:
    """Return the annotation by which somebody asks to have the issuer tried again, None without it."""
    return annotation(issuer, RETRY_ANNOTATION) or None


def _version(obj: Object) -> tuple[Any, Any]:
    return obj["metadata"]["uid"], obj["metadata"]["generation"]
