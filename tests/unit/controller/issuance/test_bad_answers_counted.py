"""The count of bad answers goes on in a process that starts, and stays small."""

from __future__ import annotations

import json

from issuer.api.bad_answers import MAX_REQUESTS
from issuer.api.issuers import IssuerStatus
from issuer.controller.state.health.bad_answers import (
    PAUSES,
    BadAnswers,
    BadAnswersBefore,
)
from issuer.requests.request import RequestKey
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench
from tests.unit.controller.issuance.bad_answers import LOST, OTHER, Trial, lose, uid_of, used_up


def may_go_first(trial: Trial, key: RequestKey) -> bool:
    return trial.bad.may_go_first(key, uid_of(key))


def test_a_process_that_begins_after_bad_answers_that_nobody_counted_lets_one_try_once(trial: Trial) -> None:
    """As with the CRD of another backend, that has no field for the count."""
    trial.bench.registry.checked(CLUSTER_ISSUER, {}, ["a"], BadAnswersBefore(by_reason=True))
    assert may_go_first(trial, KEY)
    trial.bench.registry.begin_signing(CLUSTER_ISSUER, KEY)
    assert not may_go_first(trial, OTHER)
    trial.bad.note(KEY, uid_of(KEY), LOST)
    trial.time += 1e6
    trial.check("a")
    assert not may_go_first(trial, KEY)
    assert may_go_first(trial, OTHER), "that one's answers may be bad for what it asks"
    trial.bench.registry.begin_signing(CLUSTER_ISSUER, OTHER)
    trial.bad.note(OTHER, uid_of(OTHER), LOST)
    assert trial.bad.used_up


def restarted(trial: Trial, *marks: str) -> BadAnswers:
    """The count in a process that begins now, by what this one left in the status."""
    counted = trial.bad.count(trial.entry.basis)
    assert counted is not None
    stored = IssuerStatus.parse({"badAnswers": counted.to_json()}).bad_answers
    bench = Bench(trial.bench.ca).with_ready_issuer()
    bench.registry.checked(CLUSTER_ISSUER, {}, marks, BadAnswersBefore(stored, by_reason=True))
    bad = bench.registry.entry(CLUSTER_ISSUER).bad_answers
    bench.queue.close()
    bench.issuer_queue.close()
    return bad


async def test_a_process_that_starts_goes_on_counting(trial: Trial) -> None:
    trial.ask()
    assert await trial.work(lose) == 1
    trial.check("a")
    bad = restarted(trial, "a")
    assert (bad.tries, bad.alone) == (1, uid_of(trial.keys[0]))
    assert 0 < (bad.wait or 0) <= PAUSES[0]
    await used_up(trial)
    bad = restarted(trial, "a")
    assert bad.used_up
    assert bad.wait is None


async def test_a_process_that_starts_begins_anew_with_another_ca_or_word(trial: Trial) -> None:
    await used_up(trial)
    assert restarted(trial, "b").error is None


async def test_a_process_that_starts_keeps_the_last_try_for_another(trial: Trial) -> None:
    trial.keys = [KEY]
    trial.ask()
    await trial.work(lose)
    for pause in PAUSES:
        trial.time += pause
        trial.check("a")
        await trial.work(lose)
    bad = restarted(trial, "a")
    assert bad.waits_for_another
    bad.clock = lambda: 1e9
    assert not bad.may_go_first(KEY, uid_of(KEY))
    assert bad.may_go_first(OTHER, uid_of(OTHER))


def test_the_count_names_few_requests_those_with_most(trial: Trial) -> None:
    for number in range(MAX_REQUESTS + 5):
        trial.bad.note(RequestKey("team-a", f"r{number}"), f"uid-{number}", LOST)
    trial.bad.note(RequestKey("team-a", "r20"), "uid-20", LOST)
    counted = trial.bad.count("basis")
    assert counted is not None
    assert len(counted.requests) == MAX_REQUESTS
    assert (counted.requests[0].uid, counted.requests[0].times) == ("uid-20", 2)
    assert len(json.dumps(counted.to_json())) < 2_000


async def test_a_good_answer_leaves_nothing_to_count(trial: Trial) -> None:
    trial.ask()
    assert await trial.work(lose) == 1
    trial.time += PAUSES[0]
    trial.check("a")
    assert trial.bad.count("basis") is not None
    assert await trial.work(lambda asked: trial.bench.ca.sign(asked.csr_pem)) == 3
    assert trial.bad.count("basis") is None
