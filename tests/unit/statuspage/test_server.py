"""The page over HTTP: read-only, safe headers on every answer, and the door before everything."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from issuer.kube.errors import Unavailable
from issuer.kube.identity import User
from issuer.statuspage import server as module
from issuer.statuspage.door import Door
from issuer.statuspage.live import MOST_VIEWERS, Live
from issuer.statuspage.server import ASSETS, HEADERS, StatusServer
from issuer.statuspage.sessions import COOKIE
from issuer.statuspage.tls import Certificate
from testbed.certs import write_server
from testbed.processes import free_port
from tests.unit.statuspage.facts import NOW, Facts, issuer, opened

JANE = User("jane")
TOKEN = "jane-s-token"


class Reviewer:
    """Knows jane, who may look until a test says otherwise; ``away`` as an API server may be."""

    allowed = True
    known = True
    away = False

    async def user(self, token: str) -> User | None:
        return JANE if self.known and token == TOKEN else None

    async def may_look(self, _user: User) -> bool:
        if self.away:
            raise Unavailable("POST subjectaccessreviews: connection refused")
        return self.allowed


@asynccontextmanager
async def serving(facts: Facts | None = None) -> AsyncIterator[str]:
    """The page on loopback; its address."""
    page = StatusServer(Live(facts or Facts(), now=lambda: NOW, every=0.02), now=lambda: NOW)
    port = free_port()
    await page.start(f"127.0.0.1:{port}")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await page.close()


@dataclass
class Exposed:
    """The page with TLS and a door."""

    url: str
    reviewer: Reviewer
    session: aiohttp.ClientSession
    context: ssl.SSLContext


@asynccontextmanager
async def exposed(directory: Path) -> AsyncIterator[Exposed]:
    """Everybody's address, with a browser's cookies."""
    files = write_server(directory, "tls")
    reviewer = Reviewer()
    page = StatusServer(Live(Facts(), now=lambda: NOW, every=0.02), Door(reviewer), now=lambda: NOW)
    port = free_port()
    await page.start(f":{port}", Certificate(files.cert, files.key))
    context = ssl.create_default_context(cafile=str(files.ca))
    jar = aiohttp.CookieJar(unsafe=True)  # the address has no name
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=jar) as session:
        try:
            yield Exposed(f"https://127.0.0.1:{port}", reviewer, session, context)
        finally:
            await page.close()


HTML = {"Accept": "text/html"}


async def get(url: str, **options: Any) -> tuple[int, str, Any]:
    """Status, text and headers of an answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(options.pop("method", "GET"), url, **options) as got,
    ):
        return got.status, await got.text(), got.headers


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


async def events(content: aiohttp.StreamReader) -> AsyncIterator[dict[str, Any]]:
    """The messages of a stream."""
    async for line in content:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


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


# With a door --------------------------------------------------------------------


async def test_elsewhere_than_on_loopback_it_wants_tls_and_a_door() -> None:
    page = StatusServer(Live(Facts()))
    with pytest.raises(ValueError, match="not loopback"):
        await page.start(f":{free_port()}")


async def test_without_a_token_there_is_nothing_but_the_form(tmp_path: Path) -> None:
    async with exposed(tmp_path) as one:
        for path in ("/", "/events", "/nowhere", "/?state=denied"):
            async with one.session.get(one.url + path, headers=HTML) as got:
                text = await got.text()
                assert got.status == 401
                assert got.headers["WWW-Authenticate"].startswith("Bearer")
                assert "vault.example.com" not in text
                assert ('type="password"' in text) is (path in ("/", "/?state=denied"))
        async with one.session.get(one.url + "/static/status.css") as got:
            assert got.status == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_a_bearer_token_is_enough_for_a_script(tmp_path: Path, scheme: str) -> None:
    async with exposed(tmp_path) as one:
        async with one.session.get(one.url, headers={"Authorization": f"{scheme} {TOKEN}"}) as got:
            assert got.status == 200
            assert "Set-Cookie" not in got.headers
        async with one.session.get(one.url, headers={"Authorization": f"{scheme} wrong"}) as got:
            assert got.status == 401
        async with one.session.get(one.url, headers={"Authorization": f"Basic {TOKEN}"}) as got:
            assert got.status == 401


async def login(one: Exposed, token: str = TOKEN, **headers: str) -> tuple[int, str, str]:
    """Status, cookie's header, and text."""
    async with one.session.post(
        f"{one.url}/login", data={"token": token}, headers={**HTML, **headers}, allow_redirects=False
    ) as got:
        return got.status, got.headers.get("Set-Cookie", ""), await got.text()


async def test_the_form_gives_a_session_that_scripts_and_other_sites_cannot_use(tmp_path: Path) -> None:
    async with exposed(tmp_path) as one:
        status, cookie, _ = await login(one)
        assert status == 303
        assert cookie.startswith(f"{COOKIE}=")
        for word in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/", "Max-Age="):
            assert word in cookie
        assert "Domain" not in cookie
        assert TOKEN not in cookie
        async with one.session.get(one.url) as got:
            assert got.status == 200
            assert "You are jane" in await got.text()


async def test_logging_out_ends_the_session(tmp_path: Path) -> None:
    async with exposed(tmp_path) as one:
        await login(one)
        old = {COOKIE: next(iter(one.session.cookie_jar)).value}
        async with one.session.post(f"{one.url}/logout", allow_redirects=False) as got:
            assert got.status == 303
        async with one.session.get(one.url, cookies=old) as got:
            assert got.status == 401


async def test_a_wrong_token_shows_the_form_again_and_why(tmp_path: Path) -> None:
    async with exposed(tmp_path) as one:
        status, cookie, text = await login(one, "wrong")
        assert (status, cookie) == (401, "")
        assert "doesn&#x27;t know this token" in text
        assert (await login(one, ""))[0] == 401
        one.reviewer.allowed = False
        status, cookie, text = await login(one)
        assert (status, cookie) == (403, "")
        assert "/vault-issuer/status" in text


async def test_another_site_cannot_send_the_form(tmp_path: Path) -> None:
    async with exposed(tmp_path) as one:
        assert (await login(one, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}))[0] == 403
        assert (await login(one, Origin="https://evil.example"))[0] == 403
        assert (await login(one, Origin=one.url))[0] == 303


async def test_forms_of_other_kinds_and_sizes_are_refused(tmp_path: Path) -> None:
    async with exposed(tmp_path) as one:
        async with one.session.post(f"{one.url}/login", json={"token": TOKEN}) as got:
            assert got.status == 415
        assert (await login(one, "x" * 100_000))[0] == 413


FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        (b"GET / HTTP/1.1\r\nAuthorization: Bearer \xff", b"", 401),
        (b"GET / HTTP/1.1\r\nCookie: " + COOKIE.encode() + b"=\xff", b"", 401),
        (b"GET / HTTP/1.1\r\nOrigin: http://[x", b"", 403),
        (b"GET / HTTP/1.1\r\nOrigin: \xff", b"", 403),
        (b"GET /events HTTP/1.1\r\nAccept: \xff", b"", 401),
        (b"GET /?q=%ff%ed%a0%80 HTTP/1.1\r\nAuthorization: Bearer " + TOKEN.encode(), b"", 200),
        (b"POST /login HTTP/1.1\r\n" + FORM.encode(), b"token=\xff", 400),
        (b"POST /login HTTP/1.1\r\n" + FORM.encode(), b"token=%ff", 401),
        (b"POST /login HTTP/1.1\r\n" + FORM.encode() + b"; charset=nope", b"token=x", 400),
        (b"POST /login HTTP/1.1\r\n" + FORM.encode() + b"; charset=a%00b", b"token=x", 400),
        (b"POST /logout HTTP/1.1\r\nCookie: " + COOKIE.encode() + b"=\xff", b"", 401),
    ],
)
async def test_odd_bytes_of_strangers_are_refused_and_break_nothing(
    tmp_path: Path, head: bytes, body: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with exposed(tmp_path) as one:
        url = urlsplit(one.url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=one.context)
        more = f"\r\nHost: {url.netloc}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head + more.encode() + body)
        answer = await reader.read()
        writer.close()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert "Traceback" not in caplog.text


async def test_a_right_that_is_taken_away_ends_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.1)
    monkeypatch.setattr("issuer.statuspage.door.BELIEVED", 0.0)
    async with exposed(tmp_path) as one:
        await login(one)
        async with one.session.get(f"{one.url}/events") as got:
            messages = events(got.content)
            await anext(messages)
            one.reviewer.allowed = False
            async for _ in messages:
                pass
        async with one.session.get(one.url, headers=HTML) as got:
            assert got.status == 403


async def logout(one: Exposed) -> None:
    """Log out, as another tab does."""
    async with one.session.post(f"{one.url}/logout", allow_redirects=False) as got:
        assert got.status == 303


async def test_logging_out_ends_the_streams_of_other_tabs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.1)
    async with exposed(tmp_path) as one:
        await login(one)
        async with one.session.get(f"{one.url}/events") as got:
            messages = events(got.content)
            await anext(messages)
            await logout(one)
            async for _ in messages:
                pass


async def test_a_scripts_stream_ends_with_its_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.1)
    monkeypatch.setattr("issuer.statuspage.door.BELIEVED", 0.0)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with exposed(tmp_path) as one, one.session.get(f"{one.url}/events", headers=bearer) as got:
        messages = events(got.content)
        await anext(messages)
        one.reviewer.known = False
        async for _ in messages:
            pass


async def test_a_stream_goes_on_through_short_troubles_of_the_api_server_and_ends_with_long_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)
    monkeypatch.setattr("issuer.statuspage.door.BELIEVED", 0.0)
    monkeypatch.setattr("issuer.statuspage.door._A_SECOND", 1000.0)
    async with exposed(tmp_path) as one:
        await login(one)
        async with one.session.get(f"{one.url}/events") as got:
            messages = events(got.content)
            await anext(messages)
            one.reviewer.away = True
            for _ in range(3):
                await anext(messages)
            monkeypatch.setattr(module, "UNSAID", 0.0)
            async for _ in messages:
                pass


async def test_a_stream_goes_on_while_there_are_too_many_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)
    monkeypatch.setattr("issuer.statuspage.door.BELIEVED", 0.0)
    async with exposed(tmp_path) as one:
        await login(one)
        async with one.session.get(f"{one.url}/events") as got:
            messages = events(got.content)
            await anext(messages)
            monkeypatch.setattr("issuer.statuspage.door.Budget.take", lambda _self: False)
            async with one.session.get(one.url) as page:
                assert page.status == 429
            for _ in range(3):
                await anext(messages)


async def test_a_renewed_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    files = write_server(tmp_path, "tls")
    certificate = Certificate(files.cert, files.key)
    assert not certificate.look()
    write_server(tmp_path, "tls")
    assert certificate.look()
    files.cert.write_text("not a certificate")
    assert not certificate.look()
    write_server(tmp_path, "tls")
    assert certificate.look()


def test_files_that_are_no_certificate_are_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"tls\.crt"):
        Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_text("nonsense")
    with pytest.raises(OSError, match="no certificate with its key"):
        Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")
