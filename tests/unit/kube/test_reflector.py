"""A handler kept in step, through everything a server may do to a list or a watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from issuer.kube import client as client_module
from issuer.kube import reflector as reflector_module
from issuer.kube.client import INITIAL_END, KubeClient
from issuer.kube.reflector import Reflector
from issuer.requests.resources import CERTIFICATE_REQUESTS
from tests.unit.kube.fake_api import (
    FakeApi,
    Reply,
    event,
    failure,
    json,
    listing,
    raw,
    refuse,
    stream,
    thing,
    until,
)

PATH = CERTIFICATE_REQUESTS.path()
GONE = event("ERROR", failure(410, "Expired", "too old resource version"))


class Store:
    """A handler that keeps names and versions, and tells when it holds what a test waits for."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.begun: dict[str, str] | None = None
        self.removed: list[str] = []
        self.objects: list[dict[str, Any]] = []
        self.bad: str | None = None
        self._changed = asyncio.Event()

    def begin(self) -> None:
        self.begun = {}

    def add(self, obj: dict[str, Any]) -> None:
        assert self.begun is not None
        self.objects.append(obj)
        self.begun[obj["metadata"]["name"]] = obj["metadata"]["resourceVersion"]

    def end(self) -> None:
        assert self.begun is not None
        self.known, self.begun = self.begun, None
        self._changed.set()

    def upsert(self, obj: dict[str, Any]) -> None:
        if obj["metadata"]["name"] == self.bad:
            raise KeyError(self.bad)
        self.known[obj["metadata"]["name"]] = obj["metadata"]["resourceVersion"]
        self._changed.set()

    def remove(self, obj: dict[str, Any]) -> None:
        self.removed.append(obj["metadata"]["name"])
        self.known.pop(obj["metadata"]["name"], None)
        self._changed.set()

    async def until(self, expected: dict[str, str]) -> None:
        async with asyncio.timeout(5):
            while self.known != expected:
                self._changed.clear()
                await self._changed.wait()


class Running:
    """A reflector at work on scripted answers; the last one told should hang."""

    def __init__(self, api: FakeApi, client: KubeClient, **options: Any) -> None:
        self.api = api
        self.store = Store()
        options = {"first_backoff": 0.001, **options}
        self.reflector = Reflector(client, CERTIFICATE_REQUESTS, self.store, **options)
        self._task: asyncio.Task[None] | None = None

    async def until(self, expected: dict[str, str], *replies: Reply) -> None:
        self.api.on("GET", PATH, *replies)
        if self._task is None:
            self._task = asyncio.create_task(self.reflector.run())
        try:
            await self.store.until(expected)
            await until(lambda: not self.api.left())
        finally:
            self._task.cancel()
            await asyncio.wait([self._task])
        assert self._task.cancelled()

    def queries(self, name: str) -> list[str | None]:
        return [call.query.get(name) for call in self.api.calls]


Start = Callable[..., Running]


@pytest.fixture
def start(api: FakeApi, client: KubeClient) -> Start:
    return lambda **options: Running(api, client, **options)


async def test_pages_are_added_then_changes_follow_from_the_lists_version(start: Start) -> None:
    run = start(page_size=2)
    await run.until(
        {"a": "1", "c": "8", "d": "9"},
        listing("5", thing("a", "1"), thing("b", "2"), more="next"),
        listing("5", thing("c", "3")),
        stream(
            event("MODIFIED", thing("c", "8")),
            event("ADDED", thing("d", "9")),
            event("DELETED", thing("b", "10")),
            hang=True,
        ),
    )
    assert run.queries("continue") == [None, "next", None]
    assert run.queries("resourceVersion") == [None, None, "5"]
    assert run.reflector.synced.is_set()
    assert (run.reflector.restarts, run.reflector.relists, run.reflector.resource_version) == (0, 0, "10")


async def test_a_watch_that_ended_resumes_where_the_last_bookmark_was(start: Start) -> None:
    run = start()
    bookmark = {"metadata": {"resourceVersion": "50"}}
    await run.until(
        {"a": "60"},
        listing("5"),
        stream(event("ADDED", thing("a", "6")), event("BOOKMARK", bookmark)),
        stream(event("MODIFIED", thing("a", "60")), hang=True),
    )
    assert run.queries("resourceVersion") == [None, "5", "50"]
    assert run.reflector.relists == 0


@pytest.mark.parametrize("gone", [stream(GONE), refuse(410, "Gone"), refuse(410, "Expired")])
async def test_an_expired_version_means_a_new_list_which_forgets_what_is_gone(
    start: Start, gone: Reply
) -> None:
    run = start()
    await run.until(
        {"b": "2"}, listing("5", thing("a", "1")), gone, listing("9", thing("b", "2")), stream(hang=True)
    )
    assert run.queries("resourceVersion") == [None, "5", None, "9"]
    assert run.reflector.relists == 1


async def test_a_list_that_expires_between_pages_starts_again_and_at_last_asks_for_all(start: Start) -> None:
    run = start(page_size=1)
    first = listing("5", thing("a", "1"), more="next")
    expired = refuse(410, "Expired", "the provided continue parameter is too old")
    await run.until(
        {"b": "2"}, first, expired, first, expired, listing("9", thing("b", "2")), stream(hang=True)
    )
    assert run.queries("limit") == ["1", "1", "1", "1", None, None]
    assert run.reflector.restarts == 0


async def test_errors_of_the_server_are_survived_and_the_watch_resumes(start: Start) -> None:
    run = start()
    await run.until(
        {"a": "7"},
        refuse(403, "Forbidden"),
        refuse(404, "NotFound"),
        listing("5"),
        refuse(500, "InternalError"),
        raw(b"<html>", 502),
        stream(b"not json\n"),
        stream(event("ADDED", thing("a", "7")), hang=True),
    )
    assert run.queries("resourceVersion") == [None, None, None, "5", "5", "5", "5"]
    assert (run.reflector.restarts, run.reflector.relists) == (5, 0)


async def test_a_half_dead_connection_is_left_and_the_watch_resumes(start: Start) -> None:
    run = start(read_timeout=0.05)
    await run.until(
        {"a": "6", "b": "7"},
        listing("5"),
        stream(event("ADDED", thing("a", "6")), hang=True),
        stream(event("ADDED", thing("b", "7")), hang=True),
    )
    assert run.queries("resourceVersion")[:3] == [None, "5", "6"]


def ours(obj: dict[str, Any]) -> bool:
    return bool(obj["spec"]["group"] == "ours")


def owned(name: str, version: str, group: str = "ours") -> dict[str, Any]:
    return thing(name, version, spec={"group": group})


async def test_the_server_filters_where_it_can(start: Start) -> None:
    run = start(field_selector="spec.group=ours", keep=ours)
    await run.until({"a": "1"}, listing("5", owned("a", "1")), stream(hang=True))
    assert run.queries("fieldSelector") == ["spec.group=ours"] * 2
    assert run.reflector.server_side_filter


async def test_a_refused_selector_means_filtering_here(start: Start) -> None:
    run = start(field_selector="spec.group=ours", keep=ours)
    await run.until(
        {"c": "8"},
        refuse(400, "BadRequest", "field label not supported: spec.group"),
        listing("5", owned("a", "1"), owned("b", "2", "theirs")),
        stream(
            event("ADDED", owned("c", "8")),
            event("ADDED", owned("d", "9", "theirs")),
            event("MODIFIED", owned("a", "10", "theirs")),
            hang=True,
        ),
    )
    assert run.queries("fieldSelector") == ["spec.group=ours", None, None]
    assert not run.reflector.server_side_filter
    assert "a" in run.store.removed


async def test_after_an_expiry_the_server_is_asked_to_filter_again(start: Start) -> None:
    run = start(field_selector="spec.group=ours", keep=ours)
    await run.until(
        {"a": "1"},
        refuse(400, "BadRequest"),
        listing("5"),
        stream(GONE),
        listing("9", owned("a", "1")),
        stream(hang=True),
    )
    assert run.queries("fieldSelector") == [
        "spec.group=ours",
        None,
        None,
        "spec.group=ours",
        "spec.group=ours",
    ]


async def test_one_bad_object_does_not_stop_the_others(start: Start) -> None:
    run = start(keep=ours)
    run.store.bad = "bad"
    await run.until(
        {"a": "1", "b": "9"},
        listing("5", owned("a", "1"), thing("no-spec", "2")),
        stream(event("ADDED", owned("bad", "8")), event("ADDED", owned("b", "9")), hang=True),
    )
    assert run.reflector.handler_errors == 2
    assert run.reflector.restarts == 0


async def test_an_event_without_a_version_means_a_new_list(start: Start) -> None:
    run = start()
    await run.until(
        {"a": "1"}, listing("5"), stream(event("ADDED", {})), listing("9", thing("a", "1")), stream(hang=True)
    )
    assert (run.reflector.restarts, run.reflector.relists) == (1, 1)


async def test_a_page_over_the_bound_is_asked_for_again_in_a_smaller_one(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_PAGE", 1000)
    run = start(page_size=8)
    await run.until(
        {"a": "1", "b": "2"},
        listing("5", thing("a", "1"), more="next"),
        json({"items": [], "x": "y" * 1000}),
        listing("6", thing("b", "2")),
        stream(hang=True),
    )
    assert run.queries("limit") == ["8", "8", "4", None]
    assert run.queries("continue") == [None, "next", "next", None]
    assert run.queries("resourceVersion") == [None, None, None, "5"]


async def test_an_object_over_the_bound_of_a_page_ends_the_try(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_PAGE", 1000)
    run = start(page_size=2)
    large = json({"items": [], "x": "y" * 1000})
    await run.until({"a": "1"}, large, large, listing("5", thing("a", "1")), stream(hang=True))
    assert run.queries("limit") == ["2", "1", "2", None]


async def test_pages_grow_while_objects_are_small_and_shrink_when_they_are_not(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector_module, "_SMALL_PAGE", 500)
    monkeypatch.setattr(reflector_module, "_LARGE_PAGE", 1000)
    run = start(page_size=40)
    fat = {**thing("b", "2"), "x": "y" * 1000}
    await run.until(
        {"a": "1", "b": "2"},
        *[listing("5", thing("a", "1"), more="next") for _ in range(3)],
        listing("5", fat, more="next"),
        listing("5"),
        stream(hang=True),
    )
    assert run.queries("limit") == ["10", "20", "40", "40", "20", None]


END = event("BOOKMARK", {"metadata": {"resourceVersion": "9", "annotations": {INITIAL_END: "true"}}})


async def test_a_streamed_list_is_complete_at_its_bookmark(start: Start) -> None:
    run = start(streamed=True)
    run.store.known = {"gone": "1"}
    await run.until(
        {"a": "1", "b": "10"},
        stream(
            event("ADDED", thing("a", "1")),
            event("ADDED", thing("b", "2")),
            event("BOOKMARK", {"metadata": {"resourceVersion": "3"}}),
            event("MODIFIED", thing("b", "4")),
            END,
            hang=True,
        ),
        stream(event("MODIFIED", thing("b", "10")), hang=True),
    )
    assert run.queries("sendInitialEvents") == ["true", None]
    assert run.queries("resourceVersion") == [None, "9"]
    assert run.reflector.synced.is_set()


@pytest.mark.parametrize("status", [422, 400])
async def test_a_server_without_streaming_lists_is_asked_for_pages_ever_after(
    start: Start, status: int
) -> None:
    run = start(streamed=True)
    await run.until(
        {"b": "2"},
        refuse(status, "Invalid"),
        listing("5", thing("a", "1")),
        stream(GONE),
        listing("9", thing("b", "2")),
        stream(hang=True),
    )
    assert run.queries("sendInitialEvents") == ["true", None, None, None, None]


async def test_a_streamed_list_that_breaks_off_replaces_nothing_and_pages_follow(start: Start) -> None:
    run = start(streamed=True)
    run.store.known = {"before": "1"}
    await run.until(
        {"a": "1"},
        stream(event("ADDED", thing("x", "1"))),
        listing("5", thing("a", "1")),
        stream(GONE),
        stream(event("ADDED", thing("a", "1")), END, hang=True),
        stream(hang=True),
    )
    assert run.queries("sendInitialEvents") == ["true", None, None, "true", None]


async def test_a_selector_that_is_refused_is_no_reason_for_pages(start: Start) -> None:
    run = start(streamed=True, field_selector="spec.issuerRef.group=g", keep=lambda _: True)
    await run.until(
        {"a": "1"},
        refuse(400, "BadRequest"),
        stream(event("ADDED", thing("a", "1")), END, hang=True),
        stream(hang=True),
    )
    assert run.queries("sendInitialEvents") == ["true", "true", None]


async def test_an_event_that_is_too_large_is_counted_and_the_others_go_on(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MAX_LINE", 300)
    run = start(streamed=True)
    large = event("ADDED", {**thing("x", "7"), "x": "y" * 300})
    await run.until(
        {"a": "1", "b": "2"},
        stream(large, event("ADDED", thing("a", "1")), END, hang=True),
        stream(large, event("ADDED", thing("b", "2")), hang=True),
    )
    assert (run.reflector.too_large, run.reflector.restarts) == (2, 0)


async def test_managed_fields_are_not_kept(start: Start) -> None:
    run = start()
    big = thing("a", "1")
    big["metadata"]["managedFields"] = [{"manager": "x"}]
    await run.until({"a": "1"}, listing("5", big), stream(hang=True))
    assert "managedFields" not in run.store.objects[0]["metadata"]


async def test_an_expiry_after_an_outage_does_not_wait_as_long_as_the_outage_did(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    run = start(first_backoff=1.0)
    monkeypatch.setattr("issuer.kube.reflector.asyncio.sleep", note)
    down = refuse(503, "ServiceUnavailable")
    gone = refuse(410, "Expired")
    again = [listing("5"), gone, listing("5"), gone, listing("9", thing("a", "1")), stream(hang=True)]
    await run.until({"a": "1"}, listing("5"), *[down] * 5, *again[1:2], *again)
    after_outage = [pause for pause in pauses if pause > 0.01][5:]
    assert [0.5 <= pause / 2**number <= 1 for number, pause in enumerate(after_outage)] == [True] * 3


async def test_a_server_that_ends_each_watch_at_once_is_not_asked_in_a_loop(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    run = start(first_backoff=1.0)
    monkeypatch.setattr("issuer.kube.reflector.asyncio.sleep", note)
    await run.until(
        {"a": "6"},
        listing("5"),
        *[stream()] * 8,
        refuse(429, "TooManyRequests", retryAfterSeconds=600),
        stream(event("ADDED", thing("a", "6")), hang=True),
    )
    waits = [pause for pause in pauses if pause > 0.01]
    assert len(waits) == 9
    for number, pause in enumerate(waits[:8]):
        assert min(10, 2**number) / 2 <= pause <= min(10, 2**number)
    assert waits[8] == 60  # what it asks for, within reason


async def test_an_optional_resource_that_is_withheld_is_told_once_and_asked_for_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector_module, "_LONGEST_BACKOFF", 0.001)
    run = start(optional=True)
    with capture_logs() as logs:
        await run.until(
            {"a": "1"},
            refuse(403, "Forbidden"),
            refuse(404, "NotFound"),
            refuse(403, "Forbidden"),
            listing("5", thing("a", "1")),
            stream(hang=True),
        )
    assert [one["event"] for one in logs] == ["may not be watched, and is left alone"]
    assert run.reflector.restarts == 0
    assert run.reflector.current


async def test_what_may_no_longer_be_watched_is_not_current(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector_module, "_LONGEST_BACKOFF", 0.001)
    run = start(optional=True)
    assert not run.reflector.current
    await run.until({"a": "1"}, listing("5", thing("a", "1")), refuse(403, "Forbidden"), stream(hang=True))
    assert run.reflector.synced.is_set()
    assert not run.reflector.current
