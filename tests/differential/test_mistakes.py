"""Mistakes seeded into our evaluator are caught by the peer's answers: some decision comes out wrong."""

from __future__ import annotations

import pytest

from tests.differential.compare import disagreements
from tests.differential.conftest import GROUPS
from tests.differential.mistakes import MISTAKES
from tests.differential.run import FULL, Asked


@pytest.mark.skipif(
    GROUPS < FULL, reason="a part of the cases doesn't catch all; the unit tests' sample does"
)
@pytest.mark.parametrize("name", MISTAKES)
def test_a_seeded_mistake_is_caught(name: str, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    MISTAKES[name](monkeypatch)
    wrong = (one for one in disagreements(asked.cases, asked.answers) if one.verdicts_differ)
    assert next(wrong, None) is not None
