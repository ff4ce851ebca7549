"""Certificates that the API server refuses hold up few, for a time, and are never lost or signed again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from issuer.api.issuers import RateLimit
from issuer.controller.delivery.discarding import Cause
from issuer.controller.delivery.refused_writes import (
    ADMISSION_PATIENCE,
    CHANGES_PATIENCE,
    GIVEN_UP_AFTER,
    MOST_PLACES,
    MOST_REFUSED,
)
from issuer.controller.issuance.last_look import LARGE, MAX_STORED
from issuer.kube.errors import (
    AdmissionFailed,
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    KubeError,
    ObjectTooLarge,
    Unavailable,
)
from issuer.kube.wire import Object
from issuer.requests.request import RequestKey
from issuer.signing.outcomes import Retry
from issuer.signing.vault.reasons import VaultRetry
from tests.builders import certificate_request, condition
from tests.ca import TestCA
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench
from tests.unit.virtual_time import SetClock

WEBHOOK = 'admission webhook "no.example.test" denied the request'
REFUSALS: dict[str, KubeError] = {
    "400": BadRequest(WEBHOOK, status=400),
    "422": Invalid("spec.request: no", status=422),
    "a webhook's own code": KubeError(WEBHOOK, status=418),
}
TOO_LARGE = ObjectTooLarge("PUT: etcdserver: request is too large", status=500)
CHANGED = Conflict("the object has been modified", status=409)
"""Not one answer, but what an attempt meets where somebody changes the request all the time."""
MAY: Object = {"status": {"allowed": True}}
MAY_NOT: Object = {"status": {"allowed": False}}


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def bench(ca: TestCA, clock: SetClock) -> Iterator[Bench]:
    one = Bench(ca).with_ready_issuer()
    one.delivery.refused.clock = clock
    for namespace in ("team-b", "team-c", "team-d"):
        one.namespaces.upsert({"metadata": {"name": namespace}})
    yield one
    one.queue.close()
    one.issuer_queue.close()


async def asked(bench: Bench, name: str, namespace: str = "team-a", *answers: KubeError | None) -> RequestKey:
    """One attempt at a new request; these are the answers to its writes, None for one that goes through."""
    obj = certificate_request(name=name, conditions=[condition("Approved")])
    obj["metadata"] |= {"namespace": namespace, "uid": f"uid-of-{namespace}-{name}"}
    bench.store.upsert(obj)
    key = RequestKey(namespace, name)
    bench.signs()
    await tried(bench, key, *answers)
    return key


async def tried(bench: Bench, key: RequestKey, *answers: KubeError | None) -> None:
    for answer in answers:
        if answer is CHANGED:
            found = bench.store.get(key)
            assert found is not None
            for _ in range(5):
                bench.kube.expect("replace_status", CHANGED)
                bench.kube.expect("get", found.object)
            continue
        bench.kube.expect("replace_status", answer or (lambda sent: sent))
        if isinstance(answer, Forbidden):
            bench.kube.expect("create", MAY)
    await bench.reconcile(key)


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_a_refused_certificate_is_held_and_holds_up_nobody(bench: Bench, refusal: KubeError) -> None:
    key = await asked(bench, "one", "team-a", refusal, None)
    assert bench.delivery.held.get(key) is not None
    assert "refuses its status" in bench.ready["message"]
    assert bench.registry.entry(CLUSTER_ISSUER).ready
    assert bench.limits.limiter(CLUSTER_ISSUER).has_room(KEY)
    assert bench.delivery.held.of_issuer(CLUSTER_ISSUER) == {key}, "it counts like any other"
    assert ("Warning", "StatusWriteRefused") in {one[:2] for one in bench.recorder.events}
    await asked(bench, "two", "team-b", None)
    await tried(bench, key, None)
    assert bench.ready["reason"] == "Issued"
    assert (bench.signer.signed, len(bench.delivery.held)) == (2, 0)


async def test_nothing_more_is_signed_for_a_namespace_with_many(bench: Bench) -> None:
    for number in range(MOST_REFUSED):
        await asked(bench, f"r{number}", "team-a", Forbidden(WEBHOOK, status=403), None)
    bench.store.upsert(certificate_request(name="next", conditions=[condition("Approved")]))
    await tried(bench, RequestKey("team-a", "next"), None)
    assert "StatusWriteRefused: the API server refuses" in bench.ready["message"]
    assert "team-a/r0, team-a/r1, team-a/r2" in bench.ready["message"]
    assert bench.signer.signed == MOST_REFUSED
    await asked(bench, "other", "team-b", None)
    await tried(bench, RequestKey("team-a", "r0"), None)
    bench.signs()
    await tried(bench, RequestKey("team-a", "next"), None)
    assert bench.ready["reason"] == "Issued"


async def test_refusals_in_many_namespaces_stop_the_issuer(bench: Bench) -> None:
    entry = bench.registry.entry(CLUSTER_ISSUER)
    for namespace in ("team-a", "team-b", "team-c")[:MOST_PLACES]:
        assert entry.ready
        await asked(bench, "one", namespace, Invalid("no", status=422), None)
    assert (entry.ready, entry.reason) == (False, "StatusWriteRefused")


async def test_a_write_that_goes_through_shows_that_the_rule_is_not_for_all(
    bench: Bench, clock: SetClock
) -> None:
    for namespace in ("team-a", "team-b", "team-c")[:MOST_PLACES]:
        await asked(bench, "one", namespace, Invalid("no", status=422), None)
        clock.now += 1
        await asked(bench, "two", "team-d", None)
        bench.store.drop(RequestKey("team-d", "two"))
    assert bench.registry.entry(CLUSTER_ISSUER).ready


async def test_a_right_that_is_missing_stops_the_issuer_at_once(bench: Bench) -> None:
    bench.kube.expect("replace_status", Forbidden("cannot update", status=403))
    bench.kube.expect("create", MAY_NOT)
    await asked(bench, "one", "team-a", None)
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert (entry.ready, entry.reason) == (False, "StatusWriteRefused")
    assert len(bench.delivery.held) == 1


async def test_a_webhook_that_fails_is_an_outage_at_first(bench: Bench, clock: SetClock) -> None:
    failing = AdmissionFailed('failed calling webhook "x"', status=500)
    key = await asked(bench, "one", "team-a", failing)
    assert len(bench.delivery.held.of_issuer(CLUSTER_ISSUER)) == 1
    clock.now = ADMISSION_PATIENCE
    await tried(bench, key, failing, None)
    assert key in bench.delivery.refused
    assert len(bench.delivery.held) == 1


async def test_a_request_that_somebody_changes_without_end_is_in_nobodys_way(
    bench: Bench, clock: SetClock
) -> None:
    """In whatever number of namespaces, it is no rule for all; what takes the room of others is given up."""
    places = ("team-a", "team-b", "team-c")[:MOST_PLACES]
    limited(bench, MOST_PLACES)
    keys = [await asked(bench, "one", namespace, CHANGED) for namespace in places]
    assert max(timer_of(bench, key) for key in keys) <= 5.0
    assert not any(key in bench.delivery.refused for key in keys)
    clock.now = CHANGES_PATIENCE
    for key in keys[1:]:
        await tried(bench, key, CHANGED)
    assert max(timer_of(bench, key) for key in keys[1:]) <= 5.0
    assert not bench.limits.limiter(CLUSTER_ISSUER).has_room(RequestKey("team-d", "one"))
    bench.signer.revokes.append(None)
    await tried(bench, keys[0], CHANGED, None)
    assert bench.ready["reason"] == "Failed"
    assert "again and again" in bench.ready["message"]
    await asked(bench, "one", "team-d", None)
    assert bench.ready["reason"] == "Issued"
    assert bench.registry.entry(CLUSTER_ISSUER).ready


async def test_an_outage_counts_however_long_it_is(bench: Bench, clock: SetClock) -> None:
    key = await asked(bench, "one", "team-a", Unavailable("down"))
    clock.now = 10 * GIVEN_UP_AFTER
    await tried(bench, key, Unavailable("etcdserver: leader changed", status=500))
    assert len(bench.delivery.held.of_issuer(CLUSTER_ISSUER)) == 1


async def test_after_an_hour_it_is_revoked_and_its_request_fails(bench: Bench, clock: SetClock) -> None:
    refusal = Invalid("no", status=422)
    key = await asked(bench, "one", "team-a", refusal, None)
    clock.now = GIVEN_UP_AFTER
    await tried(bench, key, refusal)
    assert len(bench.delivery.held) == 1, "nobody else was served: it may be a rule for all"
    await asked(bench, "two", "team-b", None)
    bench.signer.revokes.append(None)
    with capture_logs() as logs:
        bench.kube.expect("replace_status", refusal)
        await tried(bench, key, refusal)
    [line] = [one for one in logs if one["event"] == "certificate not delivered"]
    assert (line["cause"], line["revoked"]) == (Cause.REFUSED.value, True)
    assert len(bench.signer.revoked) == 1
    await tried(bench, key, None)  # its status can be written by now
    assert bench.ready["reason"] == "Failed"
    assert "the API server refuses the status" in bench.ready["message"]
    assert bench.signer.signed == 2, "it is never signed again"


def limited(bench: Bench, concurrent: int) -> None:
    """So many certificates of the issuer may be signed and not yet written."""
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert entry.spec is not None
    entry.spec = entry.spec.model_copy(update={"rate_limit": RateLimit(concurrent=concurrent)})


async def test_refused_certificates_count_against_the_issuers_limit_and_leave_others_room(
    bench: Bench, clock: SetClock
) -> None:
    """A burst of one namespace fills the limit: the one that was refused longest is given up for others."""
    limited(bench, 2)
    refusal = Invalid("no", status=422)
    first = await asked(bench, "one", "team-a", refusal, None)
    clock.now += 1
    await asked(bench, "two", "team-a", refusal, None)
    assert not bench.limits.limiter(CLUSTER_ISSUER).has_room(RequestKey("team-b", "one"))
    assert bench.queue.depth + bench.queue.delayed == 2
    assert timer_of(bench, first) <= 5.0
    bench.signer.revokes.append(None)
    with capture_logs() as logs:
        await tried(bench, first, refusal, None)
    [line] = [one for one in logs if one["event"] == "certificate not delivered"]
    assert (line["cause"], line["revoked"]) == (Cause.REFUSED.value, True)
    assert bench.ready["reason"] == "Failed"
    for name in ("one", "two", "three"):
        await asked(bench, name, "team-b", None)
        assert bench.ready["reason"] == "Issued"
    assert len(bench.delivery.held) == 1
    assert bench.registry.entry(CLUSTER_ISSUER).ready


def timer_of(bench: Bench, key: RequestKey) -> float:
    """Seconds until the next attempt at this request."""
    return bench.queue._timers[key].when() - asyncio.get_running_loop().time()


async def test_half_of_the_limit_is_others_once_one_of_them_was_written(
    bench: Bench, clock: SetClock
) -> None:
    limited(bench, 4)
    refusal = Invalid("no", status=422)
    keys = [await asked(bench, name, "team-a", refusal, None) for name in ("one", "two")]
    clock.now += 1
    await asked(bench, "one", "team-b", refusal, None)
    assert bench.delivery.refused.in_the_way(CLUSTER_ISSUER) is None, "it may be a rule for all"
    clock.now += 1
    await asked(bench, "one", "team-c", None)
    assert bench.delivery.refused.in_the_way(CLUSTER_ISSUER) == keys[0], "the place with most gives one up"
    bench.signer.revokes.append(None)
    await tried(bench, keys[0], refusal, None)
    assert bench.delivery.refused.in_the_way(CLUSTER_ISSUER) is None
    assert len(bench.delivery.held) == 2


async def test_what_is_given_up_does_not_let_the_next_be_signed_in_its_place(
    bench: Bench, clock: SetClock
) -> None:
    """A rule may refuse certificates alone, so that the failure is written."""
    limited(bench, 1)
    refusal = Invalid("no", status=422)
    bench.signer.revokes.extend([None] * MOST_REFUSED)
    for number in range(MOST_REFUSED):
        await asked(bench, f"r{number}", "team-a", refusal, None)
        assert bench.ready["reason"] == "Failed"
    bench.store.upsert(certificate_request(name="next", conditions=[condition("Approved")]))
    key = RequestKey("team-a", "next")
    await tried(bench, key, None)
    assert "StatusWriteRefused" in bench.ready["message"]
    assert "team-a/r0" in bench.ready["message"]
    assert (bench.signer.signed, len(bench.delivery.held)) == (MOST_REFUSED, 0)
    await asked(bench, "one", "team-b", None)
    clock.now += GIVEN_UP_AFTER
    bench.signs()
    await tried(bench, key, None)
    assert bench.ready["reason"] == "Issued"


async def test_nothing_is_given_up_for_a_rule_that_is_for_all(bench: Bench) -> None:
    limited(bench, MOST_PLACES)
    keys = [
        await asked(bench, "one", namespace, Invalid("no", status=422), None)
        for namespace in ("team-a", "team-b", "team-c")[:MOST_PLACES]
    ]
    assert bench.registry.entry(CLUSTER_ISSUER).reason == "StatusWriteRefused"
    await tried(bench, keys[0], Invalid("no", status=422))
    assert len(bench.delivery.held) == MOST_PLACES


async def test_a_certificate_that_is_too_large_is_revoked_and_its_request_fails(bench: Bench) -> None:
    bench.signer.revokes.append(None)
    with capture_logs() as logs:
        await asked(bench, "one", "team-a", TOO_LARGE, None)
    [line] = [one for one in logs if one["event"] == "certificate not delivered"]
    assert (line["cause"], line["revoked"]) == (Cause.TOO_LARGE.value, True)
    assert bench.ready["reason"] == "Failed"
    assert "fewer labels" in bench.ready["message"]
    assert (len(bench.delivery.held), len(bench.signer.revoked)) == (0, 1)


async def test_a_request_that_takes_no_status_at_all_is_never_signed_again(bench: Bench) -> None:
    bench.signer.revokes.append(None)
    key = await asked(bench, "one", "team-a", TOO_LARGE, TOO_LARGE)
    await tried(bench, key, TOO_LARGE)
    assert bench.signer.signed == 1
    assert [one[:2] for one in bench.recorder.events].count(("Warning", "StatusTooLarge")) == 1
    assert bench.queue.delayed == 1
    await tried(bench, key, None)
    assert bench.ready["reason"] == "Failed"


def large(name: str = "one") -> Object:
    """A request that another API server may have no room for beside its certificate."""
    obj = certificate_request(name=name, conditions=[condition("Approved")])
    obj["metadata"]["labels"] = {f"label-{number}": "x" * 50 for number in range(LARGE // 60)}
    return obj


def shown(bench: Bench) -> None:
    """The watch shows it with its status as it is now."""
    bench.store.upsert({**large(), "status": bench.kube.written[-1]["status"]})


async def test_a_large_request_keeps_room_for_a_failure_before_it_is_signed(bench: Bench) -> None:
    """Then any process finds that it has failed, and never signs it again."""
    bench.store.upsert(large())
    await tried(bench, KEY, None)
    assert (bench.ready["reason"], bench.signer.signed) == ("Pending", 0)
    [room] = bench.kube.written
    shown(bench)
    bench.signs()
    bench.signer.revokes.append(None)
    why = ObjectTooLarge("PUT: " + "etcdserver: request is too large. " * 100, status=500)
    await tried(bench, KEY, why, None)
    assert (bench.ready["reason"], bench.signer.signed) == ("Failed", 1)
    assert len(json.dumps(bench.kube.written[-1])) < len(json.dumps(room)) - 100


async def test_a_large_request_without_room_for_a_failure_is_never_signed(bench: Bench, ca: TestCA) -> None:
    for process in (bench, Bench(ca).with_ready_issuer()):
        process.store.upsert(large())
        await tried(process, KEY, TOO_LARGE)
        await tried(process, KEY, TOO_LARGE)
        assert process.signer.signed == 0
        assert ("Warning", "StatusTooLarge") in {one[:2] for one in process.recorder.events}
        process.queue.close()
        process.issuer_queue.close()


async def test_room_that_another_reason_to_wait_took_is_kept_again(bench: Bench) -> None:
    bench.store.upsert(large())
    await tried(bench, KEY, None)
    shown(bench)
    bench.signer.signs.append(Retry(VaultRetry.VAULT_UNAVAILABLE, "not now."))
    await tried(bench, KEY, None)
    shown(bench)
    await tried(bench, KEY, None)
    assert "It is signed next" in bench.ready["message"]
    shown(bench)
    bench.signs()
    await tried(bench, KEY, None)
    assert bench.ready["reason"] == "Issued"


async def test_a_request_that_is_too_large_is_never_signed(bench: Bench) -> None:
    obj = certificate_request(name="one", conditions=[condition("Approved")])
    obj["metadata"]["labels"] = {f"label-{number}": "x" * 50 for number in range(MAX_STORED // 60)}
    bench.store.upsert(obj)
    await tried(bench, KEY, None)
    assert (bench.ready["reason"], bench.signer.signed) == ("Failed", 0)
    assert "at most 786432 are signed" in bench.ready["message"]
