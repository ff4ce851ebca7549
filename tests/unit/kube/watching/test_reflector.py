"""A handler kept in step, through everything a server may do to a watch."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from issuer.kube import client as client_module
from issuer.kube.watching import reflector as reflector_module
from tests.unit.kube.fake_api import (
    Reply,
    event,
    failure,
    listing,
    raw,
    refuse,
    stream,
    thing,
)
from tests.unit.kube.watching.running_reflector import END, Start

GONE = event("ERROR", failure(410, "Expired", "too old resource version"))


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
    run = start(read_timeout=0.5)  # a machine that does all else first sends an event within it
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


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds for which a reflector would sleep, in turn; it does not."""
    found: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        found.append(seconds)
        await sleep(0)

    monkeypatch.setattr("issuer.kube.watching.reflector.asyncio.sleep", note)
    return found


async def test_an_expiry_after_an_outage_does_not_wait_as_long_as_the_outage_did(
    start: Start, pauses: list[float]
) -> None:
    run = start(first_backoff=1.0)
    down = refuse(503, "ServiceUnavailable")
    gone = refuse(410, "Expired")
    again = [listing("5"), gone, listing("5"), gone, listing("9", thing("a", "1")), stream(hang=True)]
    await run.until({"a": "1"}, listing("5"), *[down] * 5, *again[1:2], *again)
    after_outage = [pause for pause in pauses if pause > 0.01][5:]
    assert [0.5 <= pause / 2**number <= 1 for number, pause in enumerate(after_outage)] == [True] * 3


async def test_a_server_that_ends_each_watch_at_once_is_not_asked_in_a_loop(
    start: Start, pauses: list[float]
) -> None:
    run = start(first_backoff=1.0)
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
