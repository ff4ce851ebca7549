"""No secret reaches a log line, however deep it lies in what is logged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.telemetry.logs import redact_event
from issuer.telemetry.redaction import MAX_TEXT, REDACTED, is_secret, redact, redact_field
from tests.examples import examples

# Assembled at run time, so that no scanner takes these for real ones.
TOKEN = "hvs." + "CAESIJ7x" * 6
JWT = "eyJhbGciOiJSUzI1NiIs." + "eyJpc3MiOiJrdWJlcm5ldGVz." + "c2lnbmF0dXJl"
PLAIN = "correct horse battery staple"  # a secret only by its name
NAMES = ("token", "client_token", "X-Vault-Token", "clientToken", "secret_id", "secretId", "Authorization")


class Odd:
    """Something whose own text can't be had."""

    def __str__(self) -> str:
        raise RuntimeError(TOKEN)


def wrapped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One of the things that values are logged in."""
    words = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3),
        inner.map(lambda one: (one,)),
        st.dictionaries(words, inner, min_size=1, max_size=2),
        inner.map(lambda one: ValueError("it failed", one)),
        inner.map(lambda one: {"k": [one, {"n": one}]}),
    )


SECRETS = st.one_of(
    st.sampled_from([TOKEN, JWT, f"at {TOKEN}: no", TOKEN.encode(), f"x {JWT}".encode(), Exception(TOKEN)]),
    st.sampled_from(NAMES).map(lambda name: {name: PLAIN}),
    st.sampled_from(NAMES).map(lambda name: (name, PLAIN)),
    st.sampled_from(NAMES).map(lambda name: KeyError({name: PLAIN})),
    st.sampled_from(NAMES).map(lambda name: f"sent { ({name: PLAIN})!r}"),
    st.just({TOKEN: 1}),
)


@settings(max_examples=examples(400))
@given(st.recursive(SECRETS, wrapped, max_leaves=6))
def test_no_secret_is_left_at_any_depth(value: Any) -> None:
    event = redact_event(None, "info", {"event": "x", "value": value})
    line = json.dumps(event, ensure_ascii=False)
    assert not [one for one in (TOKEN, JWT, PLAIN) if one in line]


@given(st.recursive(st.none() | st.booleans() | st.integers(), wrapped, max_leaves=5))
def test_what_is_no_secret_can_always_be_written(value: Any) -> None:
    json.dumps(redact_field("value", value))


@pytest.mark.parametrize("name", NAMES)
def test_names_of_secrets_are_known_in_every_spelling(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["tokens_left", "token_ends", "secretName", "tokenSecretRef", "key", "told"])
def test_other_names_are_left_alone(name: str) -> None:
    assert redact_field(name, "abc") == "abc"


def test_ordinary_values_stay_what_they_are() -> None:
    value = {"a": [1, 2.5, None, True], "b": ("x", "y"), "when": datetime(2026, 1, 1, tzinfo=UTC)}
    assert redact_field("value", value) == {
        "a": [1, 2.5, None, True],
        "b": ["x", "y"],
        "when": "2026-01-01 00:00:00+00:00",
    }
    text = 'the key "token" of Secret a/b is missing; Vault says "1 error occurred: permission denied"'
    assert redact(text) == text


def test_what_is_logged_is_bounded() -> None:
    loop: list[Any] = []
    loop.append(loop)
    deep: Any = "end"
    for _ in range(100_000):
        deep = [deep]
    wide = {str(number): [number] * 50 for number in range(5_000)}
    for value in (loop, deep, wide, [wide] * 50, "x" * 10_000_000, b"\xff" * 10_000_000, Odd()):
        assert len(json.dumps(redact_field("value", value))) < 6 * MAX_TEXT + 100_000


def test_a_credential_across_the_cut_is_not_left_in_part() -> None:
    for at in (MAX_TEXT, 2 * MAX_TEXT):
        for before in range(at - 60, at):
            assert "CAESIJ7x" not in redact("x" * (before - 1) + " " + TOKEN)[: at + 100].replace(TOKEN, "")
    assert redact(f"token {TOKEN}") == f"token {REDACTED}"


@pytest.mark.parametrize("text", ["eyJhbGciOiJSUzI1NiIsI…", "eyJhbGciOiJSUzI1NiIs.eyJpc3MiOiJrd"])
def test_a_token_that_was_cut_is_taken_out_and_its_rest_is_not_looked_for(text: str) -> None:
    # From each "eyJ" to the end of the text it would be: seconds, for 32 KB of them.
    assert "eyJ" not in redact(f"refused: {text}")
    assert "eyJ" not in redact("eyJ-" * 8192)
