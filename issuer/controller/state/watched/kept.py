"""Parts that are kept of objects that watches bring: what is read of them later, within bounds.

A status PUT of an object without its other metadata is safe for custom resources: their `status` subresource
takes nothing but `status` (apiextensions-apiserver, customresource.statusStrategy). It is not for Kubernetes'
own kinds (`delivery/status_writer`), nor where the object itself is replaced (`revocation`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Self

import orjson

from issuer.controller.state.health.bad_answers import RETRY_ANNOTATION
from issuer.kube.wire import Object
from issuer.requests.conditions import ready_of
from issuer.requests.finalizer import FINALIZER
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import Request, RequestKey
from issuer.x509.request import MAX_FIELD

_METADATA: Final = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
)

MAX_TEXT: Final = 32 << 10
"""Bytes of JSON of an open request that are kept. A usual one has 3 to 6 KB; 100 names are some 10 KB."""

MAX_NAMESPACE: Final = 48 << 20
"""Bytes that are kept of the open requests of one namespace: some 10,000 usual ones."""

MAX_ALL: Final = 128 << 20
"""Bytes that are kept of all open requests: a quarter of the chart's memory limit, 30,000 usual ones."""

MAX_ISSUER: Final = 512 << 10
"""Bytes of JSON of an issuer: a caBundle of every public root is 300 KB in base64."""

MAX_ISSUERS: Final = 16 << 20
"""Bytes of all issuers of one namespace: of their JSON, and `_VALUE` for each value in it."""

_VALUE: Final = 56
"""Bytes that a parsed value has beside its text: a list of many short ones has 14 times its JSON."""

LEAST_ISSUER: Final = 16 << 10
"""Bytes that an issuer counts for at least: its connections and metrics take more than its spec. So a
namespace has 1,024 issuers at most."""

_MAX_ANNOTATION: Final = 256
"""Characters; object names have 253, durations fewer. What is longer is wrong, cut or not."""

_MAX_SHOWN: Final = 1024
"""Characters of a requester's name and of why a request waits."""

_MAX_CONDITION: Final = 4 << 10
"""Bytes of JSON of the condition of an issuer that isn't kept; ours has less."""


def slim(obj: Object, annotations: Iterable[str] = ()) -> Object:
    """Return a copy with the metadata that is read, these annotations (cut where they can mean nothing), and
    of the finalizers ours alone. Nobody reads `managedFields`; whoever comes to need them takes what they say
    into the copy here."""
    meta = obj["metadata"]
    kept: Object = {name: meta[name] for name in _METADATA if name in meta}
    given = meta.get("annotations") or {}
    wanted = {name: _cut(given[name]) for name in annotations if name in given}
    if wanted:
        kept["annotations"] = wanted
    if FINALIZER in (meta.get("finalizers") or ()):
        kept["finalizers"] = [FINALIZER]
    return {**obj, "metadata": kept}


def _cut(text: str) -> str:
    """The text, or its beginning with a mark that makes it mean nothing."""
    return text if len(text) <= _MAX_ANNOTATION else f"{text[:_MAX_ANNOTATION]}…"


def slim_request(request: Request) -> Request:
    """Return a copy of the request as `slim` makes it, with its Certificate as its one owner. Of a CSR over
    the bound enough is left to be refused for it."""
    obj = slim(request.object, request.kept_annotations)
    certificate = request.certificate
    if certificate is not None:
        obj["metadata"]["ownerReferences"] = [
            {
                "apiVersion": certificate["apiVersion"],
                "kind": certificate["kind"],
                "name": certificate["metadata"]["name"],
                "uid": certificate["metadata"]["uid"],
                "controller": True,
            }
        ]
    text = obj["spec"].get("request")
    if isinstance(text, str) and len(text) > MAX_FIELD:
        obj["spec"] = {**obj["spec"], "request": text[: MAX_FIELD + 1]}
    return request.with_object(obj)


@dataclass(frozen=True, slots=True)
class Kept:
    """Parts of an open request; its JSON as text, a quarter of the parsed object's size.

    `text` is None where it isn't kept: the request is read again when its turn comes. `seen` is when this
    process saw it first (`time.monotonic`). `stored` is the bytes of JSON of the whole object, with all that
    isn't kept.
    """

    uid: str
    version: str
    news: tuple[str | bool | None, ...]
    issuer: IssuerKey | None
    username: str
    reason: str
    text: bytes | None
    seen: float
    stored: int

    @classmethod
    def of(cls, request: Request, seen: float) -> Self:
        """Read the object as the API server sent it."""
        stored = len(orjson.dumps(request.object))
        request = slim_request(request)
        # Copied, as what orjson returns keeps the 8 KiB that it was written into.
        text = memoryview(orjson.dumps(request.object)).tobytes()
        return cls(
            request.uid,
            str(request.object["metadata"].get("resourceVersion", "")),
            request.news,
            request.issuer_if_any,
            _username(request),
            _reason(request),
            text if len(text) <= MAX_TEXT else None,
            seen,
            stored,
        )

    @property
    def size(self) -> int:
        """Bytes that its text takes."""
        return 0 if self.text is None else len(self.text)


def _username(request: Request) -> str:
    # Thousands of requests are of one requester.
    return sys.intern(str(request.spec.get("username") or "")[:_MAX_SHOWN])


def _reason(request: Request) -> str:
    found = ready_of(request.object)
    return sys.intern(str(found.get("message") or "")[:_MAX_SHOWN])  # an outage tells thousands the same


class MemoryBudget:
    """Bytes in use, of each namespace and together, and how many there may be."""

    def __init__(self, each: int, most: int) -> None:
        self._each = each
        self._most = most
        self._used: dict[str, int] = {}
        self.used = 0

    def take(self, namespace: str, size: int) -> bool:
        """Use so many bytes more; False, and nothing is used, where that is over the budget."""
        if not self.has_room(namespace, size):
            return False
        if size:
            self._used[namespace] = self._used.get(namespace, 0) + size
            self.used += size
        return True

    def has_room(self, namespace: str, size: int) -> bool:
        """Return True if so many bytes more could be used."""
        return self._used.get(namespace, 0) + size <= self._each and self.used + size <= self._most

    def give_back(self, namespace: str, size: int) -> None:
        """Free so many bytes."""
        if not size:
            return
        self.used -= size
        self._used[namespace] -= size
        if not self._used[namespace]:
            del self._used[namespace]


class KeptRequests:
    """The open requests of one kind. Texts over a namespace's part, or over the whole, are not kept."""

    def __init__(self, each: int = MAX_NAMESPACE, most: int = MAX_ALL) -> None:
        self._budget = MemoryBudget(each, most)
        self._found: dict[RequestKey, Kept] = {}

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[RequestKey]:
        return iter(self._found)

    @property
    def size(self) -> int:
        """Bytes of all texts."""
        return self._budget.used

    @property
    def without_text(self) -> int:
        """The number without a text here; counted anew each time."""
        return sum(1 for one in self._found.values() if one.text is None)

    def get(self, key: RequestKey) -> Kept | None:
        """Return what is kept of it, or None."""
        return self._found.get(key)

    def put(self, key: RequestKey, kept: Kept) -> None:
        """Keep it, in the place of what was kept before."""
        old = self._found.get(key)
        if old is not None:
            self._budget.give_back(key.namespace, old.size)
        fits = self._budget.take(key.namespace, kept.size)
        self._found[key] = kept if fits else replace(kept, text=None)

    def pop(self, key: RequestKey) -> Kept | None:
        """Keep nothing of it any more; what was kept."""
        old = self._found.pop(key, None)
        if old is not None:
            self._budget.give_back(key.namespace, old.size)
        return old


class KeptIssuers:
    """The issuers of one kind. Of one that is too large, or over its namespace's part, only the name and the
    `Ready` condition are kept, and why. Cluster issuers are their administrator's, and have no part."""

    def __init__(self) -> None:
        self._budget = MemoryBudget(MAX_ISSUERS, sys.maxsize)
        self._found: dict[IssuerKey, Object] = {}
        self._sizes: dict[IssuerKey, int] = {}
        self._problems: dict[IssuerKey, str] = {}
        self._over: dict[IssuerKey, int] = {}

    def __iter__(self) -> Iterator[IssuerKey]:
        return iter(self._found)

    def get(self, key: IssuerKey) -> Object | None:
        """Return what is kept of it, or None."""
        return self._found.get(key)

    def problem(self, key: IssuerKey) -> str | None:
        """Return why it can't be worked with, or None."""
        return self._problems.get(key)

    def fits_now(self, key: IssuerKey) -> bool:
        """Return True if it was over its namespace's part, and no longer is: it has to be read again."""
        size = self._over.get(key)
        return size is not None and self._budget.has_room(key.namespace, size)

    def put(self, key: IssuerKey, obj: Object) -> None:
        """Keep it, in the place of what was kept before."""
        self.pop(key)
        kept = slim(obj, (RETRY_ANNOTATION,))
        problem = self._take(key, orjson.dumps(kept))
        if problem is not None:
            self._problems[key] = problem
            # What its status says already is not to be written each time.
            kept = {**kept, "spec": {}, "status": _ready(kept)}
        self._found[key] = kept

    def _take(self, key: IssuerKey, text: bytes) -> str | None:
        size = len(text)
        if size > MAX_ISSUER:
            return (
                f"the issuer has {size} bytes of JSON, and at most {MAX_ISSUER} are read: shorten its spec; "
                "a caBundle can be in a Secret (caBundleSecretRef)"
            )
        if not key.namespace:
            return None
        counted = max(size + _VALUE * text.count(b","), LEAST_ISSUER)
        if not self._budget.take(key.namespace, counted):
            self._over[key] = counted
            return (
                f"the issuers of namespace {key.namespace} are more than {MAX_ISSUERS // LEAST_ISSUER}, or "
                f"take more than {MAX_ISSUERS} bytes of memory together: delete those that nobody needs"
            )
        self._sizes[key] = counted
        return None

    def pop(self, key: IssuerKey) -> None:
        """Keep nothing of it any more."""
        self._found.pop(key, None)
        self._problems.pop(key, None)
        self._over.pop(key, None)
        self._budget.give_back(key.namespace, self._sizes.pop(key, 0))


def _ready(issuer: Object) -> Object:
    """A status with the issuer's `Ready` condition alone, if it has one of usual size."""
    condition = ready_of(issuer)
    usual = condition and len(orjson.dumps(condition)) <= _MAX_CONDITION
    return {"conditions": [condition]} if usual else {}
