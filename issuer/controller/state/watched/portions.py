"""Stores that several watches fill together, each with the objects of one API group of issuers.

A full list says which objects are gone, but only of its own watch's. A finished request costs its key here
until it is deleted.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from issuer.controller.state.watched.store import Store
from issuer.kube.wire import Object

K = TypeVar("K", bound=Hashable)


class SharedStores(Generic[K]):
    """Stores with the same keys, which get the same objects; `portion` gives one watch's way in."""

    def __init__(self, *stores: Store[K]) -> None:
        self.stores = stores
        self.shown_by: dict[K, Portion[K]] = {}

    def portion(self) -> Portion[K]:
        """Return the handler of one of the watches."""
        return Portion(self)


class Portion(Generic[K]):
    """Handler of one watch; see `issuer.kube.watching.handler.Handler`.

    An object that was made anew and is shown by another watch since is left to that one.
    """

    def __init__(self, shared: SharedStores[K]) -> None:
        self._shared = shared
        self._listed: set[K] = set()

    def begin(self) -> None:
        """Start a full list."""
        self._listed = set()

    def add(self, obj: Object) -> None:
        """Take an object of the list."""
        self._listed.add(self._key_of(obj))
        self.upsert(obj)

    def end(self) -> None:
        """Drop what this watch has shown before and did not list."""
        shown_by = self._shared.shown_by
        for key in [key for key, shown in shown_by.items() if shown is self and key not in self._listed]:
            self._drop(key)
        self._listed = set()

    def upsert(self, obj: Object) -> None:
        """Hand on an object that appeared or changed."""
        self._shared.shown_by[self._key_of(obj)] = self
        for store in self._shared.stores:
            store.upsert(obj)

    def remove(self, obj: Object) -> None:
        """Drop an object, unless another watch shows one of its name."""
        key = self._key_of(obj)
        if self._shared.shown_by.get(key) is self:
            self._drop(key)

    def _key_of(self, obj: Object) -> K:
        return self._shared.stores[0].key_of(obj)

    def _drop(self, key: K) -> None:
        del self._shared.shown_by[key]
        for store in self._shared.stores:
            store.drop(key)
