"""Events: written within a budget, repeats counted, the caller never troubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from issuer.kube.client import KubeClient
from issuer.kube.events import EventBudget, EventRecorder
from tests.unit.kube.fake_api import FakeApi, echo, json, refuse, thing, until
from tests.unit.virtual_time import SetClock

EVENTS = "/apis/events.k8s.io/v1/namespaces/ns/events"


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def recorder(client: KubeClient, clock: SetClock) -> EventRecorder:
    budget = EventBudget(per_second=1, burst=3, queue=4)
    return EventRecorder(client, "vault-issuer.io/controller", budget, instance="pod-1", clock=clock)


@pytest.fixture
async def writing(recorder: EventRecorder) -> AsyncIterator[None]:
    task = asyncio.create_task(recorder.run())
    yield
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def written(recorder: EventRecorder, number: int, dropped: int = 0) -> None:
    await until(lambda: (recorder.written, recorder.dropped) == (number, dropped))


@pytest.mark.usefixtures("writing")
async def test_an_event_says_what_happened_to_what(api: FakeApi, recorder: EventRecorder) -> None:
    api.on("POST", EVENTS, echo("1"))
    recorder.warning(thing("a", "7"), "SigningFailed", "the CA refuses it")
    await written(recorder, 1)
    body = api.calls[0].body
    assert body["metadata"]["name"].startswith("a.")
    assert body["regarding"] == {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "name": "a",
        "namespace": "ns",
        "uid": "uid-a",
        "resourceVersion": "7",
    }
    assert (body["type"], body["reason"], body["note"]) == ("Warning", "SigningFailed", "the CA refuses it")
    assert (body["reportingController"], body["reportingInstance"]) == ("vault-issuer.io/controller", "pod-1")
    assert body["action"] == "Reconcile"
    assert body["eventTime"].endswith("Z")


@pytest.mark.usefixtures("writing")
async def test_events_of_cluster_scoped_objects_live_in_default(
    api: FakeApi, recorder: EventRecorder
) -> None:
    api.on("POST", "/apis/events.k8s.io/v1/namespaces/default/events", echo("1"))
    obj = thing("i", "1")
    del obj["metadata"]["namespace"]
    recorder.normal(obj, "Ready", "fine")
    await written(recorder, 1)
    assert api.calls[0].body["type"] == "Normal"


@pytest.mark.usefixtures("writing")
async def test_repeats_become_a_count_written_now_and_then(
    api: FakeApi, recorder: EventRecorder, clock: SetClock
) -> None:
    api.on("POST", EVENTS, echo("1"))
    for _ in range(3):
        recorder.warning(thing("a", "1"), "Pending", "Vault is sealed")
    await written(recorder, 1)
    assert api.calls[0].body["series"]["count"] == 3
    recorder.warning(thing("a", "1"), "Pending", "Vault is sealed")
    await asyncio.sleep(0.01)
    assert len(api.calls) == 1
    name = api.calls[0].body["metadata"]["name"]
    clock.now += 61
    api.on("PUT", f"{EVENTS}/{name}", echo("2"))
    recorder.warning(thing("a", "2"), "Pending", "Vault is sealed")
    await written(recorder, 2)
    assert api.calls[1].body["series"]["count"] == 5
    assert api.calls[1].body["metadata"]["resourceVersion"] == "1"


@pytest.mark.usefixtures("writing")
async def test_a_count_whose_event_is_gone_begins_a_new_one(
    api: FakeApi, recorder: EventRecorder, clock: SetClock
) -> None:
    api.on("POST", EVENTS, echo("1"))
    recorder.warning(thing("a", "1"), "Pending", "x")
    await written(recorder, 1)
    name = api.calls[0].body["metadata"]["name"]
    clock.now += 61
    api.on("PUT", f"{EVENTS}/{name}", refuse(404, "NotFound"))
    api.on("POST", EVENTS, echo("1"))
    recorder.warning(thing("a", "1"), "Pending", "x")
    await written(recorder, 2)
    again = api.calls[2].body
    assert again["metadata"]["name"] != name
    assert "resourceVersion" not in again["metadata"]


@pytest.mark.usefixtures("writing")
async def test_an_old_event_is_told_anew(api: FakeApi, recorder: EventRecorder, clock: SetClock) -> None:
    api.on("POST", EVENTS, echo("1"), echo("1"))
    recorder.warning(thing("a", "1"), "Pending", "x")
    await written(recorder, 1)
    clock.now += 601
    recorder.warning(thing("a", "1"), "Pending", "x")
    await written(recorder, 2)
    assert "series" not in api.calls[1].body


async def test_what_the_queue_can_not_hold_is_dropped_and_counted(recorder: EventRecorder) -> None:
    for number in range(6):
        recorder.warning(thing(f"a{number}", "1"), "X", "x")
    assert recorder.dropped == 2


def of(namespace: str, name: str) -> dict[str, Any]:
    """An object of a namespace."""
    obj = thing(name, "1")
    obj["metadata"]["namespace"] = namespace
    return obj


async def test_a_namespaces_storm_leaves_room_and_turns_for_anothers_events(
    api: FakeApi, recorder: EventRecorder
) -> None:
    for number in range(2000):
        recorder.warning(of("ns", f"a{number}"), "Denied", f"names are denied: {number}")
    recorder.warning(of("quiet", "b"), "Denied", "one")
    recorder.warning(of("quiet", "c"), "Denied", "two")
    recorder.warning(of("quiet", "d"), "Denied", "no more than its half")
    assert recorder.dropped == 2003 - 4
    api.on("POST", EVENTS, *[echo("1")] * 2)
    api.on("POST", EVENTS.replace("/ns/", "/quiet/"), echo("1"))
    await recorder.flush()
    assert [call.body["regarding"]["name"] for call in api.calls] == ["a0", "b", "a1"]


async def test_hints_of_a_storm_leave_the_queue_to_other_events(client: KubeClient, clock: SetClock) -> None:
    recorder = EventRecorder(client, "x", EventBudget(queue=40, hints=4), clock=clock)
    for number in range(100):
        recorder.hint(of("ns", f"a{number}"), "Pending", "Vault is sealed")
    assert recorder.dropped == 96
    for name in "bcdefghi":
        for number in range(4):
            recorder.hint(of(name, f"{name}{number}"), "Pending", "Vault is sealed")
    assert recorder.dropped == 96 + 16, "half of the queue is for others"
    for number in range(20):
        recorder.warning(of("ns", f"b{number}"), "Denied", "no")
    assert recorder.dropped == 96 + 16


async def test_what_was_given_up_for_another_is_told_when_it_happens_again(
    api: FakeApi, recorder: EventRecorder
) -> None:
    for number in range(4):
        recorder.warning(of("ns", f"a{number}"), "Denied", "x")
    recorder.warning(of("quiet", "b"), "Denied", "x")
    api.on("POST", EVENTS, *[echo("1")] * 3)
    api.on("POST", EVENTS.replace("/ns/", "/quiet/"), echo("1"))
    await recorder.flush()
    recorder.warning(of("ns", "a3"), "Denied", "x")
    await recorder.flush()
    assert api.calls[-1].body["regarding"]["name"] == "a3"


@pytest.mark.usefixtures("writing")
async def test_the_budget_holds_writes_back(
    api: FakeApi, recorder: EventRecorder, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    sleep = asyncio.sleep

    async def pass_time(seconds: float) -> None:
        if seconds > 0.01:
            asked.append(seconds)
            clock.now += seconds
        await sleep(0)

    monkeypatch.setattr("issuer.kube.events.asyncio.sleep", pass_time)
    api.on("POST", EVENTS, *[echo("1")] * 4)
    for number in range(4):
        recorder.warning(thing(f"a{number}", "1"), "X", "x")
    await written(recorder, 4)
    assert asked == [1.0]


@pytest.mark.usefixtures("writing")
async def test_a_refused_event_is_dropped_and_the_next_is_written(
    api: FakeApi, recorder: EventRecorder
) -> None:
    api.on("POST", EVENTS, refuse(403, "Forbidden"), echo("1"))
    recorder.warning(thing("a", "1"), "X", "x")
    recorder.warning(thing("b", "1"), "X", "x")
    await written(recorder, 1, dropped=1)


@pytest.mark.usefixtures("writing")
async def test_an_event_in_a_namespace_that_goes_is_no_warning(api: FakeApi, recorder: EventRecorder) -> None:
    gone, full = refuse(404, "NotFound"), refuse(403, "Forbidden")
    # As kube-apiserver 1.36 answers a creation (k8s.io/apiserver, plugin/namespace/lifecycle).
    cause = {"reason": "NamespaceTerminating", "message": "namespace ns is being terminated", "field": "x"}
    terminating = json(
        {"kind": "Status", "code": 403, "reason": "Forbidden", "details": {"causes": [cause]}}, 403
    )
    api.on("POST", EVENTS, terminating, gone, full)
    with capture_logs() as lines:
        for name in "abc":
            recorder.warning(thing(name, "1"), "X", "x")
        await written(recorder, 0, dropped=3)
    assert [one["log_level"] for one in lines] == ["debug", "debug", "warning"]


@pytest.mark.parametrize("obj", [{}, {"metadata": None}, {"metadata": {"name": 3}}])
async def test_an_unfit_object_costs_the_event_and_nothing_else(
    recorder: EventRecorder, obj: dict[str, Any]
) -> None:
    recorder.warning(obj, "X", "x")
    assert recorder.dropped == 1


async def test_notes_fit_the_servers_bound_in_bytes(api: FakeApi, recorder: EventRecorder) -> None:
    api.on("POST", EVENTS, echo("1"))
    recorder.warning(thing("a" * 253, "1"), "X", "é\n" * 5000)
    await recorder.flush()
    body = api.calls[0].body
    assert len(body["note"].encode()) <= 1024
    assert len(body["metadata"]["name"]) <= 253


async def test_flush_writes_a_burst_and_drops_the_rest(api: FakeApi, recorder: EventRecorder) -> None:
    api.on("POST", EVENTS, *[echo("1")] * 3)
    for number in range(4):
        recorder.warning(thing(f"a{number}", "1"), "X", "x")
    await recorder.flush()
    assert (recorder.written, recorder.dropped) == (3, 1)
    await recorder.flush()
