"""The Leases of shards: the leader makes them, and removes those of another number of shards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from issuer.controller.leadership.lease_labels import unowned
from issuer.controller.leadership.lease_reader import Membership
from issuer.kube.client import KubeClient
from issuer.kube.errors import AlreadyExists, Conflict, NotFound
from issuer.kube.leases.lease import steady_clock
from issuer.kube.resources import LEASES
from issuer.kube.wire import Object

log = structlog.get_logger(__name__)

_REPORT_AGAIN: Final = 60.0


class ShardProvisioner:
    """Keeps two ways of dividing the work from being in force at once.

    Replicas never make a shard's Lease, they only take one that is there. So one that is removed can't be
    taken by a replica that has seen it before, and a shard of the new number can only be taken when all
    Leases of the old one are gone.
    """

    def __init__(self, client: KubeClient, namespace: str, group: str, shards: int) -> None:
        self._client = client
        self._namespace = namespace
        self._group = group
        self._shards = shards
        self._reported = -_REPORT_AGAIN

    async def provision(self, membership: Membership, leads: Callable[[], bool]) -> bool:
        """Bring the Leases into line with our number of shards; return True if anything was changed.

        `leads` is asked before each write. Raises KubeError.
        """
        for lease in membership.dead:
            await self._remove(lease)
        if membership.foreign:
            return await self._clear(membership)
        missing = sorted(set(range(self._shards)) - membership.there)
        for number in missing:
            if not leads():
                return False
            try:
                await self._client.create(LEASES, unowned(self._namespace, self._group, number, self._shards))
            except AlreadyExists:
                continue
        if missing:
            log.info("shards made", shards=self._shards, made=len(missing))
        return bool(missing)

    async def _clear(self, membership: Membership) -> bool:
        """Replicas with another number of shards work until the last of them has ended."""
        if membership.others or membership.foreign_held:
            now = steady_clock()
            if now - self._reported >= _REPORT_AGAIN:
                self._reported = now
                log.warning(
                    "replicas with another --shards are at work; this one waits for their end",
                    replicas=sorted(membership.others),
                    shards=self._shards,
                )
            return False
        for lease in membership.foreign:
            await self._remove(lease)
        return True

    async def _remove(self, lease: Object) -> None:
        """Delete a Lease as it was seen: one that somebody took or renewed meanwhile stays."""
        meta = lease["metadata"]
        try:
            await self._client.delete(
                LEASES, meta["name"], self._namespace, uid=meta["uid"], version=meta["resourceVersion"]
            )
        except (NotFound, Conflict):
            return
        log.info("lease removed", lease=meta["name"])
