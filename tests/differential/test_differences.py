"""Each deliberate difference, shown: what the peer answers, and what we answer instead."""

from __future__ import annotations

import pytest

from issuer.policy.differences import DIFFERENCES
from tests.differential.cases import Case
from tests.differential.examples import Example, example_cases, our_answer
from tests.differential.run import Asked

# Shown in test_validity.py (no request comes to a policy that neither side takes), test_functions.py, and by
# the unit tests: the peer knows nothing of an issuer's path.
ELSEWHERE = {"plugins", "function-edges", "weak-keys"}
EXAMPLES = example_cases()


@pytest.mark.parametrize(("example", "case"), EXAMPLES, ids=lambda one: getattr(one, "difference", ""))
def test_a_difference_is_as_it_is_told(example: Example, case: Case, asked: Asked) -> None:
    answer = asked.answers[case.name]
    assert (answer.verdict, our_answer(case)) == (example.peer, example.ours), answer.message


def test_every_difference_is_shown() -> None:
    shown = {example.difference for example, _ in EXAMPLES}
    assert shown | ELSEWHERE == {difference.name for difference in DIFFERENCES}
    assert all(difference.reason and difference.test for difference in DIFFERENCES)
