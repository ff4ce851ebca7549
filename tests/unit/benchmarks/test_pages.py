"""Results written between the marks of a page."""

from __future__ import annotations

from benchmarks.marks import PAGES, fill

PAGE = "before\n<!-- results: one -->\nold\n<!-- end -->\nbetween\n<!-- results: two -->\n<!-- end -->\n"


def test_a_piece_replaces_what_stands_between_its_marks_and_nothing_else() -> None:
    filled = fill(PAGE, {"one": "| new |\n"})
    assert filled == PAGE.replace("old\n", "\n| new |\n\n")
    assert fill(filled, {"one": "| new |\n"}) == filled


def test_every_mark_of_the_pages_has_its_end() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert text.count("<!-- results: ") == text.count("<!-- end -->")
