"""The page elsewhere than on loopback: logins, sessions, and streams that end with them."""

from __future__ import annotations

import asyncio
import io
import logging
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from issuer.serving.tls import ServingCertificate
from issuer.statuspage.web import server as module
from issuer.statuspage.web.live import Broadcaster
from issuer.statuspage.web.server import StatusServer
from issuer.statuspage.web.sessions import COOKIE
from testbed.certs import write_server
from testbed.processes import free_port
from tests.unit.statuspage.facts import Facts
from tests.unit.statuspage.serving import (
    HTML,
    TOKEN,
    Exposed,
    events,
    exposed,
    login,
    watching,
)


async def test_elsewhere_than_on_loopback_it_wants_tls_and_a_door() -> None:
    page = StatusServer(Broadcaster(Facts()))
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


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What comes through Python's own loggers, as aiohttp's does."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logging.getLogger().addHandler(handler)
    yield text
    logging.getLogger().removeHandler(handler)


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
    tmp_path: Path, head: bytes, body: bytes, status: int, logged: io.StringIO
) -> None:
    async with exposed(tmp_path) as one:
        url = urlsplit(one.url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=one.context)
        more = f"\r\nHost: {url.netloc}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head + more.encode() + body)
        answer = await reader.read()
        writer.close()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert "Traceback" not in logged.getvalue()


async def test_a_right_that_is_taken_away_ends_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.1)
    monkeypatch.setattr("issuer.serving.auth.BELIEVED", 0.0)
    async with exposed(tmp_path) as one:
        async with watching(one) as messages:
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
    async with exposed(tmp_path) as one, watching(one) as messages:
        await logout(one)
        async for _ in messages:
            pass


async def test_a_scripts_stream_ends_with_its_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.1)
    monkeypatch.setattr("issuer.serving.auth.BELIEVED", 0.0)
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
    monkeypatch.setattr("issuer.serving.auth.BELIEVED", 0.0)
    monkeypatch.setattr("issuer.serving.auth._A_SECOND", 1000.0)
    async with exposed(tmp_path) as one, watching(one) as messages:
        one.reviewer.away = True
        for _ in range(3):
            await anext(messages)
        monkeypatch.setattr(module, "UNREVIEWED", 0.0)
        async for _ in messages:
            pass


async def test_a_stream_goes_on_while_there_are_too_many_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)
    monkeypatch.setattr("issuer.serving.auth.BELIEVED", 0.0)
    async with exposed(tmp_path) as one, watching(one) as messages:
        monkeypatch.setattr("issuer.bounded.TokenBucket.take", lambda _self: False)
        async with one.session.get(one.url) as page:
            assert page.status == 429
        for _ in range(3):
            await anext(messages)


async def test_a_renewed_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    files = write_server(tmp_path, "tls")
    certificate = ServingCertificate(files.cert, files.key)
    assert not certificate.look()
    write_server(tmp_path, "tls")
    assert certificate.look()
    files.cert.write_text("not a certificate")
    assert not certificate.look()
    write_server(tmp_path, "tls")
    assert certificate.look()


def served(certificate: ServingCertificate) -> bytes:
    """The certificate that a client without a server name is shown, as DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(one, other)
    server = certificate.context.wrap_bio(other, one, server_side=True)
    for side in (client, server, client, server):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return client.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize("half", ["cert", "key"])
def test_a_pair_that_is_half_written_leaves_the_old_one_in_use(tmp_path: Path, half: str) -> None:
    files = write_server(tmp_path, "tls")
    certificate = ServingCertificate(files.cert, files.key)
    old = served(certificate)
    (tmp_path / "new").mkdir()
    new = write_server(tmp_path / "new", "tls")
    order = [("cert", "key"), ("key", "cert")][half == "key"]
    for number, name in enumerate(order, 1):
        getattr(files, name).write_bytes(getattr(new, name).read_bytes())
        assert certificate.look() == (number == 2)
        assert (served(certificate) == old) == (number == 1)


def test_files_that_are_no_certificate_are_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"tls\.crt"):
        ServingCertificate(tmp_path / "tls.crt", tmp_path / "tls.key")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_text("nonsense")
    with pytest.raises(OSError, match="no certificate with its key"):
        ServingCertificate(tmp_path / "tls.crt", tmp_path / "tls.key")
