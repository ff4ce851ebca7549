"""One replica of several that share the work: joins them, takes its shards, gives back what is others'."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final

import structlog

from issuer.api.leases import MEMBER, SHARDS
from issuer.controller.leadership.assignment import assign, shard_of
from issuer.controller.leadership.lease_labels import labels, member_name, shard_name
from issuer.controller.leadership.lease_reader import LeaseReader, Membership
from issuer.controller.leadership.options import SharingOptions
from issuer.controller.leadership.ownership import Reconcile
from issuer.controller.leadership.provisioner import ShardProvisioner
from issuer.controller.leadership.shard import RENEW, Phase, Shard
from issuer.controller.leadership.work import ShardWork
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError, NotFound
from issuer.kube.leases.election import LeaderElector
from issuer.kube.leases.lease import Lease
from issuer.kube.resources import LEASES
from issuer.requests.request import Request, RequestKey
from issuer.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

LOOK: Final = 2.0
"""Seconds between two looks at the Leases."""

LOOK_SOON: Final = 0.5
"""Seconds between two looks while a shard is about to be given to us."""


class ShardedReplica:
    """This process among the replicas that share the work; an `Ownership`.

    `attach` joins it with the work before `run` is called.
    """

    def __init__(self, options: SharingOptions, client: KubeClient, elector: LeaderElector) -> None:
        self._options = options
        self._client = client
        self._shards = options.shards
        self._group = options.group
        self.elector = elector
        elector.lease.annotate = lambda old: {**old, SHARDS: str(self._shards)}
        self._lease_reader = LeaseReader(client, options.namespace, self._group, self._shards)
        self._provisioner = ShardProvisioner(client, options.namespace, self._group, self._shards)
        self._member = self._lease(member_name(self._group, options.identity), create=True)
        self._member.labels = labels(self._group, MEMBER, self._shards)
        self._mine: dict[int, Shard] = {}
        self._tasks: dict[int, asyncio.Task[bool]] = {}
        self._members: tuple[str, ...] = ()
        self._assigned: dict[int, str] = {}
        self._kick = asyncio.Event()
        self._lost = asyncio.Event()
        self.spent = 0.0
        """Seconds of the grace period that leaving took."""
        self._work: ShardWork
        self._metrics: Metrics

    def attach(self, work: ShardWork, metrics: Metrics) -> None:
        """Join it with what the shards are worked on in."""
        self._work, self._metrics = work, metrics
        metrics.watch("vault_issuer_shards", lambda: float(self._shards))
        metrics.watch(
            "vault_issuer_shards_owned",
            lambda: float(self.owned),
        )
        metrics.watch("vault_issuer_shard_members", lambda: float(self.members))

    @property
    def owned(self) -> int:
        """The number of shards that this process works on."""
        return sum(one.phase is Phase.WORKING and one.is_leader for one in self._mine.values())

    @property
    def members(self) -> int:
        """The number of live replicas that share the work, as this process sees them."""
        return len(self._members)

    # Ownership ----------------------------------------------------------------

    def leads(self) -> bool:
        """Return True if what is done once is ours to do."""
        return self.elector.is_leader

    def takes(self, key: RequestKey) -> bool:
        """Return True if an attempt at this request may begin."""
        shard = self._of(key)
        return shard is not None and shard.takes(key)

    def holds(self, key: RequestKey) -> bool:
        """Return True if this request is ours for certain."""
        shard = self._of(key)
        return shard is not None and shard.is_leader

    def may_sign(self, key: RequestKey) -> bool:
        """Return True if this request is ours, and stays so for as long as a signing call may take."""
        shard = self._of(key)
        return shard is not None and shard.may_sign()

    def written(self, request: Request) -> None:
        """We have written the answer."""
        shard = self._of(request.key)
        if shard is not None:
            shard.note(request)

    def only_owned(self, reconcile: Reconcile) -> Reconcile:
        """Return `reconcile` for requests of our shards, never from a copy older than the last owner's
        answer."""

        async def attempt(key: RequestKey) -> None:
            shard = self._of(key)
            if shard is None or not shard.takes(key):
                self._work.drop(key)
                return
            with shard.busy():
                if not shard.in_doubt(key) or await self._work.read_anew(key):
                    await reconcile(key)

        return attempt

    def _of(self, key: RequestKey) -> Shard | None:
        return self._mine.get(shard_of(key, self._shards))

    # Running ------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> bool:
        """Share the work until `stop` is set; False when a Lease was lost, and the process has to end.

        At the end what is in flight is finished and handed over, within the grace period; `end` gives up
        what is left then.
        """
        joining = asyncio.create_task(self._be_a_member(), name="member")
        looking = asyncio.create_task(self._look_on(), name="shards")
        stopping = asyncio.create_task(stop.wait())
        losing = asyncio.create_task(self._lost.wait())
        try:
            done, _ = await asyncio.wait(
                {stopping, losing, looking, joining}, return_when=asyncio.FIRST_COMPLETED
            )
            for broken in done & {looking, joining}:  # a defect: neither ends by itself
                log.error("sharing broke", task=broken.get_name(), error=repr(broken.exception()))
                self.lose()
            looking.cancel()
            began = time.monotonic()
            await self._leave(joining)
            self.spent = time.monotonic() - began
        finally:
            for task in (joining, looking, stopping, losing):
                task.cancel()
            await asyncio.gather(joining, looking, stopping, losing, return_exceptions=True)
        return not self._lost.is_set()

    def lose(self) -> None:
        """End the work: a Lease is lost, and the process has to end."""
        self._lost.set()

    def look(self) -> None:
        """Look at the Leases at once."""
        self._kick.set()

    async def end(self) -> None:
        """Give up the shards that are left, unfinished."""
        for shard in list(self._mine.values()):
            await shard.release_unfinished()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _be_a_member(self) -> None:
        """Tell the others that this replica lives; when it can't, they go on without it."""
        while True:
            if await self._member.attempt():
                self._kick.set()
            await asyncio.sleep(_spread(RENEW))

    async def _leave(self, joining: asyncio.Task[None]) -> None:
        """Say goodbye first, so that others are ready to take what is given."""
        joining.cancel()
        await asyncio.gather(joining, return_exceptions=True)
        try:
            await self._client.delete(LEASES, self._member.name, self._options.namespace)
        except NotFound:
            pass
        except KubeError as error:
            log.warning("member Lease not removed, it will run out", error=str(error))
        if self._lost.is_set():
            return  # the process ends at once, and a fresh one begins
        for shard in self._mine.values():
            shard.end()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=self._options.grace)

    async def _look_on(self) -> None:
        while True:
            soon = False
            try:
                membership = await self._lease_reader.read()
                soon = await self._follow(membership)
            except KubeError as error:
                log.warning("Leases not read", error=_advice(error))
            try:
                async with asyncio.timeout(_spread(LOOK_SOON if soon else LOOK)):
                    await self._kick.wait()
            except TimeoutError:
                continue
            self._kick.clear()

    async def _follow(self, membership: Membership) -> bool:
        """Act on what was seen; whether something of ours is about to come free."""
        if self.leads() and await self._provisioner.provision(membership, self.leads):
            self._kick.set()
        wanted = self._wanted(membership)
        for number, shard in self._mine.items():
            shard.wanted(number in wanted)
        coming = False
        for number in wanted - set(self._mine):
            holder = membership.holders.get(number)
            if number in membership.free or holder == self._options.identity:
                self._take(number)
            else:
                coming = coming or holder in membership.members
        return coming

    def _wanted(self, membership: Membership) -> set[int]:
        if not membership.shared:
            return set()  # a single leader works, or nobody has begun
        members = tuple(sorted(membership.members | {self._options.identity}))
        if members != self._members:
            if self._members:
                log.info("replicas", members=len(members), before=len(self._members))
            self._members, self._assigned = members, assign(self._shards, members)
        return {number for number, name in self._assigned.items() if name == self._options.identity}

    # Shards -------------------------------------------------------------------

    def _take(self, number: int) -> None:
        name = shard_name(self._group, number)
        shard = Shard(
            number,
            self._lease(name, create=False),
            self._work,
            lambda key: shard_of(key, self._shards) == number,
            self._metrics,
            call=self._options.call,
            grace=self._options.grace,
        )
        self._mine[number] = shard
        task = asyncio.create_task(shard.run(), name=f"shard-{number}-life")
        self._tasks[number] = task
        task.add_done_callback(lambda done: self._gone(number, done))

    def _gone(self, number: int, task: asyncio.Task[bool]) -> None:
        del self._mine[number]
        del self._tasks[number]
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.error("shard broke", shard=number, error=repr(error))
        if error is not None or not task.result():
            self.lose()
        self._kick.set()

    def _lease(self, name: str, *, create: bool) -> Lease:
        options = self._options
        return Lease(
            self._client,
            options.namespace,
            name,
            options.identity,
            options.lease_times,
            create=create,
            observation=self._lease_reader.observation(name),
        )


def _spread(seconds: float) -> float:
    return seconds * (0.75 + random.random() / 2)  # noqa: S311 - spreads load


def _advice(error: KubeError) -> str:
    if error.status == 403:
        role = "the Role of the chart's controller.shards (config/rbac/optional/sharding.yaml)"
        return f"{error}: --shards needs {role}"
    return str(error)
