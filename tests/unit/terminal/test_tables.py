"""Text for people: as it was written, and broken between words."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import pytest

from issuer.terminal import tables
from issuer.terminal.console import Console, console

ODD = "1f:ab:02 :smile: [tracing] [bold]x[/bold] [/nothing] \\[x]"
"""A serial that rich reads as an emoji, and texts that it reads as markup."""

Show = Callable[[Console], None]

EVERYWHERE: dict[str, Show] = {
    "print": lambda to: to.print(ODD),
    "section": lambda to: tables.section(to, ODD),
    "paragraph": lambda to: tables.paragraph(to, ODD),
    "pasted": lambda to: tables.pasted(to, ODD),
    "unwrapped": lambda to: tables.unwrapped(to, ODD),
    "name of a field": lambda to: tables.fields(to, [(ODD, "x")]),
    "value of a field": lambda to: tables.fields(to, [("x", ODD)]),
    "header": lambda to: tables.rows(to, [ODD, "x"], [["a", "b"]]),
    "cell": lambda to: tables.rows(to, ["a", "b"], [[ODD, ODD]]),
    "list": lambda to: tables.bullets(to, [ODD]),
    "state": lambda to: tables.rows(to, ["a"], [[tables.marked(True, ODD)]]),
}


def printed(show: Show, width: int = 160) -> str:
    to = io.StringIO()
    show(console(to, width=width))
    return to.getvalue().removesuffix("\n")


@pytest.mark.parametrize("show", EVERYWHERE.values(), ids=EVERYWHERE)
def test_neither_emoji_nor_markup_is_made_of_data(show: Show) -> None:
    assert ODD in printed(show)


@pytest.mark.parametrize("show", EVERYWHERE.values(), ids=EVERYWHERE)
def test_a_terminal_gets_the_same_characters(show: Show) -> None:
    to = io.StringIO()
    show(console(to, width=160, force_terminal=True, color_system=None))
    assert ODD in to.getvalue()


LINES: Sequence[Sequence[str]] = [
    ["VaultClusterIssuer/a-rather-long-name", "no", "the role is missing: write it at pki_int/roles/web"],
    ["VaultIssuer/team-with-a-name/another-long-name", "yes", "ready to sign"],
]


@pytest.mark.parametrize("width", [200, 80, 60, 50])
def test_no_word_of_a_table_is_broken(width: int) -> None:
    text = printed(lambda to: tables.rows(to, ["Issuer", "Ready", "Why it is so"], LINES), width)
    assert max(map(len, text.splitlines())) <= width
    words = {word for line in LINES for part in line for word in part.split()}
    assert words <= set(text.split())


def test_a_table_that_fits_has_a_line_for_each_row() -> None:
    text = printed(lambda to: tables.rows(to, ["Issuer", "Ready", "Why"], LINES), 200)
    assert len(text.splitlines()) == 1 + len(LINES)


def test_a_table_that_is_too_wide_becomes_blocks_with_the_headers() -> None:
    text = printed(lambda to: tables.rows(to, ["Issuer", "Ready", "Why"], LINES), 50)
    assert text.splitlines()[:3] == [LINES[0][0], "  Ready  no", "  Why    the role is missing: write it at"]


def test_an_item_is_indented_below_its_dash() -> None:
    text = printed(lambda to: tables.bullets(to, ["one two three four five six"]), 12)
    assert text.splitlines() == ["- one two", "  three four", "  five six"]


@pytest.mark.parametrize("width", [200, 50])
def test_a_file_gets_no_blanks_at_the_ends_of_lines(width: int) -> None:
    def show(to: Console) -> None:
        tables.rows(to, ["Issuer", "Ready", "Why"], LINES)
        tables.fields(to, [("Issuer", "a"), ("Why it is so", "ready to sign")])
        tables.bullets(to, ["a", "the role is missing: write it at pki_int/roles/web"])

    lines = printed(show, width).splitlines()
    assert lines == [line.rstrip() for line in lines]


def test_lines_that_are_not_shown_are_counted() -> None:
    lines = [["a", str(number)] for number in range(50)]
    assert "and 10 more" in printed(lambda to: tables.rows(to, ["x", "y"], lines))
    assert "more" not in printed(lambda to: tables.rows(to, ["x", "y"], lines, most=None))


def test_a_file_is_as_wide_as_columns_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "77")
    assert console(io.StringIO()).width == 77
    monkeypatch.setenv("COLUMNS", "")
    assert console(io.StringIO()).width == 120


def test_nothing_that_is_printed_moves_the_cursor() -> None:
    to = io.StringIO()
    for show in (tables.heading, tables.section, tables.paragraph, tables.unwrapped, tables.indented):
        show(console(to), "a\x1b[31m\nb")
    assert "\x1b" not in to.getvalue()
    assert to.getvalue().count("a\\x1b[31m\\nb") == 5
