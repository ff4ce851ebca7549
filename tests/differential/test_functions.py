"""What rules can call gives the same in both CEL engines, but for a few edges."""

from __future__ import annotations

import pytest

from tests.differential.examples import our_answer
from tests.differential.functions import DIFFERENT, RULES, function_cases
from tests.differential.run import Asked

CASES = function_cases()


def test_rules_about_constants_come_out_the_same(asked: Asked) -> None:
    answers = {rule: (asked.answers[CASES[rule].name].verdict, our_answer(CASES[rule])) for rule in RULES}
    assert {rule: both for rule, both in answers.items() if both[0] != both[1]} == {}
    assert {theirs for theirs, _ in answers.values()} == {"Approved", "Denied"}


@pytest.mark.parametrize("rule", DIFFERENT)
def test_an_edge_that_differs_is_as_it_is_told(rule: str, asked: Asked) -> None:
    case = CASES[rule]
    assert (asked.answers[case.name].verdict, our_answer(case)) == DIFFERENT[rule]
