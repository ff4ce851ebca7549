"""When cert-manager renews, and which certificates it would renew again and again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from issuer.x509.verification.renewal import DEFAULT_RENEWAL, Renewal

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
BACKDATED = timedelta(seconds=30)


def due(renewal: Renewal, life: timedelta, wanted: timedelta, back: timedelta = BACKDATED) -> bool:
    """Whether a certificate of that life would be renewed at once."""
    return renewal.is_due_at_once(NOW - back, NOW + life, NOW, wanted)


@pytest.mark.parametrize(
    ("renewal", "ahead"),
    [
        (DEFAULT_RENEWAL, 240 * HOUR),
        (Renewal(before=100 * HOUR), 100 * HOUR),
        (Renewal(before=720 * HOUR), 240 * HOUR),  # not before it began
        (Renewal(before=timedelta()), 240 * HOUR),
        (Renewal(percentage=25), 180 * HOUR),
        (Renewal(percentage=100), 240 * HOUR),
    ],
)
def test_it_renews_as_cert_manager_does(renewal: Renewal, ahead: timedelta) -> None:
    assert renewal.ahead(720 * HOUR) == ahead


def test_a_life_cut_to_renew_before_and_a_little_more_is_due_at_once() -> None:
    asked = Renewal(before=720 * HOUR)
    assert due(asked, 720 * HOUR, 1440 * HOUR)
    assert not due(asked, 720 * HOUR, 1440 * HOUR, timedelta())  # then cert-manager goes by a third
    assert not due(asked, 700 * HOUR, 1440 * HOUR)
    assert due(asked, 720 * HOUR + 14 * MINUTE, 1440 * HOUR)
    assert not due(asked, 720 * HOUR + 15 * MINUTE, 1440 * HOUR)


def test_an_owner_who_wants_it_soon_gets_it_soon() -> None:
    often = Renewal(before=55 * MINUTE)
    assert not due(often, HOUR, HOUR)
    assert due(often, 57 * MINUTE, HOUR)
    assert not due(Renewal(percentage=99), 2160 * HOUR, 2160 * HOUR)
    assert due(Renewal(percentage=99), 2160 * HOUR, 2160 * HOUR, timedelta(hours=21.7))


def test_nothing_is_due_that_is_never_renewed_or_has_ended() -> None:
    assert not due(Renewal(before=720 * HOUR, never=True), 720 * HOUR, 1440 * HOUR)
    assert not due(DEFAULT_RENEWAL, -HOUR, HOUR)


def test_the_problem_has_the_numbers_and_both_ways_out() -> None:
    begin, end = NOW - BACKDATED, NOW + 720 * HOUR
    text = Renewal(before=720 * HOUR).problem(begin, end, NOW, 1440 * HOUR)
    assert text == (
        "with spec.renewBefore 720h0m0s cert-manager would renew it again and again, as it lives 720h0m30s. "
        "Set spec.renewBefore to 240h0m0s or less, or have the CA give the 1440h0m0s that were asked for"
    )
    relative = Renewal(percentage=99).problem(NOW - 20 * HOUR, NOW + HOUR, NOW, HOUR)
    assert "spec.renewBeforePercentage 99" in relative
    assert "or have the CA" not in relative
    assert DEFAULT_RENEWAL.problem(begin, end, NOW, HOUR) == "cert-manager would renew it again and again"
