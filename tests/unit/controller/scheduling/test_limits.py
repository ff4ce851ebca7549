"""What an issuer may have at once, by its limiter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.api.issuers import RateLimit
from issuer.controller.scheduling.limits import LONGEST_PAUSE, SILENT_AFTER, IssuerLimiter
from issuer.kube.queues.fairqueue import Throttled
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey
from issuer.signing.outcomes import RateLimited
from issuer.signing.vault.reasons import VaultRetry
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Spec:
    """An issuer's `spec.rateLimit` that can change."""

    def __init__(self, **limit: int) -> None:
        self.limit: RateLimit | None = None
        self.set(**limit)

    def set(self, **limit: int) -> None:
        self.limit = RateLimit.model_validate(limit) if limit else None

    def __call__(self) -> RateLimit | None:
        return self.limit


def key(number: int) -> RequestKey:
    return RequestKey("team-a", f"r{number}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limiter(spec: Spec, clock: Clock, concurrent: int = 16) -> IssuerLimiter:
    return IssuerLimiter(spec, concurrent, lambda _reason, _seconds: None, clock)


def let_go(one: IssuerLimiter, most: int = 100) -> int:
    """How many requests go until the limiter closes; each signs and ends at once."""
    for number in range(most):
        if one.throttled() is not None:
            return number
        one.admit(key(number))
        with one.call(key(number)):
            pass
        one.done(key(number))
    return most


def test_no_more_are_in_hand_than_the_flag_says_or_the_spec(clock: Clock) -> None:
    spec = Spec()
    one = limiter(spec, clock, concurrent=3)
    for number in range(3):
        assert one.throttled() is None
        one.admit(key(number))
    assert one.throttled() == Throttled("concurrent")
    spec.set(concurrent=4)
    assert one.throttled() is None
    spec.set(concurrent=1)
    assert one.throttled() == Throttled("concurrent")
    for number in range(3):
        one.done(key(number))
    assert one.throttled() is None


def test_what_is_signed_and_not_written_counts_with_what_is_in_hand(clock: Clock) -> None:
    held: set[RequestKey] = set()
    one = IssuerLimiter(Spec(), 3, lambda _reason, _seconds: None, clock, lambda: held)
    for number in range(3):
        one.admit(key(number))
    held.add(key(0))  # it is being written
    one.done(key(1))
    assert one.throttled() is None
    one.done(key(0))  # and could not be
    assert one.throttled() is None, "two: one is held, and one in hand"
    one.admit(key(3))
    held |= {key(2), key(3)}
    one.done(key(2))
    one.done(key(3))
    assert one.throttled() == Throttled("held", 0.25)
    held.discard(key(2))
    assert one.throttled() is None


def test_past_the_limiter_nothing_is_signed_beside_what_is_held(clock: Clock) -> None:
    held: set[RequestKey] = {key(0)}
    spec = Spec()
    one = IssuerLimiter(spec, 2, lambda _reason, _seconds: None, clock, lambda: held)
    with one.signing(key(1)):
        assert one.has_room(key(1))
        with one.signing(key(2)):
            assert not one.has_room(key(2)), "the other may come to be held"
        held.add(key(1))
        assert one.has_room(key(1)), "it is the same certificate"
    assert not one.has_room(key(2))
    spec.set(concurrent=3)
    assert one.has_room(key(2))


@given(st.integers(1, 5), st.lists(st.sampled_from(["go", "sign", "fail", "write"]), max_size=60))
def test_never_more_are_held_than_may_be_in_hand(most: int, steps: list[str]) -> None:
    held: set[RequestKey] = set()
    one = IssuerLimiter(Spec(), most, lambda _reason, _seconds: None, Clock(), lambda: held)
    in_hand: list[RequestKey] = []
    for number, step in enumerate(steps):
        if step == "go" and one.throttled() is None:
            one.admit(key(number))
            in_hand.append(key(number))
        elif step == "sign" and in_hand:
            held.add(in_hand[0])
        elif step == "fail" and in_hand:
            one.done(in_hand.pop(0))
        elif step == "write" and held:
            held.pop()
        assert len(held) <= most


def test_a_burst_goes_at_once_and_then_as_many_a_second_as_the_rate(clock: Clock) -> None:
    one = limiter(Spec(perSecond=4, burst=10), clock)
    assert let_go(one) == 10
    assert one.throttled() == Throttled("rate", 0.25)
    clock.now += 0.25
    assert let_go(one) == 1
    clock.now += 1.5
    assert let_go(one) == 6
    clock.now += 3600
    assert let_go(one) == 10


def test_without_a_burst_it_is_one_seconds_worth(clock: Clock) -> None:
    assert let_go(limiter(Spec(perSecond=7), clock)) == 7


def test_a_request_that_does_not_sign_gives_its_token_back(clock: Clock) -> None:
    one = limiter(Spec(perSecond=1), clock)
    for number in range(50):
        assert one.throttled() is None
        one.admit(key(number))
        # The only token is set aside: time alone brings no other.
        assert one.throttled() == Throttled("rate")
        one.done(key(number))
    assert let_go(one) == 1


def test_a_signing_call_no_token_was_set_aside_for_is_paid_later(clock: Clock) -> None:
    one = limiter(Spec(perSecond=2, burst=2), clock)
    one.admit(key(1))
    for _ in range(3):  # as when a call is repeated for a shorter life
        with one.call(key(1)):
            pass
    one.done(key(1))
    assert one.throttled() == Throttled("rate", 1.0)


def test_a_limit_that_is_set_later_holds_from_then_on(clock: Clock) -> None:
    spec = Spec()
    one = limiter(spec, clock)
    assert let_go(one, 30) == 30
    spec.set(perSecond=2)
    assert let_go(one) == 2
    spec.set()
    assert let_go(one, 30) == 30


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.lists(st.tuples(st.floats(0, 2), st.integers(0, 3), st.booleans()), max_size=80),
)
def test_in_any_time_vault_sees_no_more_than_burst_and_rate(
    rate: int, burst: int, steps: list[tuple[float, int, bool]]
) -> None:
    """Each step: time goes by, some requests are handed out, and those in hand sign or end without."""
    clock = Clock()
    one = limiter(Spec(perSecond=rate, burst=burst), clock)
    hands: list[RequestKey] = []
    calls: list[float] = []
    made = 0
    for seconds, asked, signs in steps:
        clock.now += seconds
        for _ in range(asked):
            if one.throttled() is None:
                hands.append(key(made := made + 1))
                one.admit(hands[-1])
        if signs:
            for held in hands:
                with one.call(held):
                    calls.append(clock.now)
        for held in hands:
            one.done(held)
        hands.clear()
        for first in range(len(calls)):
            seen, window = len(calls) - first, calls[-1] - calls[first]
            assert seen <= burst + rate * window + 1e-6


def test_an_issuer_whose_calls_go_unanswered_gets_no_further_requests(clock: Clock) -> None:
    one = limiter(Spec(), clock)
    for number in range(2):
        one.admit(key(number))
    with one.call(key(0)):
        clock.now += SILENT_AFTER - 0.1
        with one.call(key(1)):
            assert one.throttled() is None
            clock.now += 0.2
            assert one.throttled() == Throttled("silent")
        assert one.throttled() is None, "one was answered: it is slow, not silent"
    clock.now += 60
    assert one.throttled() is None, "nothing is under way"


def test_vaults_429_holds_back_the_whole_issuer_for_as_long_as_it_says(clock: Clock) -> None:
    one = limiter(Spec(), clock)
    one.pause(7)
    one.pause(3)
    assert one.throttled() == Throttled("vault", 7)
    clock.now += 7
    assert one.throttled() is None
    one.pause(None)
    assert one.throttled() == Throttled("vault", 1)
    one.pause(1e9)
    assert one.throttled() == Throttled("vault", LONGEST_PAUSE)


async def test_a_429_met_by_one_request_pauses_the_others(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(RateLimited(VaultRetry.VAULT_RATE_LIMITED, "too many requests", after=30))
    bench.kube.accepts_status()
    await bench.reconcile()
    closed = bench.limits.limiter(CLUSTER_ISSUER).throttled()
    assert closed is not None
    assert (closed.reason, 29 < (closed.seconds or 0) <= 30) == ("vault", True)


def one_a_second(bench: Bench) -> IssuerLimiter:
    """The limiter of a Ready issuer that may sign once a second; there is a request for it."""
    bench.with_ready_issuer().with_request().signs()
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert entry.spec is not None
    limit = RateLimit.model_validate({"perSecond": 1})
    entry.spec = entry.spec.model_copy(update={"rate_limit": limit})
    return bench.limits.limiter(CLUSTER_ISSUER)


async def test_a_signing_call_spends_the_issuers_token(bench: Bench) -> None:
    limiter = one_a_second(bench)
    assert limiter.throttled() is None
    bench.kube.accepts_status()
    await bench.reconcile()
    closed = limiter.throttled()
    assert closed is not None
    assert closed.reason == "rate"


async def test_a_call_that_is_not_sent_costs_no_token(bench: Bench) -> None:
    limiter = one_a_second(bench)

    def lose_the_lease() -> None:
        bench.leading = False

    bench.signer.log_in = lose_the_lease
    await bench.reconciler.reconcile(KEY)
    assert bench.signer.signed == 0
    assert limiter.throttled() is None


async def test_a_token_that_is_given_back_stays_with_a_request_in_hand(clock: Clock) -> None:
    limiter = IssuerLimiter(
        lambda: RateLimit.model_validate({"perSecond": 1}), 5, lambda _reason, _seconds: None, clock
    )
    limiter.admit(key(1))
    with limiter.call(key(1), lambda: False):
        pass
    assert limiter.throttled() is not None, "it is judged anew at once, and sent then"
    with limiter.call(key(1)):
        pass
    limiter.done(key(1))
    clock.now += 1
    assert limiter.throttled() is None, "two calls, of which one was sent, cost one token"


def test_of_an_issuer_that_is_gone_nothing_is_kept(bench: Bench) -> None:
    issuer = IssuerKey("VaultIssuer", "team-a", "short-lived")
    limiter = bench.limits.limiter(issuer)
    limiter.admit(key(1))
    bench.limits.forget(issuer)
    assert bench.limits.limiter(issuer) is limiter, "a request of it is still in hand"
    limiter.done(key(1))
    bench.limits.forget(issuer)
    assert bench.limits.limiter(issuer) is not limiter
