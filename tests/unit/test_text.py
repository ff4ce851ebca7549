"""Text from outside is bounded and printable before it stands in a message; times are RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from issuer.text import (
    ascii_text,
    clip,
    counted,
    escaped,
    first_of,
    masked,
    one_line,
    parse_json,
    parse_rfc3339,
    read_time,
    rfc3339,
    rfc3339_micro,
)

MOMENT = datetime(2026, 11, 26, 23, 58, 57, 1500, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(("text", "clipped"), [("", ""), ("abcd", "abcd"), ("abcde", "abc…")])
def test_a_text_over_its_limit_ends_in_an_ellipsis(text: str, clipped: str) -> None:
    assert clip(text, 4) == clipped


def test_a_servers_sentences_become_one_line() -> None:
    assert one_line(" a\tb\r\n\x1b[31mc\u202e ", 20) == "a b [31mc"


def test_one_line_reads_little_of_a_long_text() -> None:
    assert one_line(" " * 40 + "late", 10) == ""
    assert len(one_line("a" * 1_000_000, 10)) == 10


def test_masked_characters_keep_their_places() -> None:
    assert masked("a\nb\u200bc", 80) == "a?b?c"


def test_escapes_tell_which_character_it_was() -> None:
    assert escaped("é\x1b[0m\u202e\ud800", 80) == "é\\x1b[0m\\u202e\\ud800"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("straße", "stra\\xdfe"), ("a\nb", "a\\nb"), ("abcdefgh", "abcdefg...")],
)
def test_names_are_shown_in_ascii(text: str, shown: str) -> None:
    assert ascii_text(text, 7, "...") == shown


def test_without_a_limit_nothing_is_cut() -> None:
    assert ascii_text("a" * 999, more="...") == "a" * 999


def test_times_are_utc_in_whole_seconds_or_microseconds() -> None:
    assert rfc3339(MOMENT) == "2026-11-26T21:58:57Z"
    assert rfc3339_micro(MOMENT) == "2026-11-26T21:58:57.001500Z"


def test_early_years_have_four_digits() -> None:
    assert rfc3339(datetime(7, 1, 2, tzinfo=UTC)) == "0007-01-02T00:00:00Z"


@pytest.mark.parametrize("text", ["2026-11-26T21:58:57Z", "2026-11-26T21:58:57+00:00"])
def test_written_times_are_read_again(text: str) -> None:
    assert parse_rfc3339(text) == MOMENT.replace(microsecond=0)


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="isoformat"):
        parse_rfc3339("yesterday")


@pytest.mark.parametrize("text", [b"[" * 100_000, '{"a":' * 100_000, "", b"\xff"])
def test_what_is_no_json_is_refused_at_any_depth(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"nested|Expecting|decode"):
        parse_json(text)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("2026-11-26t22:58:57+01:00", datetime(2026, 11, 26, 21, 58, 57, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("9999-12-31T23:59:59-00:01", None),
        ("2026-11-26T21:58:57", None),
        ("yesterday", None),
        (7, None),
    ],
)
def test_times_that_anybody_wrote_are_read_or_none(value: object, read: datetime | None) -> None:
    assert read_time(value) == read


def test_a_number_stands_with_its_noun() -> None:
    assert [counted(one, "request") for one in (0, 1, 1200)] == ["0 requests", "1 request", "1,200 requests"]
    assert [counted(one, "policy", "policies") for one in (1, 2)] == ["1 policy", "2 policies"]


def test_the_first_of_many_are_told_with_the_number_of_the_others() -> None:
    assert first_of(["a", "b"], 2) == "a, b"
    assert first_of(["a", "b", "c", "d"], 2) == "a, b and 2 more"
