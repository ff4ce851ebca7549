"""The request that an attempt works on: as it is kept, or read again if it is too large to be kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from issuer.controller.state.watched.kept import slim_request
from issuer.controller.state.watched.requests import RequestStore
from issuer.kube.client import KubeClient
from issuer.kube.errors import NotFound
from issuer.requests.kinds import kind_of
from issuer.requests.request import Request, RequestKey

_AT_ONCE: Final = 4  # an object has 1.5 MB at most, and thrice that while it is parsed


@dataclass(slots=True, eq=False)
class RequestReader:
    """Reads open requests and keeps the stores up to date; few of the large ones are read at once."""

    client: KubeClient
    stores: Mapping[type[Request], RequestStore]
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def get(self, key: RequestKey) -> Request | None:
        """Return the request if it is known and open. Raises KubeError if it has to be read and can't."""
        kind = kind_of(key)
        uid = self.stores[kind].to_be_read(key)
        if uid is None:
            return self.stores[kind].get(key)
        async with self._turn:
            try:
                found = await self.client.get(kind.resource, key.name, key.namespace or None)
            except NotFound:
                return None
            request = self.stores[kind].read(found)
        if request.uid != uid or request.finished:
            return None
        if not request.deleted:
            self.refresh(request)  # it may be ahead of the watch, and is decided by
        return slim_request(request)

    def seen(self, key: RequestKey) -> float:
        """Return when this process first saw the request (`time.monotonic`)."""
        return self.stores[kind_of(key)].seen(key)

    def refresh(self, request: Request) -> None:
        """Keep a newer copy that was read or written here."""
        self.stores[type(request)].refresh(request)

    def close(self, request: Request) -> None:
        """Note that the request needs no answer of ours any more."""
        self.stores[type(request)].mark_answered(request)
