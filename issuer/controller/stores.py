"""What the watches bring, kept as little as the work needs.

Both classes are handlers of ``issuer.kube.reflector.Reflector``: its calls are
synchronous and come from the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from issuer.api.group import API_VERSION
from issuer.controller.request import IssuerKey, Request, RequestKey
from issuer.kube.resources import CERTIFICATE_REQUESTS

Json = dict[str, Any]


class RequestStore:
    """The requests that still want an answer; a finished one takes no room.

    ``answered`` remembers what this process has answered until the watch shows
    it, so that an older event that is still on its way can't cause a second
    signing.
    """

    def __init__(self, on_change: Callable[[RequestKey], None]) -> None:
        self._on_change = on_change
        self._pending: dict[RequestKey, Json] = {}
        self._answered: dict[RequestKey, str] = {}
        self._listed: set[RequestKey] | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def get(self, key: RequestKey) -> Request | None:
        """The request if it is known and unfinished."""
        found = self._pending.get(key)
        return None if found is None else Request(found)

    def keys(self) -> list[RequestKey]:
        """Every unfinished request."""
        return list(self._pending)

    def mark_answered(self, request: Request) -> None:
        """This process has written the request's final status."""
        self._pending.pop(request.key, None)
        self._answered[request.key] = request.uid

    def refresh(self, request: Request) -> None:
        """A newer copy was read or written directly."""
        if request.key in self._pending:
            self._pending[request.key] = request.object

    def begin(self) -> None:
        """A new list starts."""
        self._listed = set()

    def add(self, obj: Json) -> None:
        """One object of the list."""
        request = Request(obj)
        if self._listed is not None:
            self._listed.add(request.key)
        self.upsert(obj)

    def end(self) -> None:
        """The list is complete: what it did not name is gone."""
        listed, self._listed = self._listed or set(), None
        for key in [key for key in (*self._pending, *self._answered) if key not in listed]:
            self._drop(key)

    def upsert(self, obj: Json) -> None:
        """An object appeared or changed."""
        obj["apiVersion"], obj["kind"] = CERTIFICATE_REQUESTS.api_version, "CertificateRequest"
        request = Request(obj)
        key = request.key
        if request.finished:
            self._drop(key)
            return
        if self._answered.get(key) == request.uid:
            return  # an event from before our answer
        self._answered.pop(key, None)
        self._pending[key] = obj
        self._on_change(key)

    def remove(self, obj: Json) -> None:
        """An object is gone."""
        self._drop(Request(obj).key)

    def _drop(self, key: RequestKey) -> None:
        self._answered.pop(key, None)
        self._pending.pop(key, None)
        # Whoever holds a certificate for it has to know.
        self._on_change(key)


def issuer_key(obj: Json) -> IssuerKey:
    """The key of a VaultIssuer or VaultClusterIssuer."""
    meta = obj["metadata"]
    return IssuerKey(obj["kind"], meta.get("namespace", ""), meta["name"])


class IssuerStore:
    """All issuers of one kind, whole.

    ``on_change`` hears of new, deleted and newly specified issuers; a write of
    our own to their status is no change.
    """

    def __init__(self, kind: str, on_change: Callable[[IssuerKey], None]) -> None:
        self._kind = kind
        self._on_change = on_change
        self._objects: dict[IssuerKey, Json] = {}
        self._listed: set[IssuerKey] | None = None

    def get(self, key: IssuerKey) -> Json | None:
        """The issuer as last seen, or None."""
        return self._objects.get(key)

    def keys(self) -> list[IssuerKey]:
        """Every issuer of this kind."""
        return list(self._objects)

    def begin(self) -> None:
        """A new list starts."""
        self._listed = set()

    def add(self, obj: Json) -> None:
        """One object of the list."""
        self._type(obj)
        if self._listed is not None:
            self._listed.add(issuer_key(obj))
        self.upsert(obj)

    def end(self) -> None:
        """The list is complete: what it did not name is gone."""
        listed, self._listed = self._listed or set(), None
        for key in [key for key in self._objects if key not in listed]:
            del self._objects[key]
            self._on_change(key)

    def upsert(self, obj: Json) -> None:
        """An object appeared or changed."""
        self._type(obj)
        key = issuer_key(obj)
        old = self._objects.get(key)
        self._objects[key] = obj
        if old is None or _version(old) != _version(obj):
            self._on_change(key)

    def refresh(self, obj: Json) -> None:
        """A newer copy was written by us."""
        self._type(obj)
        key = issuer_key(obj)
        if key in self._objects:
            self._objects[key] = obj

    def remove(self, obj: Json) -> None:
        """An object is gone."""
        self._type(obj)
        self._objects.pop(issuer_key(obj), None)
        self._on_change(issuer_key(obj))

    def _type(self, obj: Json) -> None:
        """Items of a list come without their type."""
        obj["apiVersion"], obj["kind"] = API_VERSION, self._kind


def _version(obj: Json) -> tuple[Any, Any]:
    return obj["metadata"]["uid"], obj["metadata"]["generation"]
