"""Ages in the words that kubectl uses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from issuer.terminal.ages import age, span_text, until

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=-5), "0s"),
        (timedelta(seconds=119), "119s"),
        (timedelta(seconds=125), "2m5s"),
        (timedelta(minutes=5), "5m"),
        (timedelta(minutes=179), "179m"),
        (timedelta(hours=3, minutes=7), "3h7m"),
        (timedelta(hours=47), "47h"),
        (timedelta(days=3, hours=4), "3d4h"),
        (timedelta(days=400), "400d"),
        (timedelta(days=365 * 3 + 2), "3y2d"),
        (timedelta(days=365 * 20), "20y"),
    ],
)
def test_spans_are_written_as_kubectl_does(span: timedelta, text: str) -> None:
    assert span_text(span) == text


def test_ends_are_ahead_or_past() -> None:
    assert until(NOW + timedelta(days=10), NOW) == "in 10d"
    assert until(NOW - timedelta(minutes=20), NOW) == "expired 20m ago"
    assert age(None, NOW) == "-"
    assert age(NOW - timedelta(minutes=20), NOW) == "20m"
