"""After a bad answer one request goes first, a few times, with growing pauses."""

from __future__ import annotations

import base64

from structlog.testing import capture_logs

from issuer.controller.state.health.bad_answers import (
    MOST,
    PAUSES,
    RETRY_ANNOTATION,
)
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import RequestKey
from issuer.signing.outcomes import Failed, IssuerUnavailable
from issuer.signing.signer import SignedCertificate, SigningRequest
from issuer.signing.vault.reasons import VaultFailure, VaultOutage
from issuer.x509.request import read_request
from tests.builders import certificate_request, condition, csr_pem, signing_request
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY
from tests.unit.controller.issuance.bad_answers import (
    LOST,
    OTHER,
    Trial,
    lose,
    told,
    uid_of,
    unknown,
    used_up,
    waits,
)


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


async def test_another_ca_or_a_persons_word_lets_one_try_and_all_follow(trial: Trial) -> None:
    """They are marks that a check compares."""
    await used_up(trial)
    trial.check("b")
    assert await trial.work(lambda asked: trial.bench.ca.sign(asked.csr_pem)) == 3
    assert trial.entry.ready
    assert len(trial.bench.delivery.held) == 0


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


async def test_every_fifth_answer_spoilt_fails_none_of_60_requests(trial: Trial) -> None:
    """Each certificate is delivered, or in the log by its serial or its key."""
    bench, calls, spoilt = trial.bench, 0, 0
    trial.keys = [RequestKey("team-a", f"r{number}") for number in range(60)]
    for key in trial.keys:
        bench.store.upsert(certificate_request(key.name))
    bench.signer.revokes.extend([None] * 20)
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
        for _ in range(len(trial.keys)):
            await trial.work(mixed_up)
            trial.time += max(PAUSES)
            trial.check("a")
    assert len(told(logs, "issued")) == len(trial.keys)
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


async def test_a_namespace_whose_answers_are_bad_holds_up_no_other(trial: Trial) -> None:
    """Whatever number of its requests, as where many names make an answer that a proxy cuts."""

    def cut(asked: SigningRequest) -> SignedCertificate:
        if read_request(asked.csr_pem.encode()).names == names:
            return trial.bench.ca.sign(asked.csr_pem)
        raise LOST

    other = RequestKey("team-b", "one")
    names = read_request(csr_pem("b.lab.example.test")).names
    trial.bench.namespaces.upsert({"metadata": {"name": "team-b"}})
    await used_up(trial)
    assert "each time for a request of namespace team-a" in waits(trial.bench)
    counted = trial.bad.count("basis")
    assert counted is not None
    trial.bad.begin_anew()
    trial.bad.restore(counted)
    assert trial.bad.used_up, "another process goes on so"
    trial.time += PAUSES[0]
    trial.check("a")
    obj = certificate_request(other.name, request=base64.b64encode(csr_pem("b.lab.example.test")).decode())
    obj["metadata"] |= {"namespace": "team-b", "uid": uid_of(other)}
    trial.bench.store.upsert(obj)
    trial.bench.queue.add(other)
    assert await trial.work(cut) >= 1
    assert trial.bench.store.get(other) is None, "it is issued"
    trial.check("a")


async def test_a_bad_answer_in_another_namespace_shows_that_it_is_the_issuer(trial: Trial) -> None:
    await used_up(trial)
    trial.time += PAUSES[0]
    trial.check("a")
    trial.bench.namespaces.upsert({"metadata": {"name": "team-b"}})
    for name in ("one", "two"):
        obj = certificate_request(name)
        obj["metadata"] |= {"namespace": "team-b", "uid": f"uid-of-team-b-{name}"}
        trial.bench.store.upsert(obj)
        trial.bench.queue.add(RequestKey("team-b", name))
    assert await trial.work(lose) == 1
    trial.time += 1e6
    trial.check("a")
    trial.bench.queue.add(RequestKey("team-b", "two"))
    assert await trial.work(lose) == 0
    assert trial.bad.used_up
