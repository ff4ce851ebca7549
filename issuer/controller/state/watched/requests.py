"""Requests that still want an answer, kept as little as the work needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import orjson

from issuer.bounded import LruCache
from issuer.controller.state.watched.kept import Kept, KeptRequests
from issuer.controller.state.watched.store import Store
from issuer.kube.wire import Object
from issuer.requests.issuers import BUILT_IN, IssuerKey, IssuerKinds
from issuer.requests.request import Request, RequestKey

_REMEMBERED: Final = 1_000
"""Requests of which it is known that their answer is this process's."""


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


def _older(one: str, other: str) -> bool:
    """Return True if the first copy is older; resource versions are numbers at every API server with etcd."""
    return one.isdecimal() and other.isdecimal() and int(one) < int(other)
