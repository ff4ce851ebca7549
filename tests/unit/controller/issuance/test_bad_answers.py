"""Answers to signing calls that can't be delivered and say nothing of the request."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from issuer.api.bad_answers import MAX_REQUESTS
from issuer.api.issuers import IssuerStatus
from issuer.controller.state.bad_answers import (
    MOST,
    PAUSES,
    RETRY_ANNOTATION,
    BadAnswers,
    BadAnswersBefore,
)
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import RequestKey
from issuer.signing.outcomes import AnswerFault, BadAnswer, Failed, IssuerUnavailable, NotRevoked, Retry
from issuer.signing.signer import SignedCertificate, SigningRequest
from issuer.signing.vault.reasons import VaultFailure, VaultOutage, VaultRetry, VaultRevocationReason
from issuer.x509.request import read_request
from tests.builders import NOW, certificate_request, condition, csr_pem, signing_request
from tests.ca import TestCA
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench

LOST = BadAnswer(AnswerFault.LOST, "the connection broke")
OTHER = RequestKey("team-a", "two")


def uid_of(key: RequestKey) -> str:
    return f"uid-of-{key.namespace}-{key.name}"


def told(logs: list[Any], event: str) -> list[Any]:
    """The log lines of that event."""
    return [line for line in logs if line["event"] == event]


def waits(bench: Bench) -> str:
    """The request waits, and says so; why."""
    assert bench.ready["reason"] == "Pending"
    return str(bench.ready["message"])


def key_sha256(bench: Bench) -> str:
    request = bench.store.get(KEY)
    assert request is not None
    public_key = read_request(bench.signer.asked[-1].csr_pem.encode()).public_key
    return hashlib.sha256(public_key).hexdigest()


Change = Callable[[TestCA, SigningRequest, SignedCertificate], SignedCertificate]

# More CAs than a chain may have, and more than are read.
CHANGES: dict[str, Change] = {
    "no CA": lambda _ca, _asked, signed: replace(signed, ca_pems=""),
    "another's CA": lambda _ca, _asked, signed: replace(signed, ca_pems=TestCA.make().ca_pems),
    "too many CAs": lambda _ca, _asked, signed: replace(signed, ca_pems=signed.ca_pems * 40),
    "CAs that are no PEM": lambda _ca, _asked, signed: replace(signed, ca_pems="x" + signed.ca_pems[:300]),
    "a clock ahead": lambda ca, asked, _signed: ca.sign(asked.csr_pem, now=NOW + timedelta(hours=2)),
    "another key": lambda ca, _asked, _signed: ca.sign(csr_pem("a.lab.example.test").decode()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_what_can_be_read_is_revoked_and_the_request_waits(bench: Bench, change: Change) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(lambda asked: change(bench.ca, asked, bench.ca.sign(asked.csr_pem)))
    bench.signer.revokes.append(None)
    bench.kube.accepts_status()
    with capture_logs() as logs:
        await bench.reconcile()
    assert "BadAnswer" in waits(bench)
    [line] = told(logs, "certificate not delivered")
    assert (line["request"], line["revoked"]) == (str(KEY), True)
    assert len(line["serial"]) > 30
    assert len(bench.signer.revoked) == 1
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert (entry.ready, entry.reason) == (False, "BadAnswer")
    assert bench.issuer_queue.delayed == 1


async def test_a_certificate_from_before_our_call_is_left_alone(bench: Bench) -> None:
    """A cache may have sent one that somebody uses."""
    bench.with_ready_issuer().with_request()
    old = bench.ca.sign(csr_pem("b.lab.example.test").decode(), now=NOW - timedelta(minutes=5))
    bench.signer.signs.append(old)
    bench.kube.accepts_status()
    with capture_logs() as logs:
        await bench.reconcile()
    assert "BadAnswer" in waits(bench)
    [line] = told(logs, "certificate not delivered")
    assert (line["serial"], line["revoked"]) == (old.serial, False)
    assert bench.signer.revoked == []
    [unknown] = told(logs, "outcome unknown")
    assert unknown["public_key_sha256"] == key_sha256(bench), "one for our key may be elsewhere"


async def test_a_revocation_that_is_refused_leaves_the_serial(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(lambda asked: replace(bench.ca.sign(asked.csr_pem), ca_pems=""))
    bench.signer.revokes.append(NotRevoked(VaultRevocationReason.REVOCATION_NOT_PERMITTED, "no"))
    bench.kube.accepts_status()
    with capture_logs() as logs:
        await bench.reconcile()
    [line] = told(logs, "certificate not delivered")
    assert line["serial"]
    assert (line["revoked"], "no" in line["not_revoked_because"]) == (False, True)


UNKNOWN: dict[str, tuple[Exception | SignedCertificate, str]] = {
    "lost": (LOST, "lost"),
    "no answer to it": (BadAnswer(AnswerFault.UNREADABLE, "no JSON"), "unreadable"),
    "garbled": (SignedCertificate("-----BEGIN CERTIFICATE-----\nMIIB\n", "", "aa:bb"), "unreadable"),
    "an error nobody expects": (ZeroDivisionError("x"), "unreadable"),
}


@pytest.mark.parametrize(("answer", "fault"), UNKNOWN.values(), ids=UNKNOWN)
async def test_what_nobody_saw_is_on_record_by_its_key(
    bench: Bench, answer: Exception | SignedCertificate, fault: str
) -> None:
    bench.with_ready_issuer().with_request()

    def sign(asked: SigningRequest) -> SignedCertificate:
        asked.before_sending()
        if isinstance(answer, Exception):
            raise answer
        return answer

    bench.signer.signs.append(sign)
    bench.kube.accepts_status()
    with capture_logs() as logs:
        await bench.reconcile()
    assert "BadAnswer" in waits(bench)
    [line] = told(logs, "outcome unknown")
    assert line["uid"] == f"uid-of-{KEY.namespace}-{KEY.name}"
    assert line["public_key_sha256"] == key_sha256(bench)
    assert line["fault"] == fault
    assert unknown(bench, fault) == 1


def unknown(bench: Bench, fault: str) -> float:
    """How often an unknown outcome was counted."""
    return float(bench.metrics.outcomes_unknown.labels(fault)._value.get())


async def test_an_error_before_anything_was_sent_is_no_bad_answer(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(ZeroDivisionError("x"))
    bench.kube.accepts_status()
    await bench.reconcile()
    assert "InternalError" in waits(bench)
    assert bench.registry.entry(CLUSTER_ISSUER).ready


async def test_a_call_that_is_interrupted_is_on_record(bench: Bench) -> None:
    bench.with_ready_issuer().with_request()
    sent = asyncio.Event()

    async def sign(request: SigningRequest) -> SignedCertificate:
        request.before_sending()
        sent.set()
        await asyncio.sleep(3600)
        raise AssertionError

    bench.signer.sign = sign  # type: ignore[method-assign]
    with capture_logs() as logs:
        attempt = asyncio.create_task(bench.reconciler.reconcile(KEY))
        await sent.wait()
        attempt.cancel()
        await asyncio.wait([attempt])
    [line] = told(logs, "outcome unknown")
    assert line["fault"] == "interrupted"


async def test_a_failing_proxy_is_on_record_once_for_each_request(bench: Bench) -> None:
    """In an outage there are many attempts, all of one key; the issuer is not to blame."""
    bench.with_ready_issuer().with_request()
    for _ in range(3):
        bench.signer.signs.append(Retry(VaultRetry.VAULT_UNAVAILABLE, "502", may_have_signed=True))
        with capture_logs() as logs:
            if not bench.kube.written:
                bench.kube.accepts_status()
            await bench.reconciler.reconcile(KEY)
        bench.queue.forget(KEY)
    assert bench.registry.entry(CLUSTER_ISSUER).ready
    assert told(logs, "outcome unknown") == []
    assert unknown(bench, "lost") == 1


class Trial:
    """An issuer whose answers are bad, with three requests and a clock of its own."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.time = bench, 0.0
        bench.with_ready_issuer()
        self.entry = bench.registry.entry(CLUSTER_ISSUER)
        self.bad = self.entry.bad_answers
        self.bad.clock = lambda: self.time
        self.keys = [RequestKey("team-a", name) for name in ("one", "two", "three")]
        for key in self.keys:
            bench.store.upsert(certificate_request(key.name))
        self.signed = 0

    def check(self, *marks: str) -> None:
        """A check finds the issuer sound, as far as it can see."""
        self.bench.registry.checked(CLUSTER_ISSUER, {}, marks)
        if self.bad.error is None:
            self.bench.registry.mark_ready(CLUSTER_ISSUER)
        else:
            message = self.bad.message(CLUSTER_ISSUER)
            self.bench.registry.mark_broken(CLUSTER_ISSUER, self.bad.error.reason, message)
        self.bench.registry.let_one_try(CLUSTER_ISSUER)

    async def work(self, answer: Callable[[SigningRequest], SignedCertificate]) -> int:
        """Have every request that is to be looked at looked at; how many were signed."""
        self.signed = 0

        async def sign(request: SigningRequest) -> SignedCertificate:
            request.before_sending()
            self.signed += 1
            return answer(request)

        self.bench.signer.sign = sign  # type: ignore[method-assign]
        while self.bench.queue.depth:
            key = await self.bench.queue.get()
            for _ in range(3):
                self.bench.kube.accepts_status()
            await self.bench.reconciler.reconcile(key)
            self.bench.kube.script.clear()
            self.bench.queue.done(key)
        return self.signed

    def ask(self) -> None:
        """All requests come, or are looked at again."""
        for key in self.keys:
            self.bench.queue.add(key)


@pytest.fixture
def trial(bench: Bench) -> Trial:
    """An issuer with three requests."""
    return Trial(bench)


def lose(_request: SigningRequest) -> SignedCertificate:
    raise LOST


async def test_three_are_signed_for_one_cause_with_growing_pauses(trial: Trial) -> None:
    trial.ask()
    assert await trial.work(lose) == 1
    for pause in PAUSES:
        trial.check("a")
        assert await trial.work(lose) == 0, "the pause is not over"
        trial.ask()
        trial.time += pause
        assert await trial.work(lose) <= 1
        trial.check("a")
        trial.ask()
        await trial.work(lose)
    assert trial.bad.used_up
    trial.time += 1e6
    for _ in range(3):
        trial.check("a")
        trial.ask()
        assert await trial.work(lose) == 0
    assert unknown(trial.bench, "lost") == MOST
    assert sorted(PAUSES) == list(PAUSES)
    assert RETRY_ANNOTATION in waits(trial.bench), "it says how to have it tried again"


async def used_up(trial: Trial) -> None:
    """All tries are made."""
    trial.ask()
    await trial.work(lose)
    for pause in PAUSES:
        trial.time += pause
        trial.check("a")
        assert await trial.work(lose) == 1
    trial.check("a")
    assert await trial.work(lose) == 0


async def test_another_ca_or_a_persons_word_lets_one_try_and_all_follow(trial: Trial) -> None:
    """They are marks that a check compares."""
    await used_up(trial)
    trial.check("b")
    assert await trial.work(lambda asked: trial.bench.ca.sign(asked.csr_pem)) == 3
    assert trial.entry.ready
    assert len(trial.bench.delivery) == 0


async def test_another_generation_begins_anew(trial: Trial) -> None:
    await used_up(trial)
    trial.bench.registry.begin_check(CLUSTER_ISSUER, "uid-1", 2)
    assert trial.bad.error is None
    assert not any(trial.bad.times(uid_of(key)) for key in trial.keys)


async def test_all_follow_one_that_went_well(trial: Trial) -> None:
    trial.ask()
    assert await trial.work(lose) == 1
    trial.time += PAUSES[0]
    trial.check("a")
    assert trial.bench.queue.depth == 1, "one goes first"
    assert await trial.work(lambda asked: trial.bench.ca.sign(asked.csr_pem)) == 3
    assert trial.entry.ready
    assert trial.bad.tries == 0


async def test_a_refusal_of_one_request_shows_that_answers_are_good(trial: Trial) -> None:
    trial.ask()
    await trial.work(lose)
    trial.time += PAUSES[0]
    trial.check("a")

    def refuse(_request: SigningRequest) -> SignedCertificate:
        raise Failed(VaultFailure.REFUSED_BY_VAULT, "not allowed by this role")

    assert await trial.work(refuse) == 3
    assert trial.entry.ready


async def test_an_outage_while_one_goes_first_lets_no_other_go(trial: Trial) -> None:
    trial.ask()
    await trial.work(lose)
    trial.time += PAUSES[0]
    trial.check("a")

    def sealed(_request: SigningRequest) -> SignedCertificate:
        raise IssuerUnavailable(VaultOutage.VAULT_SEALED, "sealed")

    assert await trial.work(sealed) == 1
    assert trial.entry.reason == "VaultSealed"
    assert trial.bad.tries == 1, "that was no bad answer"


async def test_one_that_goes_first_and_is_gone_lets_the_next_go(trial: Trial) -> None:
    trial.ask()
    await trial.work(lose)
    trial.time += PAUSES[0]
    trial.check("a")
    first = await trial.bench.queue.get()
    found = trial.bench.store.get(first)
    assert found is not None
    trial.bench.store.remove(found.object)
    await trial.bench.reconciler.reconcile(first)
    trial.bench.queue.done(first)
    assert trial.bench.queue.depth >= 1


async def test_a_request_whose_own_answers_are_bad_does_not_hold_others_up_for_ever(trial: Trial) -> None:
    """As where its many names make an answer that a proxy cuts."""

    def cut(asked: SigningRequest) -> SignedCertificate:
        if asked.csr_pem == poison:
            raise LOST
        return trial.bench.ca.sign(asked.csr_pem)

    request = trial.bench.store.get(KEY)
    assert request is not None
    poison = read_request(base64.b64decode(request.spec["request"])).pem
    for number in range(10):
        fresh = RequestKey("team-a", f"fresh-{number}")
        trial.bench.store.upsert(certificate_request(fresh.name))
        trial.keys.insert(0, fresh)
        trial.ask()
        await trial.work(cut)
        trial.time += max(PAUSES)
        trial.check("a")
    assert unknown(trial.bench, "lost") == MOST
    assert trial.entry.ready
    assert trial.bad.gave_up(request.uid)
    assert not trial.bad.gave_up("another that has its name by now")


async def test_a_lone_request_leaves_the_last_try_to_another(trial: Trial) -> None:
    """Its own answers may be bad for what it asks, and the others must not wait for a person then."""
    trial.keys = [KEY]
    trial.ask()
    assert await trial.work(lose) == 1
    for pause in PAUSES:
        trial.time += pause
        trial.check("a")
        trial.ask()
        await trial.work(lose)
    assert unknown(trial.bench, "lost") == MOST - 1
    trial.time += 1e6
    trial.check("a")
    trial.ask()
    assert await trial.work(lose) == 0
    assert "all for one request" in waits(trial.bench)
    assert RETRY_ANNOTATION in waits(trial.bench)
    trial.keys = [OTHER]
    trial.bench.store.upsert(certificate_request(OTHER.name))
    trial.ask()
    assert await trial.work(lambda asked: trial.bench.ca.sign(asked.csr_pem)) == 2, "and both have theirs"
    assert trial.entry.ready


async def test_a_bad_answer_to_another_request_shows_that_it_is_the_issuer(trial: Trial) -> None:
    trial.keys = [KEY]
    trial.ask()
    await trial.work(lose)
    trial.time += max(PAUSES)
    trial.check("a")
    await trial.work(lose)
    trial.time += max(PAUSES)
    trial.check("a")
    trial.keys = [OTHER]
    trial.bench.store.upsert(certificate_request(OTHER.name))
    trial.ask()
    assert await trial.work(lose) == 1
    assert trial.bad.used_up
    assert unknown(trial.bench, "lost") == MOST


async def test_every_fifth_answer_spoilt_fails_none_of_180_requests(trial: Trial) -> None:
    """Each certificate is delivered, or in the log by its serial or its key."""
    bench, calls, spoilt = trial.bench, 0, 0
    trial.keys = [RequestKey("team-a", f"r{number}") for number in range(180)]
    for key in trial.keys:
        bench.store.upsert(certificate_request(key.name))
    bench.signer.revokes.extend([None] * 100)
    other = csr_pem("a.lab.example.test").decode()

    def mixed_up(asked: SigningRequest) -> SignedCertificate:
        nonlocal calls, spoilt
        calls += 1
        if calls % 5:
            return bench.ca.sign(asked.csr_pem)
        spoilt += 1
        if spoilt % 2:
            raise LOST
        return bench.ca.sign(other)

    trial.ask()
    with capture_logs() as logs:
        while len(told(logs, "issued")) < len(trial.keys):
            await trial.work(mixed_up)
            trial.time += max(PAUSES)
            trial.check("a")
    assert told(logs, "failed") == []
    assert calls == len(trial.keys) + spoilt
    assert len(told(logs, "outcome unknown")) == spoilt
    assert len(told(logs, "certificate not delivered")) == spoilt // 2


async def test_both_kinds_of_request_are_held_back(trial: Trial) -> None:
    trial.ask()
    await trial.work(lose)
    csr = RequestKey("", "one")
    trial.bench.stores[KubernetesCSR].upsert(signing_request(conditions=[condition("Approved")]))
    trial.bench.queue.add(csr)
    assert await trial.work(lose) == 0


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
