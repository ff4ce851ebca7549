"""The Leases of the group as they were just read: who lives, what is free, and what is in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from issuer.api.leases import GROUP_LABEL, ROLE_LABEL, SHARDS
from issuer.controller.leadership.lease_labels import shard_name, works_in_shards
from issuer.kube.client import KubeClient
from issuer.kube.leases.lease import Observation, steady_clock
from issuer.kube.resources import LEASES
from issuer.kube.wire import Object


@dataclass(slots=True)
class Membership:
    """One look. Members are named by identity, Leases are whole objects.

    `others` are live members that count with another number of shards; `foreign` are Leases of shards of
    another number.
    """

    shared: bool = False
    """True if the main Lease says that replicas share the work."""
    members: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    dead: list[Object] = field(default_factory=list)
    free: set[int] = field(default_factory=set)
    holders: dict[int, str] = field(default_factory=dict)
    foreign: list[Object] = field(default_factory=list)
    foreign_held: bool = False

    @property
    def there(self) -> set[int]:
        """The shards that have a Lease."""
        return self.free | set(self.holders)


class LeaseReader:
    """Reads the Leases of one group, and remembers when each was seen to change."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        group: str,
        shards: int,
        clock: Callable[[], float] = steady_clock,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._group = group
        self._shards = shards
        self._clock = clock
        self._numbers = {shard_name(group, number): number for number in range(shards)}
        self._seen: dict[str, Observation] = {}

    def observation(self, name: str) -> Observation:
        """Return when that Lease was seen to change."""
        return self._seen.setdefault(name, Observation())

    async def read(self) -> Membership:
        """Read all Leases of the group. Raises KubeError."""
        listed = self._client.list_all(
            LEASES, namespace=self._namespace, label_selector=f"{GROUP_LABEL}={self._group}"
        )
        found = [lease async for lease in listed]
        now = self._clock()
        names = {one["metadata"]["name"] for one in found}
        self._seen = {name: seen for name, seen in self._seen.items() if name in names}
        membership = Membership()
        for one in found:
            seen = self.observation(one["metadata"]["name"])
            seen.note(one, now)
            self._sort(membership, one, ended=seen.ended(now))
        return membership

    def _sort(self, membership: Membership, lease: Object, *, ended: bool) -> None:
        name, labels = lease["metadata"]["name"], lease["metadata"].get("labels") or {}
        holder = str((lease.get("spec") or {}).get("holderIdentity") or "")
        same = labels.get(SHARDS) == str(self._shards)
        match labels.get(ROLE_LABEL):
            case "member" if ended:
                membership.dead.append(lease)
            case "member":
                (membership.members if same else membership.others).add(holder)
            case "shard" if same and name in self._numbers:
                if ended:
                    membership.free.add(self._numbers[name])
                else:
                    membership.holders[self._numbers[name]] = holder
            case "shard":
                membership.foreign.append(lease)
                membership.foreign_held = membership.foreign_held or not ended
            case None if name == self._group:
                membership.shared = works_in_shards(lease)
