"""Generated chains, judged by Go, OpenSSL and cryptography's verifier as by us, or for a reason not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.readers.chain_changes import Case, cases
from tests.readers.chain_differences import DIFFERENCES, PAIRS, SEED, occurring, unexplained
from tests.readers.chain_judges import JUDGES, ours
from tests.readers.readers import READERS, missing


@cache
def chosen() -> list[Case]:
    """Every change alone, and some together."""
    return list(cases(SEED, PAIRS))


@cache
def said() -> list[str]:
    """What we object to in each."""
    return [ours(one) for one in chosen()]


@pytest.fixture(scope="module", params=JUDGES)
def judged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Sequence[str]]:
    """A judge, and what it objects to in each case; one that isn't here is skipped."""
    judge = str(request.param)
    if judge in READERS and (why := missing(judge)):
        pytest.skip(why)
    folder: Path = tmp_path_factory.mktemp("chains")
    return judge, JUDGES[judge](chosen(), folder)


def test_every_difference_has_its_reason(judged: tuple[str, Sequence[str]]) -> None:
    judge, theirs = judged
    wrong = [
        f"{case}: we say {ours!r}, {judge} says {their!r}"
        for case, ours, their in zip(chosen(), said(), theirs, strict=True)
        if unexplained(case, ours, judge, their)
    ]
    assert not wrong, "\n".join(wrong[:10])


def test_every_difference_that_is_told_is_there(judged: tuple[str, Sequence[str]]) -> None:
    judge, theirs = judged
    told = {
        (change, one.taken, judge) for one in DIFFERENCES if judge in one.judges for change in one.changes
    }
    assert set(occurring(chosen(), said(), {judge: theirs})) == told


def test_the_chains_are_many_and_both_kinds() -> None:
    taken = said().count("")
    assert len(chosen()) > 500
    assert len(chosen()) / 4 < taken < len(chosen()) * 3 / 4
