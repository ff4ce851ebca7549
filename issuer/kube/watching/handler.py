"""Handlers of objects, and the calls of one, which no odd object ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from issuer.kube.client import MAX_LINE, TOO_LARGE
from issuer.kube.wire import Object


class Handler(Protocol):
    """The receiver of a resource's objects. Its methods run on the event loop: quick, and not async."""

    def begin(self) -> None:
        """Begin a full list, which replaces all that was known; voids a list that was begun and not ended."""

    def add(self, obj: Object) -> None:
        """Take an object of the list."""

    def end(self) -> None:
        """End the list: objects known before and not added since `begin` are gone."""

    def upsert(self, obj: Object) -> None:
        """Take an object that was created or changed."""

    def remove(self, obj: Object) -> None:
        """Drop an object that is gone (its last state), or that is no longer kept; perhaps never seen."""


class HandlerCalls:
    """Hands objects to a handler: those that `keep` takes, without `metadata.managedFields`.

    An exception of either concerns one object and is logged; the others go on.
    """

    def __init__(
        self, handler: Handler, keep: Callable[[Object], bool] | None, log: FilteringBoundLogger
    ) -> None:
        self._handler = handler
        self._keep = keep if keep is not None else _everything
        self._log = log
        self.too_large = 0
        """Events that were skipped because of their size."""
        self.errors = 0
        """Exceptions of the handler and of `keep`."""

    def begin(self) -> None:
        """Begin a full list."""
        self._handler.begin()

    def end(self) -> None:
        """End the list."""
        self._handler.end()

    def listed(self, obj: Object) -> bool:
        """Hand on an object of the list; return False if it isn't kept."""
        kept = self._kept(obj)
        if kept:
            self._call(self._handler.add, obj)
        return kept

    def event(self, kind: str, obj: Object) -> None:
        """Hand on an event of a watch."""
        if kind == TOO_LARGE:
            self.too_large += 1
            self._log.error("an object is too large and was skipped", bound=MAX_LINE)
        elif kind == "DELETED":
            self._call(self._handler.remove, obj)
        elif kind in ("ADDED", "MODIFIED"):
            # What is not kept any more is removed; the handler knows whether it ever had it.
            self._call(self._handler.upsert if self._kept(obj) else self._handler.remove, obj)
        else:
            self._log.warning("unknown watch event", kind=kind[:32])

    def _kept(self, obj: Object) -> bool:
        try:
            return self._keep(obj)
        except Exception:  # noqa: BLE001 - one odd object must not stop the others
            self.errors += 1
            self._log.exception("filter failed, object ignored", **_who(obj))
            return False

    def _call(self, method: Callable[[Object], None], obj: Object) -> None:
        metadata = obj.get("metadata")
        if isinstance(metadata, dict):
            metadata.pop("managedFields", None)
        try:
            method(obj)
        except Exception:  # noqa: BLE001 - one odd object must not stop the others
            self.errors += 1
            self._log.exception("handler failed, object ignored", **_who(obj))


def _everything(_: Object) -> bool:
    return True


def _who(obj: Object) -> dict[str, object]:
    metadata = obj.get("metadata") or {}
    return {"namespace": metadata.get("namespace"), "name": metadata.get("name")}
