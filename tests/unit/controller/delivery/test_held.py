"""Certificates that are signed and not yet written: their number is bounded, and their serials are logged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from issuer.api.issuers import RateLimit
from issuer.kube.errors import KubeError, Unauthorized, Unavailable
from issuer.requests.request import RequestKey
from tests.builders import certificate_request
from tests.ca import TestCA
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY, Bench

DOWN = Unavailable("no answer")


@pytest.fixture
def bench(ca: TestCA) -> Iterator[Bench]:
    one = Bench(ca).with_ready_issuer()
    yield one
    one.queue.close()
    one.issuer_queue.close()


async def fails_to_write(bench: Bench, name: str, error: KubeError = DOWN) -> None:
    bench.store.upsert(certificate_request(name=name))
    bench.signs()
    bench.kube.expect("replace_status", error)
    await bench.reconcile(RequestKey("team-a", name))


async def test_the_serial_is_logged_when_the_first_write_fails_and_only_then(bench: Bench) -> None:
    with capture_logs() as logs:
        await fails_to_write(bench, "one")
        bench.kube.expect("replace_status", DOWN)
        await bench.reconcile()
    (line,) = [one for one in logs if one["event"] == "certificate held"]
    pending = bench.delivery.held.get(KEY)
    assert pending is not None
    assert (line["request"], line["serial"]) == ("team-a/one", pending.serial)
    assert (line["issuer"], line["error"]) == ("VaultClusterIssuer demo", "no answer")


async def test_all_that_are_held_are_logged_again_until_they_are_written(bench: Bench) -> None:
    for name in ("one", "two"):
        await fails_to_write(bench, name)
    serials = {str(one.key): one.serial for one in bench.delivery.held}
    with capture_logs() as logs:
        bench.delivery.held.log_all()
    assert logs == [
        {
            "event": "certificates held",
            "log_level": "warning",
            "issuer": "VaultClusterIssuer demo",
            "serials": serials,
        }
    ]
    for name in ("one", "two"):
        bench.kube.accepts_status()
        await bench.reconcile(RequestKey("team-a", name))
    with capture_logs() as logs:
        bench.delivery.held.log_all()
    assert logs == []
    assert not bench.delivery.held.of_issuer(CLUSTER_ISSUER)


async def test_one_whose_write_takes_long_is_logged_before_it_fails(bench: Bench) -> None:
    await fails_to_write(bench, "one")
    pending = bench.delivery.held.get(KEY)
    assert pending is not None
    bench.delivery.held._not_written.clear()  # as while its first write is under way
    with capture_logs() as logs:
        bench.delivery.held.log_all()
    assert logs == [], "every write takes a moment"
    assert pending.audit.to_write is not None
    pending.audit.to_write -= 2
    with capture_logs() as logs:
        bench.delivery.held.log_all()
    assert [one["serials"] for one in logs] == [{"team-a/one": pending.serial}]


async def test_nothing_is_signed_beside_as_many_as_may_be_held(bench: Bench) -> None:
    entry = bench.registry.entry(CLUSTER_ISSUER)
    assert entry.spec is not None
    entry.spec = entry.spec.model_copy(update={"rate_limit": RateLimit(concurrent=2)})
    for name in ("one", "two"):
        await fails_to_write(bench, name)
    limiter, third = bench.limits.limiter(CLUSTER_ISSUER), RequestKey("team-a", "three")
    throttled = limiter.throttled()
    assert throttled is not None
    assert throttled.reason == "held"
    bench.store.upsert(certificate_request(name="three"))
    await bench.reconcile(third)  # as one that was handed out past the limiter
    assert bench.signer.signed == 2
    assert bench.queue.delayed == 3
    bench.kube.accepts_status()
    await bench.reconcile(KEY)
    bench.signs()
    bench.kube.accepts_status()
    await bench.reconcile(third)
    assert bench.signer.signed == 3


async def test_what_is_held_is_written_within_seconds_of_an_outage(bench: Bench) -> None:
    for _ in range(12):  # as after minutes
        bench.queue.retry(KEY, 60.0)
    await fails_to_write(bench, "one")
    (timer,) = bench.queue._timers.values()
    assert 0 < timer.when() - asyncio.get_running_loop().time() <= 5.0


async def test_each_serial_is_logged_at_the_end_before_a_revocation_that_hangs(bench: Bench) -> None:
    for name in ("one", "two"):
        await fails_to_write(bench, name, Unauthorized("expired", status=401))
    serials = {one.serial for one in bench.delivery.held}

    async def hang(certificate_pem: str, *, is_ca: bool | None = None) -> None:
        await asyncio.Event().wait()

    bench.signer.revoke = hang  # type: ignore[method-assign]
    with capture_logs() as logs:
        await bench.delivery.close(0.01)
    assert {one["serial"] for one in logs if one["event"] == "certificate left behind"} == serials
