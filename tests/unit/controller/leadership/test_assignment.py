"""Which replica should have which shard."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.controller.leadership.assignment import assign, shard_of
from issuer.requests.request import RequestKey

NAMES = st.sets(st.text("abcdef0123456789-_", min_size=1, max_size=12), min_size=1, max_size=20)
SHARDS = st.integers(2, 128)


@settings(deadline=None)
@given(SHARDS, NAMES)
def test_every_shard_has_one_of_the_members_and_counts_differ_by_one_at_most(
    shards: int, members: set[str]
) -> None:
    assigned = assign(shards, members)
    assert sorted(assigned) == list(range(shards))
    load = Counter(dict.fromkeys(members, 0)) + Counter(assigned.values())
    counts = [load[name] for name in members]
    assert set(assigned.values()) <= members
    assert max(counts) - min(counts) <= 1


@settings(deadline=None)
@given(SHARDS, NAMES, st.randoms(use_true_random=False))
def test_replicas_that_see_the_same_members_in_any_order_agree(
    shards: int, members: set[str], random: object
) -> None:
    names = sorted(members)
    random.shuffle(names)  # type: ignore[attr-defined]
    assert (
        assign(shards, names)
        == assign(shards, sorted(members, reverse=True))
        == assign(shards, [*names, *names])
    )


@settings(deadline=None)
@given(SHARDS, NAMES, st.text("xyz", min_size=1, max_size=8))
def test_few_shards_move_when_a_replica_comes_or_goes(shards: int, members: set[str], another: str) -> None:
    before, after = assign(shards, members), assign(shards, {*members, another})
    moved = sum(before[shard] != after[shard] for shard in before)
    share = shards / (len(members) + 1)
    assert moved <= 1.5 * share + len(members) + 1, "not many more than the newcomer's share"


def test_nobody_has_anything_where_nobody_is() -> None:
    assert assign(8, []) == {}


def test_the_assignment_is_the_same_in_every_version() -> None:
    assert assign(4, ["a", "b"]) == {0: "b", 1: "b", 2: "a", 3: "a"}
    assert [shard_of(RequestKey("team", f"web-{number}"), 16) for number in range(4)] == [7, 5, 3, 4]


def test_requests_spread_over_shards_and_the_kinds_do_not_meet() -> None:
    load = Counter(shard_of(RequestKey(f"team-{one % 20}", f"web-{one}"), 16) for one in range(16_000))
    assert len(load) == 16
    assert 800 < min(load.values()) <= max(load.values()) < 1200
    assert shard_of(RequestKey("", "a/b"), 1 << 30) != shard_of(RequestKey("a", "b"), 1 << 30)
