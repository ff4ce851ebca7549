"""The page over HTTP: complete without a script, read-only, safe headers, and news as events."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from issuer.statuspage.web import server as module
from issuer.statuspage.web.live import MOST_VIEWERS
from issuer.statuspage.web.server import ASSETS, HEADERS
from tests.unit.statuspage.facts import Facts, issuer, opened
from tests.unit.statuspage.serving import (
    events,
    get,
    serving,
)


async def test_the_page_is_complete_without_a_script() -> None:
    async with serving(Facts(open=[opened("web", reason="no policy applies")])) as url:
        status, text, headers = await get(f"{url}/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    for told in (
        "Requests wait",
        "team-a/web",
        "no policy applies",
        "VaultClusterIssuer",
        "pki_int/sign/lab",
    ):
        assert told in text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/?state=denied&q=%00%ff&page=x", 200),
        ("/static/status.css", 200),
        ("/static/none", 404),
        ("/static/..%2f..%2fserver.py", 404),
        ("/nowhere", 404),
        ("/login", 404),
    ],
)
async def test_every_answer_has_safe_headers(path: str, status: int) -> None:
    async with serving() as url:
        found, _, headers = await get(f"{url}{path}")
    assert found == status
    assert {name: headers[name] for name in HEADERS} == dict(HEADERS)
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "aiohttp" not in str(headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/events", "/static/status.js"])
async def test_it_is_read_only(method: str, path: str) -> None:
    async with serving() as url:
        status, _, headers = await get(f"{url}{path}", method=method)
    assert status == 405
    assert "GET" in headers["Allow"]
    assert headers["X-Frame-Options"] == "DENY"


async def test_head_answers_without_a_body_and_never_begins_a_stream() -> None:
    async with serving() as url:
        status, text, _ = await get(f"{url}/", method="HEAD")
        assert (status, text) == (200, "")
        assert (await get(f"{url}/events", method="HEAD"))[0] == 405


@pytest.mark.parametrize("name", ASSETS)
async def test_assets_are_its_own_and_of_the_right_type(name: str) -> None:
    async with serving() as url:
        _, text, headers = await get(f"{url}/static/{name}")
    assert headers["Content-Type"].startswith(ASSETS[name])
    assert not any(
        word in text.replace("http://www.w3.org/2000/svg", "") for word in ("http://", "https://", "@import")
    )


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9403", "10.0.0.1"])
async def test_a_name_that_somebody_leads_to_loopback_is_refused(host: str) -> None:
    async with serving() as url:
        for path in ("/", "/events", "/static/status.js"):
            status, text, _ = await get(f"{url}{path}", headers={"Host": host})
            assert status == 403
            assert "All is well" not in text
        assert (await get(f"{url}/", headers={"Host": "localhost:1234"}))[0] == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_site_can_link_to_the_page_and_no_more(site: str) -> None:
    async with serving() as url:
        asked = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "cors"}
        assert (await get(f"{url}/", headers=asked))[0] == 403
        assert (await get(f"{url}/events", headers=asked))[0] == 403
        followed = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
        assert (await get(f"{url}/", headers=followed))[0] == 200


async def test_changes_come_as_events() -> None:
    facts = Facts()
    async with serving(facts) as url, aiohttp.ClientSession() as session, session.get(f"{url}/events") as got:
        assert got.headers["Content-Type"].startswith("text/event-stream")
        assert got.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
        messages = events(got.content)
        first = await anext(messages)
        assert {"verdict", "requests", "issuers"} <= set(first["parts"])
        facts.known = [issuer("broken", ready=False)]
        second = await anext(messages)
        assert set(second["parts"]) == {"verdict", "issuers"}
        assert second["at"] == "2026-11-25T02:00:00Z"


async def test_a_stream_that_nobody_reads_any_more_gives_its_place_back() -> None:
    facts = Facts()
    async with serving(facts) as url:
        async with aiohttp.ClientSession() as session:
            answers = [await session.get(f"{url}/events") for _ in range(MOST_VIEWERS)]
            refused = await session.get(f"{url}/events")
            assert (refused.status, refused.headers["Retry-After"]) == (503, "10")
            for one in answers:
                one.close()
        for number in range(100):
            facts.known = [issuer(f"news-{number}")]  # writing to it is how a lost connection is noticed
            async with aiohttp.ClientSession() as session, session.get(f"{url}/events") as again:
                if again.status == 200:
                    return
            await asyncio.sleep(0.05)
    raise AssertionError("no place came free")


async def test_a_stream_ends_by_itself_and_the_browser_begins_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STREAM_LASTS", 0.0)
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)
    async with serving() as url, aiohttp.ClientSession() as session, session.get(f"{url}/events") as got:
        text = await got.text()
    assert text.startswith("retry: ")
    assert text.count("data: ") == 1


async def test_the_server_ends_at_once_though_streams_are_open() -> None:
    async with aiohttp.ClientSession() as session:
        async with serving() as url:
            got = await session.get(f"{url}/events")
            await anext(events(got.content))
        async for _ in events(got.content):
            raise AssertionError("nothing comes any more")
