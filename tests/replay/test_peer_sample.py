"""Answers of the real approver-policy, recorded: ours are still the same, and mistakes would be noticed.

`python -m tests.differential.run` records them anew; tests/differential asks the peer itself.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from issuer.policy.differences import DIFFERENCES
from tests.differential.cases import Case
from tests.differential.compare import disagreements
from tests.differential.examples import our_answer
from tests.differential.mistakes import MISTAKES
from tests.differential.run import Asked, load, load_differences


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


@pytest.mark.parametrize("told", load_differences(), ids=lambda told: told["difference"])
def test_a_recorded_difference_is_still_one(told: dict[str, Any]) -> None:
    """The peer's answer is as recorded; ours is another, and on purpose."""
    may_use = dict.fromkeys(told["policies"], True)
    case = Case(told["difference"], told["policies"], told["request"], {}, may_use)
    assert our_answer(case) == told["ours"] != told["peer"]


def test_every_difference_is_recorded() -> None:
    """But those that a request alone doesn't show: tests/differential/test_differences.py."""
    recorded = {told["difference"] for told in load_differences()}
    assert {one.name for one in DIFFERENCES} - recorded == {"plugins", "function-edges", "weak-keys"}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_seeded_mistake_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MISTAKES[name](monkeypatch)
    assert any(one.verdicts_differ for one in disagreements(sample().cases, sample().answers))
