"""No signing begins that could outlast its Lease, and the settings keep it so."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from issuer.controller.leadership.ownership import OneLeader
from issuer.controller.leadership.shard import Phase, Shard
from issuer.controller.leadership.work import ShardWork
from issuer.controller.process.options import ControllerOptions, LeaderOptions, OptionsError
from issuer.kube.client import KubeClient
from issuer.kube.errors import Unavailable
from issuer.kube.leases.lease import Lease
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.requests.request import RequestKey
from issuer.signing.settings import BackendSettings
from issuer.telemetry.metrics import Metrics
from tests.ca import TestCA
from tests.unit.controller.bench import KEY, Bench


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class LeaseServer:
    """Keeps one Lease, and refuses writes when told to."""

    def __init__(self) -> None:
        self.lease: Object = {"metadata": {"name": "one", "resourceVersion": "1"}, "spec": {}}
        self.refuses = False

    async def get(self, _resource: Resource, _name: str, _namespace: str) -> Object:
        return self.lease

    async def replace(self, _resource: Resource, body: Object) -> Object:
        if self.refuses:
            raise Unavailable("no")
        self.lease = body
        return body


def lease_of(server: LeaseServer, clock: Clock, options: ControllerOptions) -> Lease:
    client = cast(KubeClient, server)
    return Lease(client, "ns", "one", "me", options.lease_times, clock=clock)


@pytest.mark.parametrize("timeout", [1.0, 15.0, 60.0])
async def test_nothing_is_signed_with_less_of_the_lease_left_than_vaults_time_out(timeout: float) -> None:
    options = ControllerOptions(backend_settings=BackendSettings("ns", timeout))
    clock, server = Clock(), LeaseServer()
    lease = lease_of(server, clock, options)
    leader = OneLeader(lease, options.backend_settings.timeout)
    shard = Shard(0, lease, cast(ShardWork, None), lambda _key: True, Metrics(), call=timeout, grace=1)
    assert await lease.attempt()
    server.refuses = True
    signed_at = []
    for _ in range(int(options.lease_times.duration * 2) + 4):
        clock.now += 0.5
        await lease.attempt()
        assert leader.may_sign(KEY) is shard.may_sign() is (lease.time_left() >= timeout)
        if leader.may_sign(KEY):
            signed_at.append(clock.now)
    last = signed_at[-1] - 1000.0
    assert last + timeout <= options.lease_times.renew < options.lease_times.duration
    assert last + timeout > options.lease_times.renew - 1, "nor is it given up long before"
    assert not leader.leads()
    server.refuses = False
    assert await lease.attempt()
    assert leader.may_sign(KEY), "once renewed, work goes on"


def test_the_default_is_taken_over_from_within_half_a_minute() -> None:
    assert ControllerOptions().backend_settings.timeout == 15
    assert ControllerOptions().lease_times.duration == 30


def test_a_lease_too_short_for_vaults_time_out_is_refused_with_what_to_do() -> None:
    with pytest.raises(OptionsError, match="Set --lease-duration to at least 30, or --vault-timeout to at"):
        ControllerOptions(leader=LeaderOptions(lease_duration=20))
    with pytest.raises(OptionsError, match=r"at least 30$"):
        ControllerOptions(leader=LeaderOptions(lease_duration=15))
    longer = ControllerOptions(leader=LeaderOptions(lease_duration=60)).lease_times
    assert (longer.duration, longer.renew) == (60, 55)


def test_shards_without_leases_or_too_many_are_refused() -> None:
    with pytest.raises(OptionsError, match="leave --no-leader-elect out"):
        LeaderOptions(shards=4, elect=False)
    with pytest.raises(OptionsError, match="256 is the most"):
        LeaderOptions(shards=257)
    assert not LeaderOptions(shards=1, elect=False).sharded


async def test_the_lease_is_asked_for_again_when_the_call_is_sent(ca: TestCA) -> None:
    bench = Bench(ca).with_ready_issuer().with_request().signs()
    asked: list[RequestKey] = []

    def may_sign(key: RequestKey) -> bool:
        asked.append(key)
        return True

    bench.last_look.may_sign = may_sign
    bench.kube.accepts_status()
    await bench.reconcile()
    assert asked == [KEY, KEY], "the second time by the backend, once it has logged in and is connected"
    bench.queue.close()
    bench.issuer_queue.close()


class FakeWork:
    """What a shard does to the process it is worked on in, told one after the other."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.held: set[RequestKey] = set()
        self.reached = 0

    def claim(self, _belongs: Any) -> None:
        self.log.append("pick up")

    def flush(self, _belongs: Any) -> None:
        self.log.append("flush")

    def holds_any(self, _belongs: Any) -> bool:
        return bool(self.held)

    def is_held(self, key: RequestKey) -> bool:
        return key in self.held

    def release(self, _belongs: Any) -> None:
        self.log.append("put down")

    def caught_up(self, _kind: str, version: int) -> bool:
        return self.reached >= version

    async def newest(self) -> dict[str, int | None]:
        return {"CertificateRequest": 70, "CertificateSigningRequest": None}


class Life:
    """A shard that lives, with a Lease on a server of its own."""

    def __init__(self, found: dict[str, str], grace: float = 60.0) -> None:
        self.server, self.work = LeaseServer(), FakeWork()
        self.server.lease["metadata"]["annotations"] = found
        lease = lease_of(self.server, Clock(), ControllerOptions())
        work = cast(ShardWork, self.work)
        self.shard = Shard(3, lease, work, lambda _key: True, Metrics(), call=15, grace=grace)
        self.task = asyncio.create_task(self.shard.run())

    async def until(self, phase: Phase) -> None:
        async with asyncio.timeout(5):
            while self.shard.phase is not phase:  # noqa: ASYNC110 - a phase announces itself to nobody
                await asyncio.sleep(0.001)

    async def looks_again(self) -> None:
        """Wait until a draining shard has looked once more; a look begins with a flush every half second."""
        before = self.work.log.count("flush")
        async with asyncio.timeout(30):
            while self.work.log.count("flush") <= before:  # noqa: ASYNC110 - a look announces itself to nobody
                await asyncio.sleep(0.001)

    def left(self) -> str | None:
        annotations = self.server.lease["metadata"]["annotations"]
        found: str | None = annotations.get("vault-issuer.io/written")
        return found


WORD = {"vault-issuer.io/written": '{"CertificateRequest":50}'}


async def test_what_the_owner_before_wrote_is_waited_for_and_handed_on() -> None:
    life = Life(WORD)
    await life.until(Phase.WORKING)
    assert life.left() is None, "an owner that dies leaves no word"
    assert life.shard.in_doubt(KEY)
    assert not life.shard.in_doubt(RequestKey("", "a-csr")), "nothing of that kind was written"
    life.work.reached = 49
    assert life.shard.in_doubt(KEY)
    life.work.reached = 50
    assert not life.shard.in_doubt(KEY)
    life.shard.wanted(False)
    assert await life.task
    assert life.left() == '{"CertificateRequest":50}'
    assert life.server.lease["spec"]["holderIdentity"] == ""
    assert life.work.log == ["pick up", "flush", "put down"]


async def test_after_a_death_nothing_is_believed_but_fresh_reads_until_the_watch_has_come_so_far() -> None:
    life = Life({})
    await life.until(Phase.WORKING)
    life.work.reached = 69
    assert life.shard.in_doubt(KEY)
    life.work.reached = 70
    assert not life.shard.in_doubt(KEY)
    assert life.shard.in_doubt(RequestKey("", "a-csr")), "what can't be compared is read anew for ever"
    life.shard.wanted(False)
    assert await life.task
    assert life.left() is None, "the next owner must not believe its watch either"


async def test_while_a_shard_is_given_only_what_is_signed_goes_on() -> None:
    life = Life(WORD)
    await life.until(Phase.WORKING)
    other = RequestKey("team-a", "other")
    life.work.held = {other}
    with life.shard.busy():
        life.shard.wanted(False)
        await life.until(Phase.DRAINING)
        assert (life.shard.takes(KEY), life.shard.takes(other)) == (False, True)
        life.work.held = set()
        await life.looks_again()
        assert life.shard.phase is Phase.DRAINING, "an attempt is still under way"
    assert await life.task


async def test_a_shard_wanted_again_while_it_is_given_stays() -> None:
    life = Life(WORD)
    await life.until(Phase.WORKING)
    with life.shard.busy():
        life.shard.wanted(False)
        await life.until(Phase.DRAINING)
        life.shard.wanted(True)
        await life.until(Phase.WORKING)
    assert life.work.log[-1] == "pick up"
    life.shard.end()
    assert await life.task


async def test_what_never_ends_calls_the_giving_off_and_the_shard_is_worked_on() -> None:
    life = Life(WORD, grace=0.05)
    await life.until(Phase.WORKING)
    with life.shard.busy():
        life.shard.wanted(False)
        await life.until(Phase.DRAINING)
        await life.until(Phase.WORKING)
        life.shard.wanted(False)
        for _ in range(10):
            await asyncio.sleep(0)  # tasks that this woke would have run by now
        assert life.shard.phase is Phase.WORKING, "it is not tried again at once"
    life.shard.end()
    assert await life.task
