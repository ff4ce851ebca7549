"""Times of renewals: the fraction of a life, its spread, and windows that yield to the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from issuer.agent.config.times import Window
from issuer.agent.renewal.schedule import LATEST, MAX_PAUSE, RenewalRule, due_at, pause, spread

BEGIN = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)  # a Monday
LIFE = timedelta(days=10)
BERLIN = ZoneInfo("Europe/Berlin")


def window(**fields: object) -> Window:
    return Window.model_validate(fields)


def rule(*windows: Window, jitter: float = 0.05) -> RenewalRule:
    return RenewalRule(0.7, jitter, windows, BERLIN)


def test_renewal_is_never_later_than_the_fraction() -> None:
    assert due_at(BEGIN, BEGIN + LIFE, rule(), 0.0, BEGIN).at == BEGIN + LIFE * 0.7
    assert due_at(BEGIN, BEGIN + LIFE, rule(), 0.5, BEGIN).at == BEGIN + LIFE * 0.675


def test_machines_are_spread_and_each_stays_where_it_is() -> None:
    shares = [spread(f"machine-{number}", "web") for number in range(1000)]
    tenths = [sum(low / 10 <= share < (low + 1) / 10 for share in shares) for low in range(10)]
    assert min(tenths) > 60
    assert spread("machine-1", "web") == shares[1]
    assert spread("machine-1", "api") != shares[1]


def test_window_is_waited_for() -> None:
    sunday = window(days=["sun"], **{"from": "02:00", "to": "04:00"})
    # 0.7 of the life is Monday noon; the next Sunday is after 0.9 of it, Wednesday noon.
    assert due_at(BEGIN, BEGIN + LIFE, rule(sunday), 0.0, BEGIN).at == BEGIN + LIFE * LATEST
    wednesday = window(days=["wed"], **{"from": "02:00", "to": "04:00"})
    assert due_at(BEGIN, BEGIN + LIFE, rule(wednesday), 0.0, BEGIN).at == datetime(
        2026, 11, 11, 1, 0, tzinfo=UTC
    )


NIGHT = window(**{"from": "02:00", "to": "04:00"})
YEAR = timedelta(days=90)


def test_window_that_has_gone_by_is_over() -> None:
    """A machine that was off, or whose server was away, from 02:00 to 04:00."""
    due = due_at(BEGIN, BEGIN + YEAR, rule(NIGHT), 0.0, BEGIN).at
    assert due == datetime(2027, 1, 5, 1, 0, tzinfo=UTC)
    for hours in (1.9, 2, 7, 22):
        seen = due_at(BEGIN, BEGIN + YEAR, rule(NIGHT), 0.0, due + timedelta(hours=hours))
        assert seen.at == due + timedelta(days=0 if hours < 2 else 1)
        assert seen.window_open is (hours < 2)
        assert seen.waits(due + timedelta(hours=hours)) is (hours >= 2)
    latest = BEGIN + YEAR * LATEST
    assert due_at(BEGIN, BEGIN + YEAR, rule(NIGHT), 0.0, latest + timedelta(hours=1)).at == latest


def test_machines_are_spread_in_a_window_too() -> None:
    found = [
        due_at(BEGIN, BEGIN + YEAR, rule(NIGHT), spread(f"machine-{number}", "web"), BEGIN).at
        for number in range(1000)
    ]
    assert len(set(found)) == 1000
    assert all(1 <= one.hour < 3 for one in found)  # 02:00 to 04:00 in Berlin
    minutes = [one.hour * 60 + one.minute - 60 for one in found]
    assert min(sum(low <= one < low + 6 for one in minutes) for low in range(0, 60, 6)) > 60
    late = sum(one >= 60 for one in minutes)
    assert late < 80  # those whose life alone has them there; else the second half is for tries again


@pytest.mark.parametrize("end", ["02:11", "02:30", "03:00", "04:00"])
@pytest.mark.parametrize("every", [10, 1440])
def test_looks_that_come_seldom_miss_no_window(end: str, every: int) -> None:
    """As those from cron: each ten minutes, or each day at 02:03."""
    seldom = replace(rule(window(**{"from": "02:00", "to": end})), now_and_then=True)
    for number in range(20):
        share = spread(f"machine-{number}", "web")
        now = due_at(BEGIN, BEGIN + YEAR, rule(), share, BEGIN).early.replace(hour=1, minute=3, second=0)
        while now < (due := due_at(BEGIN, BEGIN + YEAR, seldom, share, now)).at:
            now += timedelta(minutes=every)
        assert due.window_open, number
        assert now - due.early < timedelta(days=1)


def test_window_over_midnight_is_open_on_the_next_day() -> None:
    sunday = window(days=["sun"], **{"from": "23:00", "to": "14:00"})
    assert due_at(BEGIN, BEGIN + LIFE, rule(sunday), 0.0, BEGIN).at == BEGIN + LIFE * 0.7


@pytest.mark.parametrize("day", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
def test_window_on_the_day_the_clocks_change(day: datetime) -> None:
    found = due_at(
        day - timedelta(hours=7),
        day + timedelta(hours=3),
        rule(window(**{"from": "02:30", "to": "05:00"})),
        0.0,
        day - timedelta(hours=7),
    ).at
    assert day - timedelta(hours=1) <= found <= day + timedelta(hours=3)


def test_pauses_grow_to_five_minutes() -> None:
    pauses = [pause(failures, 1.0) for failures in range(1, 40)]
    assert pauses[:4] == [2.0, 4.0, 8.0, 16.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_PAUSE
    assert pause(1, 0.0) == 1.0


def test_server_s_wish_is_the_least() -> None:
    assert pause(1, 1.0, retry_after=60.0) == 60.0
    assert pause(39, 1.0, retry_after=60.0) == MAX_PAUSE
    assert pause(1, 1.0, retry_after=1e9) == 3600.0


@pytest.mark.parametrize("window", [60.0, 7 * 3600.0, 27 * 86400.0])
@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_server_that_is_away_for_99_hundredths_is_met(window: float, chance: float) -> None:
    now, failures = 0.0, 0
    while now < window * 0.99:
        failures += 1
        now += pause(failures, chance, left=window - now)
    assert now < window
    assert failures < window / 60 + 200
