"""Requests that would outlive their CA: refused or shortened, never so short that they loop."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest

from issuer.controller.state.health.ca_expiry import (
    LATELY,
    CAValidity,
    LongestIssued,
    Mode,
    requested_lifetime,
    warning,
)
from issuer.signing.outcomes import CAEndsTooSoon
from issuer.x509.encoding.raw import EARLIEST
from tests.builders import NOW

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def ca(ends_in: timedelta, life: timedelta = 1000 * DAY) -> CAValidity:
    return CAValidity("pki/sign/web", NOW + ends_in - life, NOW + ends_in)


@pytest.mark.parametrize("mode", ["Refuse", "Shorten"])
def test_a_life_that_fits_is_asked_for_as_it_is(mode: Mode) -> None:
    assert requested_lifetime(10 * DAY, ca(10 * DAY), mode, NOW) == 10 * DAY
    assert requested_lifetime(None, None, mode, NOW) == 90 * DAY
    assert requested_lifetime(None, ca(9 * DAY), mode, NOW) == 9 * DAY - timedelta(minutes=5)
    assert requested_lifetime(10 * DAY, None, mode, NOW) == 10 * DAY


def test_refuse_says_when_the_ca_ends_and_what_to_ask_for() -> None:
    with pytest.raises(CAEndsTooSoon) as caught:
        requested_lifetime(10 * DAY, ca(9 * DAY), "Refuse", NOW)
    for words in ("pki/sign/web expires at 2026-12-01T12:00:00Z", "at most 215h55m0s", "caExpiry to Shorten"):
        assert words in str(caught.value)


def test_shorten_ends_a_little_before_the_ca() -> None:
    assert requested_lifetime(10 * DAY, ca(9 * DAY), "Shorten", NOW) == 9 * DAY - timedelta(minutes=5)


@pytest.mark.parametrize("mode", ["Refuse", "Shorten"])
def test_less_than_an_hour_is_worth_no_certificate(mode: Mode) -> None:
    with pytest.raises(CAEndsTooSoon, match="again and again"):
        requested_lifetime(10 * DAY, ca(timedelta(minutes=64)), mode, NOW)


def test_renewing_at_two_thirds_ends_after_a_few_rounds() -> None:
    """cert-manager's rule, played until there is nothing left to sign."""
    now, life, rounds = NOW, ca(90 * DAY), 0
    with suppress(CAEndsTooSoon):
        while rounds < 1000:
            given = requested_lifetime(90 * DAY + HOUR, life, "Shorten", now)
            assert given >= HOUR
            now, rounds = now + given * 2 / 3, rounds + 1
    assert rounds < 10


@pytest.mark.parametrize(
    ("life", "asked", "ahead"),
    [
        (1000 * DAY, None, 120 * DAY),
        (1000 * DAY, DAY, 120 * DAY),
        (1000 * DAY, 200 * DAY, 230 * DAY),
        (30 * DAY, DAY, 20 * DAY),
    ],
)
def test_a_ca_is_warned_of_before_it_ends_too_soon(
    life: timedelta, asked: timedelta | None, ahead: timedelta
) -> None:
    longest = LongestIssued()
    longest.note(asked, life, NOW)
    assert warning(ca(ahead + HOUR, life), "Refuse", longest, NOW) is None
    assert warning(ca(ahead - HOUR, life), "Refuse", longest, NOW) is not None


def test_a_life_longer_than_the_cas_own_is_not_measured_by() -> None:
    longest = LongestIssued()
    longest.note(36_500 * DAY, 36_500 * DAY, NOW)  # a hundred years, of a CA that another has replaced
    assert warning(ca(130 * DAY, 1000 * DAY), "Refuse", longest, NOW) is None
    assert "2160h0m0s are refused" in str(warning(ca(110 * DAY, 1000 * DAY), "Refuse", longest, NOW))


def test_a_ca_that_ended_in_the_year_1_is_told_of() -> None:
    longest = LongestIssued()
    longest.note(5 * DAY, 5 * DAY, NOW)
    for ended in (EARLIEST, EARLIEST + 5 * DAY):
        text = warning(CAValidity("pki/sign/web", EARLIEST, ended), "Refuse", longest, NOW)
        assert "from 0001-01-01T00:00:00Z on" in str(text)


def test_the_warning_does_not_change_with_time() -> None:
    life = ca(100 * DAY)
    told = {warning(life, "Shorten", LongestIssued(), NOW + days * DAY) for days in range(0, 99, 7)}
    assert len(told) == 1
    assert "2160h0m0s are shortened" in str(told)


def test_what_was_asked_for_long_ago_makes_room() -> None:
    longest = LongestIssued()
    longest.note(200 * DAY, 200 * DAY, NOW)
    longest.note(DAY, DAY, NOW + DAY)
    assert longest.duration == 200 * DAY
    longest.note(DAY, DAY, NOW + LATELY + HOUR)
    assert longest.duration == DAY
