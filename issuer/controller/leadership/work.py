"""Claiming and releasing a shard in the queues and stores of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import structlog

from issuer.controller.delivery.held import HeldCertificates
from issuer.controller.issuance.reconciler import RequestReconciler
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.unprocessed import UnprocessedRequests
from issuer.controller.state.watched.requests import RequestStore
from issuer.kube.client import KubeClient
from issuer.kube.errors import Forbidden, KubeError, NotFound
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.watching.group import ReflectorGroup
from issuer.kube.watching.reflector import Reflector
from issuer.requests.kinds import kind_of
from issuer.requests.request import Request, RequestKey

log = structlog.get_logger(__name__)

Belongs = Callable[[RequestKey], bool]


class ShardWork(Protocol):
    """Operations that a shard needs of the process that works on it."""

    def claim(self, belongs: Belongs) -> None:
        """Begin with every unanswered request that belongs."""
        ...

    def holds_any(self, belongs: Belongs) -> bool:
        """Return True if signed certificates that belong are still to be written."""
        ...

    def flush(self, belongs: Belongs) -> None:
        """Try to write them now."""
        ...

    def is_held(self, key: RequestKey) -> bool:
        """Return True if a signed certificate waits to be written to that request."""
        ...

    def release(self, belongs: Belongs) -> None:
        """Forget what was remembered of requests that belong; another replica goes on."""
        ...

    def drop(self, key: RequestKey) -> None:
        """Forget one request, and let the others that wait behind it go on."""
        ...

    def caught_up(self, kind: str, version: int) -> bool:
        """Return True if the watch of that kind has shown everything up to this resourceVersion."""
        ...

    async def newest(self) -> dict[str, int | None]:
        """The resourceVersion of now, by kind; None where it is no number. Raises KubeError."""
        ...

    async def read_anew(self, key: RequestKey) -> bool:
        """Bring what is known of the request up to date; whether an attempt at it makes sense."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RequestWork:
    """Claims and releases shards in the controller's queues and stores."""

    client: KubeClient
    stores: Mapping[type[Request], RequestStore]
    reflectors: Mapping[str, Reflector | ReflectorGroup]
    queue: WorkQueue[RequestKey]
    reconciler: RequestReconciler
    registry: IssuerRegistry
    unprocessed: UnprocessedRequests
    held: HeldCertificates

    def claim(self, belongs: Belongs) -> None:
        """Begin with every unanswered request that belongs."""
        for store in self.stores.values():
            for key in filter(belongs, store.pending()):
                self.queue.add(key)

    def holds_any(self, belongs: Belongs) -> bool:
        """Return True if signed certificates that belong are still to be written."""
        return any(belongs(one.key) for one in self.held)

    def flush(self, belongs: Belongs) -> None:
        """Try to write them now."""
        for one in self.held:
            if belongs(one.key):
                self.queue.add(one.key)

    def is_held(self, key: RequestKey) -> bool:
        """Return True if a signed certificate waits to be written to that request."""
        return self.held.get(key) is not None

    def release(self, belongs: Belongs) -> None:
        """Forget what was remembered of requests that belong; another replica goes on."""
        known: Iterable[RequestKey] = chain(
            *(store.pending() for store in self.stores.values()),
            self.unprocessed.known(),
            self.registry.known_waiting(),
            self.reconciler.remembered(),
        )
        for key in {one for one in known if belongs(one)}:
            self.drop(key)

    def drop(self, key: RequestKey) -> None:
        """Forget one request, and let the others that wait behind it go on."""
        self.reconciler.forget(key)
        self.registry.leave(key)
        self.registry.settled(key)

    def caught_up(self, kind: str, version: int) -> bool:
        """Return True if the watch of that kind has shown everything up to this resourceVersion."""
        reflector = self.reflectors.get(kind)
        if reflector is None:
            return True  # nothing of that kind is worked on here
        reached = reflector.resource_version
        return reached.isdecimal() and int(reached) >= version

    async def newest(self) -> dict[str, int | None]:
        """The resourceVersion of now, by kind; None where it is no number. Raises KubeError."""
        found: dict[str, int | None] = {}
        for kind in self.stores:
            if kind.kind not in self.reflectors:
                continue
            try:
                page = await self.client.list_page(kind.resource, limit=1)
            except (Forbidden, NotFound):
                continue  # nor does the watch see any
            version = page.resource_version
            found[kind.kind] = int(version) if version.isdecimal() else None
        return found

    async def read_anew(self, key: RequestKey) -> bool:
        """Bring what is known of the request up to date; whether an attempt at it makes sense."""
        kind = kind_of(key)
        store = self.stores[kind]
        known = store.glance(key)
        if known is None or self.is_held(key):
            return True  # there is nothing to sign
        try:
            fresh = store.read(await self.client.get(kind.resource, key.name, key.namespace or None))
        except NotFound:
            return False  # as the watch will show
        except KubeError as error:
            log.warning("request not read", request=str(key), error=str(error))
            self.queue.retry(key)
            return False
        if fresh.uid != known.uid or fresh.deleted:
            return False
        if fresh.finished:
            store.mark_answered(fresh)
            self.queue.forget(key)
            return False
        store.refresh(fresh)
        return True
