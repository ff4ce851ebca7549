"""Answers of the real approver-policy, recorded: ours are still the same, and mistakes would be noticed.

`python -m tests.differential.run` records them anew; tests/differential asks the peer itself.
"""

from __future__ import annotations

from functools import cache

import pytest

from tests.differential.compare import disagreements
from tests.differential.mistakes import MISTAKES
from tests.differential.run import Asked, load


@cache
def sample() -> Asked:
    return load()


def test_recorded_decisions_and_fields_are_ours() -> None:
    found = [str(one) for one in disagreements(sample().cases, sample().answers)]
    assert not found, "\n".join(found[:10])


def test_the_sample_has_each_verdict_in_plenty() -> None:
    counts = sample().counts()
    assert len(sample().cases) >= 300
    assert min(counts[verdict] for verdict in ("Approved", "Denied", "Unprocessed")) >= 60


@pytest.mark.parametrize("name", MISTAKES)
def test_a_seeded_mistake_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MISTAKES[name](monkeypatch)
    assert any(one.verdicts_differ for one in disagreements(sample().cases, sample().answers))
