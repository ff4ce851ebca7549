"""The request with our finalizers, a few fields of each: enough to know when to look, and never a body."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from issuer.controller.state.watched.store import Store
from issuer.kube.wire import Object
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.conditions import ready_of
from issuer.requests.finalizer import (
    CERTIFICATE_ANNOTATION,
    REVISION_ANNOTATION,
    SECRET_ANNOTATION,
    annotation,
    has_finalizer,
)
from issuer.requests.issuers import BUILT_IN, IssuerKey, IssuerKinds
from issuer.requests.request import RequestKey
from issuer.text import parse_rfc3339, read_time


@dataclass(frozen=True, slots=True)
class Record:
    """A request with our finalizer.

    `certificate` and `secret` are names in its namespace, empty when it has none. `revision` is the
    Certificate's, 0 when it is not said. `issued_at` is None without a certificate. `seen` is when this
    process first saw it deleted.
    """

    uid: str
    issuer: IssuerKey | None
    certificate: str
    revision: int
    secret: str
    issued_at: datetime | None
    deleted_at: datetime | None
    seen: datetime | None


class RevocationStore(Store[RequestKey]):
    """All requests that carry our finalizer; `on_change` hears of each that may have something due."""

    def __init__(
        self,
        on_change: Callable[[RequestKey], None],
        now: Callable[[], datetime] | None = None,
        issuer_kinds: IssuerKinds = BUILT_IN,
    ) -> None:
        super().__init__()
        self._issuer_kinds = issuer_kinds
        self._on_change = on_change
        self._now = now or (lambda: datetime.now(UTC))
        self._records: dict[RequestKey, Record] = {}
        self._of: dict[tuple[str, str], set[RequestKey]] = {}  # by namespace and Certificate

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: RequestKey) -> Record | None:
        """The record, or None when the request is gone or carries no finalizer of ours."""
        return self._records.get(key)

    def issuer_of(self, key: RequestKey) -> IssuerKey | None:
        """Return the issuer of a request with our finalizer; None if the request is gone or names none."""
        record = self._records.get(key)
        return None if record is None else record.issuer

    def replaced_at(self, key: RequestKey) -> datetime | None:
        """Return when the first known later request of the same Certificate was issued."""
        record = self._records.get(key)
        if record is None:
            return None
        later = (self._records[one] for one in self._siblings(key, record))
        times = [one.issued_at for one in later if one.issued_at and one.revision > record.revision]
        return min(times, default=None)

    def begin_anew(self) -> None:
        """Count from now on what is due: this process becomes the one that works."""
        for key, record in list(self._records.items()):
            self._records[key] = record if record.seen is None else replace(record, seen=self._now())
            self._on_change(key)

    def of_issuer(self, issuer: IssuerKey) -> list[RequestKey]:
        """The requests of one issuer."""
        return [key for key, record in self._records.items() if record.issuer == issuer]

    def in_namespace(self, namespace: str) -> list[RequestKey]:
        """The requests of one namespace."""
        return [key for key in self._records if key.namespace == namespace]

    def key_of(self, obj: Object) -> RequestKey:
        """Return namespace and name of an object."""
        return CertificateRequest(obj).key

    def known(self) -> Iterable[RequestKey]:
        """Every request with our finalizer."""
        return tuple(self._records)

    def upsert(self, obj: Object) -> None:
        """Keep a request that appeared or changed."""
        key = self.key_of(obj)
        if not has_finalizer(obj):
            self.drop(key)
            return
        old = self._records.get(key)
        new = _record(CertificateRequest(obj, self._issuer_kinds), old, self._now)
        if new == old:
            return
        self._forget(key)
        self._records[key] = new
        if new.certificate:
            self._of.setdefault((key.namespace, new.certificate), set()).add(key)
        self._on_change(key)
        if new.issued_at is not None and (old is None or old.issued_at is None):
            for earlier in self._siblings(key, new):
                self._on_change(earlier)

    def drop(self, key: RequestKey) -> None:
        """Forget a request that is gone, or ours to look after no longer."""
        if self._forget(key):
            self._on_change(key)

    def _siblings(self, key: RequestKey, record: Record) -> list[RequestKey]:
        return [one for one in self._of.get((key.namespace, record.certificate), ()) if one != key]

    def _forget(self, key: RequestKey) -> bool:
        record = self._records.pop(key, None)
        if record is None:
            return False
        group = (key.namespace, record.certificate)
        keys = self._of.get(group)
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._of[group]
        return True


def _record(request: CertificateRequest, old: Record | None, now: Callable[[], datetime]) -> Record:
    obj, meta = request.object, request.object["metadata"]
    deleted = meta.get("deletionTimestamp")
    seen = deleted_at = None
    if deleted:
        known = old is not None and old.uid == request.uid
        seen = (old.seen if old is not None and known else None) or now()
        # It lies behind, whatever an API server's clock says that is ahead of ours: the wait has a bound.
        deleted_at = min(parse_rfc3339(deleted), seen)
    revision = annotation(obj, REVISION_ANNOTATION)
    return Record(
        uid=request.uid,
        issuer=request.issuer_if_any,
        certificate=annotation(obj, CERTIFICATE_ANNOTATION),
        revision=int(revision) if revision.isdecimal() and len(revision) < 10 else 0,
        secret=annotation(obj, SECRET_ANNOTATION),
        issued_at=_issued_at(request),
        deleted_at=deleted_at,
        seen=seen,
    )


def _issued_at(request: CertificateRequest) -> datetime | None:
    if not (request.object.get("status") or {}).get("certificate"):
        return None
    return read_time(ready_of(request.object).get("lastTransitionTime")) or request.created


class FanOut:
    """Hands each event to several handlers."""

    def __init__(self, *handlers: Store[RequestKey]) -> None:
        self._handlers = handlers

    def begin(self) -> None:
        """Begin a full list."""
        for one in self._handlers:
            one.begin()

    def add(self, obj: Object) -> None:
        """Note an object of the list."""
        for one in self._handlers:
            one.add(obj)

    def end(self) -> None:
        """End the list: what it did not name is gone."""
        for one in self._handlers:
            one.end()

    def upsert(self, obj: Object) -> None:
        """Keep an object that appeared or changed."""
        for one in self._handlers:
            one.upsert(obj)

    def remove(self, obj: Object) -> None:
        """Forget an object that is gone."""
        for one in self._handlers:
            one.remove(obj)
