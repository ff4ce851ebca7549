"""Stores of what the watches bring, kept as little as the work needs.

All classes are handlers of `issuer.kube.watching.reflector.Reflector`: its calls are
synchronous and come from the event loop's thread.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Final, Generic, NamedTuple, TypeVar

import orjson

from issuer.bounded import LruCache
from issuer.controller.state.health.bad_answers import RETRY_ANNOTATION
from issuer.controller.state.watched.kept import Kept, KeptIssuers, KeptRequests
from issuer.kube.wire import Object
from issuer.requests.finalizer import annotation
from issuer.requests.issuers import BUILT_IN, IssuerKey, IssuerKinds
from issuer.requests.request import Request, RequestKey

K = TypeVar("K", bound=Hashable)

_REMEMBERED: Final = 1_000
"""Requests of which it is known that their answer is this process's."""


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


class Glance(NamedTuple):
    """Facts of an open request, known without parsing it; `reason` is why it waits, by its status."""

    uid: str
    issuer: IssuerKey | None
    username: str
    reason: str


class RequestStore(Store[RequestKey]):
    """The requests of one kind that still want an answer; none that is finished or being deleted.

    `answered` remembers what this process has answered until the watch shows
    it, so that an older event that is still on its way can't cause a second
    signing. `on_answer` hears of a request that was open and has an answer which this process has not
    written, or doesn't know yet to be written.
    """

    def __init__(
        self,
        kind: type[Request],
        on_change: Callable[[RequestKey], None],
        issuer_kinds: IssuerKinds = BUILT_IN,
        on_answer: Callable[[RequestKey, IssuerKey | None], None] = lambda _key, _issuer: None,
    ) -> None:
        super().__init__()
        self._kind = kind
        self._on_answer = on_answer
        self._issuer_kinds = issuer_kinds
        self._on_change = on_change
        self._pending = KeptRequests()
        self._answered: dict[RequestKey, str] = {}
        self._ours: LruCache[str, None] = LruCache(_REMEMBERED)

    def __len__(self) -> int:
        return len(self._pending)

    def read(self, obj: Object) -> Request:
        """Return the request that an object of the API server is."""
        return self._kind(obj, self._issuer_kinds)

    def pending(self) -> tuple[RequestKey, ...]:
        """Return the requests that want an answer."""
        return tuple(self._pending)

    def get(self, key: RequestKey) -> Request | None:
        """The request if it is known, unfinished and kept here: a copy of the caller's own."""
        found = self._pending.get(key)
        return None if found is None or found.text is None else self.read(orjson.loads(found.text))

    def to_be_read(self, key: RequestKey) -> str | None:
        """The uid of a request that is known and unfinished, but too large to be kept; else None."""
        found = self._pending.get(key)
        return None if found is None or found.text is not None else found.uid

    @property
    def size(self) -> int:
        """Bytes that are kept of all requests."""
        return self._pending.size

    @property
    def without_text(self) -> int:
        """The number of requests that are known, but not kept: each attempt reads them."""
        return self._pending.without_text

    def seen(self, key: RequestKey) -> float:
        """Return when this process first saw the request (`time.monotonic`); now, where it isn't known."""
        found = self._pending.get(key)
        return time.monotonic() if found is None else found.seen

    def asked_of(self, key: RequestKey) -> tuple[IssuerKey | None, str] | None:
        """Return the issuer it names (None: none of ours) and who made it; None when it isn't known."""
        found = self._pending.get(key)
        return None if found is None else (found.issuer, found.username)

    def glance(self, key: RequestKey) -> Glance | None:
        """Return what is known of a request without parsing it; None when it isn't known."""
        found = self._pending.get(key)
        return None if found is None else Glance(found.uid, found.issuer, found.username, found.reason)

    def is_unchanged(self, request: Request) -> bool:
        """Return True if this very request still wants an answer, and no news of it came."""
        found = self._pending.get(request.key)
        return found is not None and found.news == request.news

    def stored(self, request: Request) -> int:
        """Return the bytes of JSON that the whole object has at the API server; 0 if it isn't known."""
        known = self._pending.get(request.key)
        return 0 if known is None or known.uid != request.uid else known.stored

    def is_ours(self, uid: str) -> bool:
        """Return True if this process wrote the answer of the request of that uid, lately."""
        return uid in self._ours

    def mark_written(self, request: Request) -> None:
        """Note that this process has written the final status of this very request."""
        self._ours.put(request.uid, None)
        self.mark_answered(request)

    def mark_answered(self, request: Request) -> None:
        """Note that this very request has its final status.

        One that is known to be gone, or made again under its name, is left out: no older event of it is on
        its way either.
        """
        key = request.key
        known = self._pending.get(key)
        if known is not None and known.uid == request.uid:
            self._pending.pop(key)
            self._answered[key] = request.uid

    def refresh(self, request: Request) -> None:
        """Keep a copy of the very object that is known, read or written directly; ignore an older one."""
        known = self._pending.get(request.key)
        if known is None or known.uid != request.uid:
            return
        fresh = Kept.of(request, known.seen)
        if not _older(fresh.version, known.version):
            self._pending.put(request.key, fresh)

    def key_of(self, obj: Object) -> RequestKey:
        """Return namespace and name of an object."""
        return self._kind(obj).key

    def known(self) -> Iterable[RequestKey]:
        """Unfinished requests, and those answered a moment ago."""
        return (*self._pending, *self._answered)

    def upsert(self, obj: Object) -> None:
        """Keep a request that appeared or changed."""
        obj["apiVersion"], obj["kind"] = self._kind.resource.api_version, self._kind.kind
        request = self.read(obj)
        key = request.key
        if request.finished or request.deleted:
            known = self._pending.get(key)
            if request.finished and known is not None and known.uid == request.uid:
                self._on_answer(key, known.issuer)
            self.drop(key)
            return
        if self._answered.get(key) == request.uid:
            return  # an event from before our answer
        self._answered.pop(key, None)
        known = self._pending.get(key)
        first = known is None or known.uid != request.uid
        kept = Kept.of(request, time.monotonic() if known is None or first else known.seen)
        self._pending.put(key, kept)
        # Its spec is frozen, so few things can be news; our own Pending must not end its backoff.
        if known is None or known.news != kept.news:
            self._on_change(key)

    def drop(self, key: RequestKey) -> None:
        """Forget a request that is gone or finished; whoever holds a certificate for it has to know."""
        answered, pending = self._answered.pop(key, None), self._pending.pop(key)
        if answered is not None or pending is not None:
            self._on_change(key)


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


class ChangeNotifier(Store[str]):
    """Keeps nothing: it only says that something of a kind changed after the first list."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        super().__init__()
        self._on_change = on_change
        self._first = True

    def add(self, obj: Object) -> None:
        """Ignore a part of a list: it is no news by itself."""

    def end(self) -> None:
        """Call back if it is a later list: events were missed."""
        if not self._first:
            self._on_change()
        self._first = False

    def key_of(self, obj: Object) -> str:
        """Return one key for all: nothing is kept."""
        return ""

    def known(self) -> Iterable[str]:
        """Return no keys."""
        return ()

    def upsert(self, obj: Object) -> None:
        """Call back: something changed."""
        self._on_change()

    def drop(self, key: str) -> None:
        """Call back: something is gone."""
        self._on_change()


def _older(one: str, other: str) -> bool:
    """Return True if the first copy is older; resource versions are numbers at every API server with etcd."""
    return one.isdecimal() and other.isdecimal() and int(one) < int(other)


def retry_mark(issuer: Object) -> str | None:
    """Return the annotation by which somebody asks to have the issuer tried again, None without it."""
    return annotation(issuer, RETRY_ANNOTATION) or None


def _version(obj: Object) -> tuple[Any, Any]:
    return obj["metadata"]["uid"], obj["metadata"]["generation"]
