"""Lists of a reflector: in pages that fit, as a stream where the server has such, and begun again."""

from __future__ import annotations

import pytest

from issuer.kube import client as client_module
from issuer.kube.watching import listing as listing_module
from issuer.kube.watching import source as source_module
from tests.unit.kube.fake_api import (
    event,
    failure,
    json,
    listing,
    refuse,
    stream,
    thing,
)
from tests.unit.kube.watching.running_reflector import END, Start

GONE = event("ERROR", failure(410, "Expired", "too old resource version"))


async def test_a_list_that_expires_between_pages_starts_again_and_at_last_asks_for_all(start: Start) -> None:
    run = start(page_size=1)
    first = listing("5", thing("a", "1"), more="next")
    expired = refuse(410, "Expired", "the provided continue parameter is too old")
    await run.until(
        {"b": "2"}, first, expired, first, expired, listing("9", thing("b", "2")), stream(hang=True)
    )
    assert run.queries("limit") == ["1", "1", "1", "1", None, None]
    assert run.reflector.restarts == 0


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
    monkeypatch.setattr(listing_module, "_SMALL_PAGE", 500)
    monkeypatch.setattr(listing_module, "_LARGE_PAGE", 1000)
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
    listed, watched = (int(seconds or 0) for seconds in run.queries("timeoutSeconds"))
    assert listed > 2 * source_module.WATCH_SECONDS[1] >= 2 * watched, (
        "a large list takes longer than a watch"
    )


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
