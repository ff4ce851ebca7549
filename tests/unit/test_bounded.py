"""Token buckets and caches: what is over the bound goes, and time is the clock's that is passed in."""

from __future__ import annotations

from issuer.bounded import LruCache, TokenBucket, TtlCache


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_gives_a_burst_then_its_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(2, 3, clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    assert bucket.wait() == 0.5
    clock.now += 0.5
    assert (bucket.wait(), bucket.take(), bucket.take()) == (0, True, False)
    clock.now += 1000
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_a_debt_is_paid_by_time() -> None:
    clock = Clock()
    bucket = TokenBucket(1, 1, clock)
    bucket.spend()
    bucket.spend()
    assert bucket.wait() == 2
    clock.now += 2
    assert bucket.take()


def test_rate_and_burst_may_be_set_anew() -> None:
    clock = Clock()
    bucket = TokenBucket(1, 1, clock)
    assert bucket.take()
    bucket.rate, bucket.burst = 10, 2
    clock.now += 0.2
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_the_cache_forgets_what_was_put_longest_ago() -> None:
    cache: LruCache[str, int] = LruCache(2)
    for number, name in enumerate("abac"):
        cache.put(name, number)
    assert ("b" in cache, cache.get("a"), cache.get("c"), len(cache)) == (False, 2, 3, 2)
    assert (cache.pop("a"), cache.pop("a")) == (2, None)
    cache.clear()
    assert not len(cache)


def test_a_value_is_fresh_for_its_time_and_stale_after_it() -> None:
    clock = Clock()
    cache: TtlCache[str, str | None] = TtlCache(2, clock)
    cache.put("a", "x", 5)
    cache.put("b", None, 1)
    assert (cache.get("a"), cache.fresh("b"), cache.get("b"), cache.fresh("c")) == ("x", True, None, False)
    clock.now += 5
    assert (cache.get("a"), cache.fresh("a"), cache.stale("a")) == (None, False, "x")
    cache.put("c", "y", 1)
    assert (cache.stale("a"), len(cache)) == (None, 2)
    assert (cache.pop("c"), cache.pop("c")) == ("y", None)
