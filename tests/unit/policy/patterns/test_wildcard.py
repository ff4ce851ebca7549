"""Patterns match as the peer's do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.policy.patterns.wildcard import Pattern, Patterns
from tests.examples import examples

TEXT = st.text("ab.*", max_size=8)


def by_definition(pattern: str, text: str) -> bool:
    """The definition, without any cleverness."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(by_definition(pattern[1:], text[index:]) for index in range(len(text) + 1))
    return bool(text) and text[0] == pattern[0] and by_definition(pattern[1:], text[1:])


@settings(max_examples=examples(300), deadline=None)
@given(TEXT, TEXT)
def test_a_pattern_matches_by_its_definition(pattern: str, text: str) -> None:
    assert Pattern.parse(pattern).matches(text) is by_definition(pattern, text)
    assert Patterns.parse([pattern]).match(text) is by_definition(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("*.lab.test", "a.b.lab.test", True),
        ("*.lab.test", ".lab.test", True),
        ("*.lab.test", "lab.test", False),
        ("a*a", "a", False),
        ("A*", "abc", False),
        ("?", "a", False),
        ("\u00e9*\u00e9", "\u00e9\U0001f600\u00e9", True),
    ],
)
def test_examples(pattern: str, text: str, matches: bool) -> None:
    assert Pattern.parse(pattern).matches(text) is matches


def test_many_stars_take_no_longer() -> None:
    assert not Pattern.parse("*a" * 2_000 + "b").matches("a" * 60_000)


def test_one_of_several_is_enough_and_none_of_none() -> None:
    assert Patterns.parse(["x", "*.test"]).match("a.test")
    assert not Patterns.parse([]).match("")
