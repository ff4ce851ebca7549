"""Leases: one leads, and knows when it no longer does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from issuer.kube.client import KubeClient
from issuer.kube.leases.election import LeaderElector
from issuer.kube.leases.lease import Lease, LeaseTimes, steady_clock
from tests.unit.kube.fake_api import FakeApi, echo, json, never, refuse, until

LEASES = "/apis/coordination.k8s.io/v1/namespaces/ns/leases"
LEASE = f"{LEASES}/lock"


class Clock:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Leader:
    """An elector with short pauses, whose lease lasts 15 s and renew deadline 10 s of a clock of its own."""

    def __init__(self, client: KubeClient) -> None:
        self.clock = Clock()
        times = LeaseTimes(duration=15, renew=10, retry=0.002)
        self.lease = Lease(client, "ns", "lock", "me", times, clock=self.clock)
        self.elector = LeaderElector(self.lease)
        self.log: list[str] = []
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()
        self.fails: Exception | None = None
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.task = asyncio.create_task(self.elector.run(self._on_started, self._on_stopped))

    async def _on_started(self) -> None:
        self.log.append("started")
        self.started.set()
        if self.fails:
            raise self.fails
        try:
            await asyncio.Event().wait()
        finally:
            self.log.append("work cancelled")

    async def _on_stopped(self) -> None:
        self.log.append(f"stopped, leader {self.elector.is_leader}")
        self.stopped.set()


@pytest.fixture
async def leader(client: KubeClient) -> AsyncIterator[Leader]:
    made = Leader(client)
    yield made
    if made.task is not None:
        made.task.cancel()
        await asyncio.wait([made.task])


def lease(holder: str, version: str = "1", renewed: str = "then", seconds: int = 15) -> dict[str, Any]:
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "renewTime": renewed,
        "leaseTransitions": 3,
    }
    return {"metadata": {"name": "lock", "namespace": "ns", "resourceVersion": version}, "spec": spec}


def leads(leader: Leader) -> bool:
    return leader.elector.is_leader


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(5):
        await event.wait()


async def calls(api: FakeApi, number: int) -> None:
    await until(lambda: len(api.calls) >= number)


async def looked(api: FakeApi, leader: Leader) -> None:
    """Until it has acted on an answer that was asked for after now; it has not taken the Lease by then.

    A call that has arrived is not yet an answer that was heard: a clock moved in between moves for it, too.
    """
    await calls(api, len(api.calls) + 2)
    assert not leader.started.is_set()
    assert not api.called("PUT")


async def test_a_lease_that_is_not_there_is_created_and_renewed(api: FakeApi, leader: Leader) -> None:
    api.on("GET", LEASE, refuse(404, "NotFound"))
    api.on("POST", LEASES, echo("1"))
    api.on("PUT", LEASE, echo("2"), never())
    assert not leads(leader)
    leader.start()
    await soon(leader.started)
    await calls(api, 4)
    assert leads(leader)
    assert leader.elector.time_left() == 10
    created, renewed = api.calls[1].body, api.calls[2].body
    assert created["spec"]["holderIdentity"] == "me"
    assert created["spec"]["leaseDurationSeconds"] == 15
    assert created["spec"]["leaseTransitions"] == 0
    assert renewed["metadata"]["resourceVersion"] == "1"
    assert renewed["spec"]["acquireTime"] == created["spec"]["acquireTime"]


class AnswersAndFreezes(KubeClient):
    """An API server that has the Lease written, and a process that is frozen before it reads that."""

    def __init__(self, freeze: Callable[[], None]) -> None:
        self._freeze = freeze

    async def get(self, *_: object) -> dict[str, Any]:
        return lease("me")

    async def replace(self, _resource: object, body: dict[str, Any]) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[dict[str, Any]] = loop.create_future()

        def freeze() -> None:
            self._freeze()
            loop.call_soon(answered.set_result, body)  # as a socket is read: before what timers are due

        loop.call_soon(freeze)
        return await answered


@pytest.mark.parametrize(("frozen", "held"), [(6, True), (9, True), (11, False)])
async def test_a_renewal_that_was_answered_while_frozen_counts_from_when_it_was_sent(
    monkeypatch: pytest.MonkeyPatch, frozen: float, held: bool
) -> None:
    loop, clock = asyncio.get_running_loop(), Clock()
    began, real = clock.now, loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + clock.now - began)

    def freeze() -> None:
        clock.now += frozen

    times = LeaseTimes(duration=15, renew=10, retry=2)
    one = Lease(AnswersAndFreezes(freeze), "ns", "lock", "me", times, clock=clock)
    assert times.call < frozen
    assert await one.attempt()
    assert one.is_leader is held
    assert one.time_left() == max(0, 10 - frozen)


async def test_anothers_lease_is_taken_only_after_it_was_unchanged_here_for_its_duration(
    api: FakeApi, leader: Leader
) -> None:
    read = [lease("other")]

    async def as_it_is(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(read[0])

    api.on("GET", LEASE, *[as_it_is] * 10_000)
    leader.start()
    await until(lambda: leader.lease.holder == "other")
    leader.clock.now += 14
    await looked(api, leader)
    assert leader.lease.holder == "other"
    read[0] = lease("other", "2", "later")
    await until(lambda: leader.lease.seen.renewed == "later")
    leader.clock.now += 14
    await looked(api, leader)
    api.on("PUT", LEASE, echo("3"), never())
    leader.clock.now += 2
    await soon(leader.started)
    taken = api.called("PUT")[0].body
    assert taken["spec"]["leaseTransitions"] == 4
    assert taken["metadata"]["resourceVersion"] == "2"


async def test_a_lease_whose_transitions_are_at_their_end_is_taken(api: FakeApi, leader: Leader) -> None:
    given = lease("")
    given["spec"]["leaseTransitions"] = 2**31 - 1
    api.on("GET", LEASE, json(given))
    api.on("PUT", LEASE, echo("2"), never())
    leader.start()
    await soon(leader.started)
    assert api.called("PUT")[0].body["spec"]["leaseTransitions"] == 2**31 - 1


async def test_a_released_lease_is_taken_at_once(api: FakeApi, leader: Leader) -> None:
    api.on("GET", LEASE, json(lease("")))
    api.on("PUT", LEASE, echo("2"), never())
    leader.start()
    await soon(leader.started)


async def test_losing_the_race_is_not_leading(api: FakeApi, leader: Leader) -> None:
    api.on("GET", LEASE, refuse(404, "NotFound"), json(lease("other")))
    api.on("POST", LEASES, refuse(409, "AlreadyExists"))
    api.on("GET", LEASE, json(lease("")), never())
    api.on("PUT", LEASE, refuse(409, "Conflict"))
    leader.start()
    await calls(api, 6)
    assert not leader.started.is_set()


async def test_a_frozen_leader_knows_at_once_that_it_is_none(api: FakeApi, leader: Leader) -> None:
    api.on("GET", LEASE, json(lease("")))
    api.on("PUT", LEASE, echo("2"), never())
    leader.start()
    await soon(leader.started)
    leader.clock.now += 9.9
    assert leads(leader)
    leader.clock.now += 0.1  # no task has run since: the process was frozen
    assert not leads(leader)
    assert leader.elector.time_left() == 0


async def test_a_leader_without_renewals_stops_its_work_and_competes_again(
    api: FakeApi, leader: Leader
) -> None:
    async def slow(_: web.BaseRequest) -> web.StreamResponse:
        leader.clock.now += 11
        return web.json_response({}, status=503)

    api.on("GET", LEASE, json(lease("")), json(lease("other", "9")), never())
    api.on("PUT", LEASE, echo("2"), slow)
    leader.start()
    await soon(leader.stopped)
    assert leader.log == ["started", "work cancelled", "stopped, leader False"]
    await calls(api, 5)


async def test_the_deadline_counts_from_before_the_write(api: FakeApi, leader: Leader) -> None:
    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        leader.clock.now += 4
        return await echo("2")(request)

    api.on("GET", LEASE, json(lease("")))
    api.on("PUT", LEASE, slow, never())
    leader.start()
    await soon(leader.started)
    assert leader.elector.time_left() == 6


async def test_a_leader_that_sees_another_holder_stops_at_once(api: FakeApi, leader: Leader) -> None:
    api.on("GET", LEASE, json(lease("")), json(lease("other", "7")), never())
    api.on("PUT", LEASE, echo("2"), refuse(409, "Conflict"))
    leader.start()
    await soon(leader.stopped)
    assert leader.lease.holder == "other"


async def test_a_conflict_with_our_own_lost_answer_does_not_end_leadership(
    api: FakeApi, leader: Leader
) -> None:
    api.on("GET", LEASE, json(lease("")), json(lease("me", "3")))
    api.on("PUT", LEASE, echo("2"), refuse(409, "Conflict"), echo("4"), never())
    leader.start()
    await calls(api, 6)
    assert leads(leader)
    assert leader.log == ["started"]
    assert api.called("PUT")[2].body["metadata"]["resourceVersion"] == "3"


async def test_a_single_failed_renewal_does_not_end_leadership(api: FakeApi, leader: Leader) -> None:
    api.on("GET", LEASE, json(lease("")))
    api.on("PUT", LEASE, echo("2"), refuse(500, "InternalError"), echo("3"), never())
    leader.start()
    await calls(api, 5)
    assert leader.log == ["started"]


async def test_release_hands_over_and_ends_the_run(api: FakeApi, leader: Leader) -> None:
    api.on("GET", LEASE, json(lease("")))
    leader.elector._retry = 5
    api.on("PUT", LEASE, echo("2"), echo("3"))
    leader.start()
    await soon(leader.started)
    async with asyncio.timeout(5):
        await leader.elector.release()
    assert leader.log == ["started", "work cancelled", "stopped, leader False"]
    released = api.called("PUT")[1].body
    assert released["spec"]["holderIdentity"] == ""
    assert released["spec"]["leaseDurationSeconds"] == 1
    assert released["metadata"]["resourceVersion"] == "2"


async def test_a_release_that_meets_a_late_renewal_of_its_own_is_tried_again(
    api: FakeApi, client: KubeClient
) -> None:
    api.on("GET", LEASE, json(lease("")), json(lease("me")))
    api.on("PUT", LEASE, echo("2"), refuse(409, "Conflict"), echo("4"))
    one = Lease(client, "ns", "lock", "me", LeaseTimes())
    assert await one.attempt()
    assert await one.release()
    assert api.called("PUT")[2].body["spec"]["holderIdentity"] == ""


async def test_a_lease_that_another_took_meanwhile_is_left_to_it(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", LEASE, json(lease("")), json(lease("other")))
    api.on("PUT", LEASE, echo("2"), refuse(409, "Conflict"))
    one = Lease(client, "ns", "lock", "me", LeaseTimes())
    assert await one.attempt()
    assert not await one.release()
    assert len(api.called("PUT")) == 2


async def test_releasing_what_was_never_held_writes_nothing(api: FakeApi, leader: Leader) -> None:
    api.on("GET", LEASE, json(lease("other")), never())
    leader.lease.times = LeaseTimes(duration=0.2, renew=0.1, retry=0.002)  # a call is given up after 0.05 s
    leader.start()
    await calls(api, 2)
    async with asyncio.timeout(5):
        await leader.elector.release()
    assert not api.called("PUT")


async def test_release_before_run_means_no_run(leader: Leader) -> None:
    await leader.elector.release()
    leader.start()
    assert leader.task is not None
    await leader.task
    assert leader.log == []


async def test_work_that_fails_gives_the_lease_up_and_is_told(api: FakeApi, leader: Leader) -> None:
    api.on("GET", LEASE, json(lease("")))
    api.on("PUT", LEASE, echo("2"), echo("3"))
    leader.fails = RuntimeError("broken")
    leader.start()
    assert leader.task is not None
    with pytest.raises(RuntimeError, match="broken"):
        await leader.task
    assert api.called("PUT")[1].body["spec"]["holderIdentity"] == ""


async def test_a_cancelled_run_is_not_leader_and_leaves_the_lease_to_run_out(
    api: FakeApi, leader: Leader
) -> None:
    api.on("GET", LEASE, json(lease("")))
    leader.elector._retry = 5
    api.on("PUT", LEASE, echo("2"))
    leader.start()
    await soon(leader.started)
    assert leader.task is not None
    leader.task.cancel()
    await asyncio.wait([leader.task])
    assert leader.task.cancelled()
    assert not leads(leader)
    assert leader.log[-1] == "stopped, leader False"


def test_times_that_can_not_keep_leadership_exclusive_are_refused() -> None:
    for duration, renew, retry in ((10, 10, 2), (15, 2, 2), (15, 10, 0)):
        with pytest.raises(ValueError, match="duration > renew > retry"):
            LeaseTimes(duration, renew, retry)


def test_a_call_begun_under_a_lease_renewed_as_planned_ends_under_it() -> None:
    for seconds in (1, 15, 600):
        times = LeaseTimes.outlasting(seconds)
        failed_renewal = times.retry + times.call
        assert times.renew - times.retry - failed_renewal >= seconds
        assert times.duration - times.renew >= 5


async def test_marks_are_written_and_what_was_found_is_told(api: FakeApi, leader: Leader) -> None:
    before = lease("")
    before["metadata"] |= {"annotations": {"old": "1", "kept": "2"}, "uid": "u"}
    api.on("GET", LEASE, json(before))
    api.on("PUT", LEASE, echo("2"), echo("3"), echo("4"))
    leader.lease.labels = {"part": "x"}
    leader.lease.annotate = lambda old: {"kept": old["kept"], "new": "3"}
    assert await leader.lease.attempt()
    assert leader.lease.found == {"old": "1", "kept": "2"}
    assert await leader.lease.attempt()
    assert leader.lease.found == {"old": "1", "kept": "2"}, "a renewal is no taking"
    assert await leader.lease.release({"last": "words"})
    first, _, released = (call.body["metadata"] for call in api.called("PUT"))
    assert (first["labels"], first["annotations"]) == ({"part": "x"}, {"kept": "2", "new": "3"})
    assert (first["uid"], released["resourceVersion"]) == ("u", "3")
    assert released["annotations"] == {"kept": "2", "new": "3", "last": "words"}


async def test_a_lease_that_is_not_there_is_left_alone_where_others_make_it(
    api: FakeApi, client: KubeClient
) -> None:
    api.on("GET", LEASE, refuse(404, "NotFound"))
    one = Lease(client, "ns", "lock", "me", LeaseTimes(), create=False)
    assert not await one.attempt()
    assert not api.called("POST")


def test_the_clock_only_grows() -> None:
    assert steady_clock() <= steady_clock()
