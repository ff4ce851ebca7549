"""A Certificate that is issued again and again waits: from the fifth on, then twice as long each time."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from issuer.controller.renewals import loops as loops_module
from issuer.controller.renewals.loops import LoopLimits, Owner, RenewalLoops
from issuer.requests.request import RequestKey
from tests.builders import NOW

WEB = Owner("team-a", "web", "uid-of-web")
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Clock:
    """A cert-manager that asks again as soon as it has a certificate, and time that passes only here."""

    def __init__(self, limits: LoopLimits | None = None) -> None:
        self.loops = RenewalLoops(limits or LoopLimits())
        self.now = NOW
        self.count = 0
        self.generation: int | None = 1
        self.ends: datetime | None = None

    def waits(self) -> timedelta:
        """How long a request waits that is made now."""
        due = self.loops.next_at(WEB, self.now, self.generation, self.ends)
        return max(due - self.now, timedelta()) if due else timedelta()

    def issue(self, owner: Owner = WEB, at: datetime | None = None) -> None:
        """A certificate, seen by the watch at once."""
        self.count += 1
        self.loops.issued(owner, f"request-{self.count}", at or self.now, self.now, self.generation)

    def renew(self) -> timedelta:
        """One turn of the loop; how long it waited."""
        waited = self.waits()
        self.now += waited
        self.issue()
        self.now += SECOND
        return waited


def test_five_go_at_once_and_then_each_waits_twice_as_long_up_to_six_hours() -> None:
    clock = Clock()
    waits = [clock.renew() for _ in range(13)]
    assert waits[:5] == [timedelta()] * 5
    minutes = [round(one / MINUTE) for one in waits[5:]]
    assert minutes == [10, 20, 40, 80, 160, 320, 360, 360]


def test_a_day_of_the_loop_costs_few_certificates() -> None:
    clock = Clock()
    while clock.now < NOW + 24 * HOUR:
        clock.renew()
    assert clock.count == 14


def test_four_in_ten_minutes_or_five_in_more_never_wait() -> None:
    clock = Clock()
    for _ in range(100):
        assert not clock.renew()
        clock.now += 2.6 * MINUTE


def test_a_changed_spec_ends_the_wait_and_the_count() -> None:
    clock = Clock()
    for _ in range(6):
        clock.renew()
    assert clock.waits()
    clock.generation = 2
    assert [clock.renew() for _ in range(5)] == [timedelta()] * 5
    assert clock.waits()


def test_changes_all_the_time_are_no_loop() -> None:
    clock = Clock()
    for generation in range(1, 50):
        clock.generation = generation
        assert not clock.renew()


def test_without_a_known_generation_the_loop_is_one_all_the_same() -> None:
    clock = Clock()
    clock.generation = None
    waits = [clock.renew() for _ in range(6)]
    assert waits[5] > 9 * MINUTE


def test_a_request_after_a_long_quiet_begins_anew() -> None:
    clock = Clock()
    for _ in range(6):
        clock.renew()
    clock.now += 41 * MINUTE
    assert [clock.renew() for _ in range(5)] == [timedelta()] * 5


def test_a_request_that_waited_for_its_own_pause_does_not_begin_anew() -> None:
    clock = Clock()
    for _ in range(5):
        clock.renew()
    created = clock.now
    assert clock.loops.next_at(WEB, created, 1) == NOW + 4 * SECOND + 10 * MINUTE


def test_no_pause_outlasts_half_of_what_the_last_certificate_had_left() -> None:
    clock = Clock()
    for _ in range(10):
        clock.renew()
    assert clock.waits() > 5 * HOUR
    clock.ends = clock.now + HOUR
    assert 29 * MINUTE < clock.waits() < 31 * MINUTE
    clock.ends = clock.now + MINUTE
    assert MINUTE < clock.waits() <= 2 * MINUTE


def test_each_certificate_counts_once_however_often_the_watch_shows_it() -> None:
    clock = Clock()
    clock.issue()
    for _ in range(50):
        clock.loops.issued(WEB, "request-1", NOW, clock.now)
    assert not clock.waits()


def test_a_list_in_any_order_counts_those_of_the_last_ten_minutes() -> None:
    for order in ((1, 2, 3, 4, 5), (5, 4, 3, 2, 1), (3, 1, 5, 2, 4)):
        clock = Clock()
        for minutes in order:
            clock.issue(at=NOW - minutes * MINUTE)
        assert clock.waits() == 9 * MINUTE
    old = Clock()
    for minutes in (1, 2, 3, 4, 11, 12, 13):
        old.issue(at=NOW - minutes * MINUTE)
    assert not old.waits()


def test_one_of_the_same_name_in_another_namespace_or_made_anew_is_another() -> None:
    clock = Clock()
    for _ in range(20):
        clock.issue(WEB._replace(namespace="team-b"))
        clock.issue(WEB._replace(uid="older"))
    assert not clock.waits()


def test_zero_certificates_turn_it_off() -> None:
    clock = Clock(LoopLimits(certificates=0))
    for _ in range(50):
        assert not clock.renew()
    assert len(clock.loops) == 0


def test_no_pause_is_longer_than_the_longest_or_shorter_than_the_window() -> None:
    assert LoopLimits().pause(10_000) == 6 * HOUR
    assert LoopLimits(window=HOUR, longest=MINUTE).pause(1) == HOUR


def test_many_certificates_push_out_old_ones_but_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops_module, "MOST", 100)
    monkeypatch.setattr(loops_module, "MOST_HELD", 10)
    clock = Clock()
    for _ in range(5):
        clock.renew()
    for number in range(1_000):
        clock.issue(Owner("flood", f"n{number}", f"u{number}"))
    assert len(clock.loops) == 101
    assert clock.waits()
    for number in range(50):
        for _ in range(5):
            clock.issue(Owner("flood", f"loop{number}", f"l{number}"))
    assert len(clock.loops) <= 110


def test_waiting_requests_are_found_by_their_certificate() -> None:
    loops = RenewalLoops()
    one, other = RequestKey("team-a", "web-6"), RequestKey("team-b", "web-6")
    loops.hold(one, WEB)
    loops.hold(other, WEB._replace(namespace="team-b"))
    assert loops.waiting_for("team-a", "web") == [one]
    assert loops.waiting == 2
    loops.release(one)
    loops.release(one)
    assert loops.waiting_for("team-a", "web") == []


def test_certificates_by_a_clock_that_was_days_ahead_count_as_of_now() -> None:
    """Another replica's node had it; the next one would have waited for these days."""
    clock = Clock()
    for _ in range(5):
        clock.issue(at=clock.now + 72 * HOUR)
    assert clock.waits() == 10 * MINUTE
