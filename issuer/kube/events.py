"""Kubernetes Events, which `kubectl describe` shows, written within a budget.

An event is a second write beside the one that matters, so there are few of them: repeats become a count on
the first, events over the budget are dropped and counted, and nothing here ever fails or slows its caller.
Namespaces take turns, and when the queue is full the one with most in it loses its newest.
Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/ (events.k8s.io/v1)
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

import structlog

from issuer.bounded import LruCache, TokenBucket
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict, KubeError, NamespaceTerminating, NotFound
from issuer.kube.resources import EVENTS
from issuer.kube.wire import Object
from issuer.text import one_line, rfc3339_micro

_MAX_NOTE: Final = 1024  # bytes, by the API server's validation
_REMEMBERED: Final = 1024  # distinct events whose repeats are counted
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EventBudget:
    """The most events that are written: a burst, then so many a second; `queue` waiting at most.

    Of hints, at most `hints` of a namespace wait, and none join a queue that is half full: in an outage each
    request that waits has one.

    A repeat within `forget_after` seconds of the last one is a count, which is written every `repeat_every`
    seconds.
    """

    per_second: float = 1.0
    burst: int = 25
    queue: int = 256
    hints: int = 16
    repeat_every: float = 60.0
    forget_after: float = 600.0


class _Key(NamedTuple):
    uid: str
    kind: str
    reason: str
    note: str


@dataclass(slots=True)
class _Series:
    """An event and the number of its repeats. Times are seconds on the recorder's clock."""

    key: _Key
    body: Object = field(repr=False)
    count: int = 1
    last: float = 0.0  # when it last happened; on the recorder's clock
    last_utc: str = ""
    written: float | None = None  # when it was last written
    queued: bool = False


class _Backlog:
    """Events to be written; namespaces take turns."""

    def __init__(self) -> None:
        self._turns: OrderedDict[str, deque[_Series]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, series: _Series) -> None:
        """Append an event to its namespace's."""
        self._turns.setdefault(series.body["metadata"]["namespace"], deque()).append(series)
        self._size += 1

    def next(self) -> _Series:
        """Return the oldest event of the namespace whose turn it is."""
        namespace, waiting = self._turns.popitem(last=False)
        series = waiting.popleft()
        if waiting:
            self._turns[namespace] = waiting
        self._size -= 1
        return series

    def of(self, namespace: str) -> int:
        """Return the number of events of a namespace."""
        return len(self._turns.get(namespace, ()))

    def make_room(self, namespace: str) -> _Series | None:
        """Drop and return the newest event of the namespace with most; None if that is `namespace` itself."""
        longest = max(self._turns, key=lambda name: len(self._turns[name]))
        if len(self._turns[longest]) <= self.of(namespace) + 1:
            return None
        self._size -= 1
        return self._turns[longest].pop()

    def clear(self) -> None:
        """Drop all events."""
        self._turns.clear()
        self._size = 0


class EventRecorder:
    """Records events of `component` (a qualified name such as `example.com/controller`).

    `warning`, `normal` and `hint` only queue; `run` writes until cancelled; `flush` writes the queued ones,
    for a graceful stop.
    """

    def __init__(
        self,
        client: KubeClient,
        component: str,
        budget: EventBudget | None = None,
        *,
        instance: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._component = component
        self._budget = budget if budget is not None else EventBudget()
        self._instance = (instance or f"{socket.gethostname()}-{os.getpid()}")[:128]
        self._clock = clock
        self._bucket = TokenBucket(self._budget.per_second, self._budget.burst, clock)
        self._series: LruCache[_Key, _Series] = LruCache(_REMEMBERED)
        self._queue = _Backlog()
        self._waiting = asyncio.Event()
        self.written = 0
        """Writes that succeeded."""
        self.dropped = 0
        """Events that were never written: queue full, refused, or unfit."""

    def normal(self, obj: Object, reason: str, message: str, *, action: str = "Reconcile") -> None:
        """Record that something happened as it should."""
        self._record("Normal", obj, reason, message, action)

    def warning(self, obj: Object, reason: str, message: str, *, action: str = "Reconcile") -> None:
        """Record that something needs attention.

        `reason` and `action` are CamelCase; `message` must hold no secret.
        """
        self._record("Warning", obj, reason, message, action)

    def hint(self, obj: Object, reason: str, message: str, *, action: str = "Reconcile") -> None:
        """Record a warning that its object's own status, or another's, says too; the first to be dropped."""
        home = _home(obj)
        if self._queue.of(home) >= self._budget.hints or 2 * len(self._queue) >= self._budget.queue:
            self.dropped += 1
        else:
            self._record("Warning", obj, reason, message, action)

    async def run(self) -> None:
        """Write queued events as the budget allows, until cancelled."""
        while True:
            await self._waiting.wait()
            if not self._bucket.take():
                await asyncio.sleep(self._bucket.wait())
                continue
            await self._write_next()

    async def flush(self, timeout: float = 5.0) -> None:
        """Write the queued events, at most a burst, for at most `timeout` seconds; drop the rest."""
        try:
            async with asyncio.timeout(timeout):
                for _ in range(self._budget.burst):
                    if not self._queue:
                        break
                    await self._write_next()
        except TimeoutError:
            _log.info("events not flushed in time", left=len(self._queue))
        self.dropped += len(self._queue)
        self._queue.clear()
        self._waiting.clear()

    def _record(self, kind: str, obj: Object, reason: str, message: str, action: str) -> None:
        try:
            self._count(kind, obj, reason, _note(message), action)
        except Exception as error:  # noqa: BLE001 - an event must never cost the work it tells about
            self.dropped += 1
            _log.warning("event not recorded", reason=reason, error=type(error).__name__)

    def _count(self, kind: str, obj: Object, reason: str, note: str, action: str) -> None:
        now = self._clock()
        key = _Key(obj["metadata"].get("uid", ""), kind, reason, note)
        series = self._series.get(key)
        if series is None or now - series.last > self._budget.forget_after:
            if not self._room_for(_home(obj)):
                return
            series = _Series(key, self._event(kind, obj, reason, note, action))
        else:
            series.count += 1
        self._series.put(key, series)
        series.last, series.last_utc = now, _utc()
        due = series.written is None or now - series.written >= self._budget.repeat_every
        if due and not series.queued:
            series.queued = True
            self._queue.add(series)
            self._waiting.set()

    def _room_for(self, namespace: str) -> bool:
        """Return True if an event of that namespace may be queued; if the queue is full, drop one."""
        if len(self._queue) < self._budget.queue:
            return True
        self.dropped += 1
        given_up = self._queue.make_room(namespace)
        if given_up is None:
            return False
        given_up.queued = False
        if given_up.written is None and self._series.get(given_up.key) is given_up:
            self._series.pop(given_up.key)
        return True

    def _event(self, kind: str, obj: Object, reason: str, note: str, action: str) -> Object:
        metadata = obj["metadata"]
        regarding = {
            "apiVersion": obj.get("apiVersion", ""),
            "kind": obj.get("kind", ""),
            "name": metadata["name"],
            "namespace": metadata.get("namespace", ""),
            "uid": metadata.get("uid", ""),
            "resourceVersion": metadata.get("resourceVersion", ""),
        }
        name = f"{metadata['name'][:230].rstrip('.-')}.{secrets.token_hex(8)}"
        return {
            "apiVersion": EVENTS.api_version,
            "kind": "Event",
            "metadata": {"name": name, "namespace": _home(obj)},
            "eventTime": _utc(),
            "reportingController": self._component,
            "reportingInstance": self._instance,
            "action": action[:128],
            "reason": reason[:128],
            "regarding": regarding,
            "note": note,
            "type": kind,
        }

    async def _write_next(self) -> None:
        series = self._queue.next()
        if not self._queue:
            self._waiting.clear()
        series.queued = False
        first = series.written is None
        series.written = self._clock()
        try:
            await self._write(series, first)
        except (NamespaceTerminating, NotFound) as error:
            # Nothing is wrong: the namespace goes (by a 404 it is gone), and what the event tells of with it.
            self.dropped += 1
            _log.debug("event not written", reason=series.body["reason"], error=error.message)
        except KubeError as error:
            self.dropped += 1
            _log.warning("event not written", reason=series.body["reason"], error=error.message)
        except Exception:  # noqa: BLE001 - the recorder goes on with the next event
            self.dropped += 1
            _log.exception("event not written", reason=series.body["reason"])
        else:
            self.written += 1

    async def _write(self, series: _Series, first: bool) -> None:
        body = series.body
        if series.count > 1:
            body = body | {"series": {"count": series.count, "lastObservedTime": series.last_utc}}
        if not first and "resourceVersion" in body["metadata"]:
            try:
                series.body = await self._client.replace(EVENTS, body)
            except (NotFound, Conflict):
                pass  # its time to live is over, or someone changed it: begin anew
            else:
                return
        name, _, _ = body["metadata"]["name"].rpartition(".")
        metadata = {"name": f"{name}.{secrets.token_hex(8)}", "namespace": body["metadata"]["namespace"]}
        series.body = await self._client.create(EVENTS, body | {"metadata": metadata})


def _home(obj: Object) -> str:
    """Return the namespace an event lives in; events of cluster-scoped objects must be in `default`."""
    return obj["metadata"].get("namespace") or "default"


def _note(message: str) -> str:
    note = one_line(message, _MAX_NOTE)
    return note.encode()[:_MAX_NOTE].decode(errors="ignore")


def _utc() -> str:
    return rfc3339_micro(datetime.now(UTC))
