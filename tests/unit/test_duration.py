"""Durations are read and written as Go does; the expected values were printed by Go's own time package."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.duration import (
    MAX_LENGTH,
    PATTERN,
    format_duration,
    format_seconds,
    parse_duration,
    parse_nanoseconds,
)
from tests.examples import examples


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("+0", 0),
        ("-0", 0),
        ("1h30m", 5_400_000_000_000),
        ("2160h", 7_776_000_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("-1.5h", -5_400_000_000_000),
        ("+5s", 5_000_000_000),
        (".5s", 500_000_000),
        ("5.s", 5_000_000_000),
        ("1h2h", 10_800_000_000_000),
        ("10ns", 10),
        ("11us", 11_000),
        ("12\u00b5s", 12_000),
        ("12\u03bcs", 12_000),
        ("13ms", 13_000_000),
        ("14s", 14_000_000_000),
        ("0.3333333333333333333h", 1_200_000_000_000),
        ("0.100000000000000000000h", 360_000_000_000),
        ("0.9223372036854775807h", 3_320_413_933_267),
        ("9223372036854775807ns", (1 << 63) - 1),
        ("-9223372036854775808ns", -(1 << 63)),
        ("9223372036s854ms775us807ns", (1 << 63) - 1),
        ("39h9m14.425s", 140_954_425_000_000),
    ],
)
def test_what_go_reads(text: str, nanoseconds: int) -> None:
    assert parse_nanoseconds(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "-",
        "s",
        ".",
        "-.",
        ".s",
        "+.s",
        "1d",
        "1 h",
        " 1h",
        "1h ",
        "1H",
        "--1h",
        "1h-30m",
        "1e3s",
        "1_000s",
        "\u0661s",
        "9223372036854775808ns",
        "-9223372036854775809ns",
        "9223372036854775.808us",
        "9223372036854ms775us808ns",
        "3000000h",
        "99999999999999999999s",
        "1" * MAX_LENGTH + "s",
    ],
)
def test_what_go_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|unit|64-bit"):
        parse_nanoseconds(text)


def test_below_a_microsecond_the_rest_is_dropped() -> None:
    assert parse_duration("1999ns") == timedelta(microseconds=1)
    assert parse_duration("-1999ns") == timedelta(microseconds=-1)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(microseconds=1), "1\u00b5s"),
        (timedelta(microseconds=1_100), "1.1ms"),
        (timedelta(seconds=2.2), "2.2s"),
        (timedelta(minutes=3, seconds=3.3), "3m3.3s"),
        (timedelta(hours=4), "4h0m0s"),
        (timedelta(hours=4, minutes=5, seconds=5.001), "4h5m5.001s"),
        (-timedelta(hours=1, minutes=30), "-1h30m0s"),
        (timedelta(days=90), "2160h0m0s"),
    ],
)
def test_durations_are_written_as_go_writes_them(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


@settings(max_examples=examples(100), deadline=None)
@given(st.timedeltas(timedelta(days=-100_000), timedelta(days=100_000)))
def test_what_is_written_reads_the_same(duration: timedelta) -> None:
    # Go's fractions pass through a float, which may cost the last nanosecond.
    assert abs(parse_duration(format_duration(duration)) - duration) <= timedelta(microseconds=1)


@settings(max_examples=examples(200), deadline=None)
@given(st.text(alphabet="0123456789.hmsnu\u00b5+- x", max_size=30))
def test_any_text_gives_a_duration_or_a_value_error(text: str) -> None:
    try:
        assert -(1 << 63) <= parse_nanoseconds(text) < 1 << 63
    except ValueError as error:
        assert len(str(error)) < 200  # noqa: PT017 - either answer is right
        assert "64-bit" in str(error) or not re.search(PATTERN, text)  # noqa: PT017
    else:
        assert re.search(PATTERN, text)


def test_days_are_no_unit_and_the_error_says_what_a_day_is() -> None:
    with pytest.raises(ValueError, match="a day is 24h"):
        parse_nanoseconds("90d")
    assert not re.search(PATTERN, "90d")


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(hours=36), "36h0m0s"),
        (timedelta(seconds=90, microseconds=999_999), "1m30s"),
        (timedelta(seconds=-90, microseconds=-1), "-1m30s"),
        (timedelta(microseconds=-1), "0s"),
        (timedelta(), "0s"),
    ],
)
def test_whole_seconds_leave_fractions_out(duration: timedelta, text: str) -> None:
    assert format_seconds(duration) == text
