"""Faults of a server that look as if they always came."""

from __future__ import annotations

import pytest

from issuer.controller.state.health.same_answers import TRIES, TRIES_ALONE, SameAnswers
from issuer.requests.request import RequestKey
from tests.unit.virtual_time import SetClock

ONE, TWO, THREE = (RequestKey("team-a", name) for name in ("one", "two", "three"))


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def faults(clock: SetClock) -> SameAnswers:
    return SameAnswers(clock)


def tries(faults: SameAnswers, times: int, text: str = "500", *, alone: bool = True) -> list[bool]:
    return [faults.looks_permanent(ONE, "uid", text, alone=alone) for _ in range(times)]


def test_the_same_answer_while_others_are_served_looks_permanent_after_a_few_tries(
    faults: SameAnswers,
) -> None:
    assert not any(tries(faults, 1))
    faults.answered(TWO)
    assert tries(faults, TRIES - 1) == [False] * (TRIES - 2) + [True]


def test_an_outage_that_others_meet_too_never_looks_permanent(faults: SameAnswers) -> None:
    for _ in range(50):
        assert not faults.looks_permanent(ONE, "uid", "500")
        assert not faults.looks_permanent(TWO, "uid-2", "another text")


def test_others_that_were_served_before_prove_nothing(faults: SameAnswers) -> None:
    faults.answered(TWO)
    assert not any(tries(faults, TRIES_ALONE - 1))


def test_an_only_request_needs_more_tries_and_an_answer_of_the_server_itself(faults: SameAnswers) -> None:
    assert not any(tries(faults, 50, alone=False))
    assert tries(faults, 1, "its own") == [False]
    assert tries(faults, TRIES_ALONE - 1, "its own")[-1]


def test_a_request_that_is_gone_counts_no_more(faults: SameAnswers, clock: SetClock) -> None:
    assert not faults.looks_permanent(TWO, "uid-2", "500")
    assert not any(tries(faults, TRIES_ALONE))
    clock.now = 121.0
    assert all(tries(faults, 1))


def test_another_answer_another_request_and_a_certificate_begin_anew(faults: SameAnswers) -> None:
    tries(faults, TRIES_ALONE)
    assert not faults.looks_permanent(ONE, "another uid", "500")
    tries(faults, TRIES_ALONE)
    assert tries(faults, 1, "another text") == [False]
    tries(faults, TRIES_ALONE, "another text")
    faults.answered(ONE)
    assert tries(faults, 1, "another text") == [False]
    assert not faults.looks_permanent(THREE, "uid-3", "500")
