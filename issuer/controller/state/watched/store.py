"""The common part of stores of watched objects, and one that keeps nothing.

Each is a `Handler` (`issuer.kube.watching.handler`): its calls are synchronous and come from the event loop's
thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from issuer.kube.wire import Object

K = TypeVar("K", bound=Hashable)


class Store(ABC, Generic[K]):
    """The part of a handler that is the same for all: what a new list does not name is gone."""

    def __init__(self) -> None:
        self._listed: set[K] | None = None

    def begin(self) -> None:
        """Begin a full list."""
        self._listed = set()

    def add(self, obj: Object) -> None:
        """Note an object of the list."""
        if self._listed is not None:
            self._listed.add(self.key_of(obj))
        self.upsert(obj)

    def end(self) -> None:
        """End the list: what it did not name is gone."""
        listed, self._listed = self._listed or set(), None
        for key in [key for key in self.known() if key not in listed]:
            self.drop(key)

    def remove(self, obj: Object) -> None:
        """Forget an object that is gone."""
        self.drop(self.key_of(obj))

    @abstractmethod
    def key_of(self, obj: Object) -> K:
        """The key of an object."""

    @abstractmethod
    def known(self) -> Iterable[K]:
        """Every key the store holds something for."""

    @abstractmethod
    def upsert(self, obj: Object) -> None:
        """Keep an object that appeared or changed."""

    @abstractmethod
    def drop(self, key: K) -> None:
        """Forget the object of that key, which is gone."""


class ChangeNotifier(Store[str]):
    """Keeps nothing: it only says that something of a kind changed after the first list, and in which
    namespace; "" for an object without one, and where events were missed."""

    def __init__(self, on_change: Callable[[str], None]) -> None:
        super().__init__()
        self._on_change = on_change
        self._first = True

    def add(self, obj: Object) -> None:
        """Ignore a part of a list: it is no news by itself."""

    def end(self) -> None:
        """Call back if it is a later list: events were missed."""
        if not self._first:
            self._on_change("")
        self._first = False

    def key_of(self, obj: Object) -> str:
        """Return the namespace of an object."""
        return str(obj["metadata"].get("namespace") or "")

    def known(self) -> Iterable[str]:
        """Return no keys."""
        return ()

    def upsert(self, obj: Object) -> None:
        """Call back: something changed."""
        self._on_change(self.key_of(obj))

    def drop(self, key: str) -> None:
        """Call back: something is gone."""
        self._on_change(key)
