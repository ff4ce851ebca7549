"""The shard of a request, and the replica that should have a shard. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b

from issuer.requests.request import RequestKey


def shard_of(key: RequestKey, shards: int) -> int:
    """The shard of a request: the same in every process, whatever Python's hash seed.

    A CertificateSigningRequest has no namespace, and no namespace is empty: the kinds don't meet.
    """
    digest = blake2b(f"{key.namespace}/{key.name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % shards


def assign(shards: int, members: Iterable[str]) -> dict[int, str]:
    """Return each shard's replica: counts differ by one at most, and few shards move when members change.

    Rendezvous hashing with bounded load: of all pairs of shard and member the one with the highest hash goes
    first, as long as the member has room.
    """
    names = sorted(set(members))
    if not names:
        return {}
    floor, extra = divmod(shards, len(names))
    pairs = sorted(
        ((_weight(shard, name), shard, name) for shard in range(shards) for name in names), reverse=True
    )
    assigned: dict[int, str] = {}
    load: Counter[str] = Counter()
    for _, shard, name in pairs:
        if shard in assigned or load[name] > floor or (load[name] == floor and extra == 0):
            continue
        if load[name] == floor:
            extra -= 1
        assigned[shard] = name
        load[name] += 1
    return assigned


def _weight(shard: int, member: str) -> bytes:
    return blake2b(f"{shard}\0{member}".encode(), digest_size=8).digest()
