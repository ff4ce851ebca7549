"""HTTP for the status page: a handful of paths, read-only but for logging in and out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

import orjson
import structlog
from aiohttp import web

from issuer.kube.identity import User
from issuer.serving.auth import Authenticator, Refused
from issuer.serving.listener import PATIENCE, Listener
from issuer.serving.tls import ServingCertificate
from issuer.statuspage.model import Query
from issuer.statuspage.page import document, login
from issuer.statuspage.web.hosts import names_loopback
from issuer.statuspage.web.live import Broadcaster, TooManyViewers
from issuer.statuspage.web.sessions import COOKIE, Sessions
from issuer.telemetry.address import is_loopback, parse_address
from issuer.text import rfc3339

log = structlog.get_logger(__name__)

PATH: Final = "/vault-issuer/status"
"""The path that a ClusterRole's nonResourceURLs must name for those who may see the page."""

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "vault-issuer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
ASSETS: Final[Mapping[str, str]] = {
    "status.css": "text/css",
    "status.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
HEARTBEAT: Final = 15.0
"""Seconds of silence after which a stream says that it lives."""

STREAM_LASTS: Final = 600.0
"""Seconds after which a stream ends, and the browser begins another."""

UNREVIEWED: Final = 30.0
"""Seconds a stream goes on though the API server can't say whether it may."""

_STALLED = 30.0  # seconds a browser may take for one message
_IDLE = 15.0  # seconds a connection is kept for its next request
_LARGEST_FORM = 64 * 1024  # some identity providers' tokens are long
_FORM = "application/x-www-form-urlencoded"
_user: ContextVar[User | None] = ContextVar("user", default=None)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StatusServer:
    """Serves the page at `host:port`; addresses beyond loopback need a certificate and an authenticator."""

    def __init__(
        self,
        live: Broadcaster,
        authenticator: Authenticator | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._live = live
        self._authenticator = authenticator
        self._now = now
        self.sessions = Sessions()
        static = files("issuer.statuspage") / "static"
        self._assets = {name: (static / name).read_bytes() for name in ASSETS}
        self._runner: web.AppRunner | None = None
        self._listener: Listener | None = None

    async def start(self, address: str, certificate: ServingCertificate | None = None) -> None:
        """Listen. Raises OSError if the port is taken, ValueError if the address needs TLS and a login."""
        host, port = parse_address(address)
        if not is_loopback(host) and (certificate is None or self._authenticator is None):
            raise ValueError(f"{address} is not loopback: the page needs TLS and a login there")
        self._runner = web.AppRunner(
            self._app(), access_log=None, shutdown_timeout=2.0, keepalive_timeout=_IDLE
        )
        await self._runner.setup()
        if certificate is None:
            await web.TCPSite(self._runner, host, port).start()
        else:
            self._listener = Listener(self._runner, certificate)
            await self._listener.start(host, port)
        log.info("status page", address=address, login=self._authenticator is not None)

    async def close(self) -> None:
        """End every stream and stop listening."""
        await self._live.close()
        if self._listener is not None:
            await self._listener.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._check_access], client_max_size=_LARGEST_FORM)
        app.on_response_prepare.append(_add_headers)
        app.router.add_get("/", self._page)
        app.router.add_get("/events", self._events, allow_head=False)
        app.router.add_get("/static/{name}", self._asset)
        if self._authenticator is not None:
            app.router.add_post("/login", self._login)
            app.router.add_post("/logout", self._logout)
        return app

    # Who may ------------------------------------------------------------------

    @web.middleware
    async def _check_access(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Authenticate and authorize a request before its handler runs."""
        if self._listener is not None:
            self._listener.asked(request.protocol)
        try:
            if _from_elsewhere(request):
                raise Refused(403, "This was asked for by another site.")
            if self._authenticator is None:
                _check_host(request)
            elif request.match_info.handler not in (self._login, self._asset):
                _user.set(await self._authenticate(self._authenticator, request))
            return await handler(request)
        except Refused as refused:
            return self._refuse(request, refused)
        except TooManyViewers:
            return _text(503, "As many watch this page as may. Try again later.", {"Retry-After": "10"})
        except web.HTTPException as error:
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            return _text(error.status, error.reason, allow)

    async def _authenticate(self, authenticator: Authenticator, request: web.Request) -> User:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() == "bearer" and token.strip():
            return await authenticator.authenticate(token.strip())
        user = self.sessions.find(request.cookies.get(COOKIE, ""))
        if user is None:
            raise Refused(401, "")
        if not await authenticator.authorize(user):
            raise Refused(403, f"{user.name} may not see this page any more.")
        return user

    def _refuse(self, request: web.Request, refused: Refused) -> web.StreamResponse:
        message = str(refused)
        headers = {"WWW-Authenticate": 'Bearer realm="vault-issuer status"'} if refused.status == 401 else {}
        if self._authenticator is not None and request.path in ("/", "/login") and _wants_html(request):
            return _html(login(message), refused.status, headers)
        return _text(refused.status, message or "A bearer token is needed.", headers)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if self._authenticator is None:
            raise AssertionError("this path exists only with an authenticator")
        if request.content_type != _FORM:
            raise web.HTTPUnsupportedMediaType
        token = str((await _form(request)).get("token", "")).strip()
        if not token:
            raise Refused(401, "There is no token in the form.")
        user = await self._authenticator.authenticate(token)
        cookie, lasts = self.sessions.begin(user, token)
        log.info("status page: login", user=user.name)
        return _back(cookie, lasts)

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        self.sessions.end(request.cookies.get(COOKIE, ""))
        return _back("", 0)

    # What there is --------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.StreamResponse:
        query = Query.of(request.query)
        parts = await self._live.look(query)
        user = _user.get()
        return _html(document(parts, query, self._now(), None if user is None else user.name))

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        body = self._assets.get(name)
        if body is None:
            return _text(404, "There is no such file.")
        return web.Response(body=body, content_type=ASSETS[name], charset="utf-8")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Send server-sent events (html.spec.whatwg.org): the sections that changed, by their id."""
        clock = asyncio.get_running_loop().time
        async with aclosing(self._live.watch(Query.of(request.query), HEARTBEAT)) as changes:
            first = await anext(changes, None)  # raises TooManyViewers before anything is sent
            stream = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
            await stream.prepare(request)
            ends = clock() + STREAM_LASTS
            access = _StreamAccess(lambda: self._authorize_stream(request))
            with suppress(ConnectionError, TimeoutError):
                await _send(stream, b"retry: 1000\n\n" + self._message(first or {}))
                async for changed in changes:
                    if clock() > ends or not await access.still_allowed():
                        break
                    await _send(stream, self._message(changed))
        return stream

    async def _authorize_stream(self, request: web.Request) -> None:
        """Check a stream's session or token, and its user's right, again. Raises Refused."""
        if self._authenticator is not None:
            await self._authenticate(self._authenticator, request)

    def _message(self, changed: Mapping[str, str]) -> bytes:
        at = rfc3339(self._now())
        return b"data: " + orjson.dumps({"at": at, "parts": dict(changed)}) + b"\n\n"


class _StreamAccess:
    """A stream's right to go on, until a refusal, or until nobody could answer for a while.

    Too many questions at once (429) are no answer about this user.
    """

    def __init__(self, ask: Callable[[], Awaitable[None]]) -> None:
        self._ask = ask
        self._unreviewed_since: float | None = None

    async def still_allowed(self) -> bool:
        """Check again; return False if the stream has to end."""
        now = asyncio.get_running_loop().time()
        try:
            await self._ask()
        except Refused as refused:
            if refused.status != 503:
                return refused.status == 429
            if self._unreviewed_since is None:
                self._unreviewed_since = now
            return now - self._unreviewed_since < UNREVIEWED
        self._unreviewed_since = None
        return True


async def _add_headers(_request: web.Request, answer: web.StreamResponse) -> None:
    """Add the security headers to any response, errors included."""
    answer.headers.update(HEADERS)


def _from_elsewhere(request: web.Request) -> bool:
    """Return True if a browser says that another site sends the request; links to the page are fine.

    Source: Fetch metadata, w3c.github.io/webappsec-fetch-metadata. Browsers without it send Origin with a
    form, which is "null" for our own page, as it sends no referrer.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is None:
        origin = request.headers.get("Origin", "null")
        return origin != "null" and _netloc(origin) != request.host.casefold()
    follows_a_link = request.method in ("GET", "HEAD") and request.headers.get("Sec-Fetch-Mode") == "navigate"
    return site not in ("none", "same-origin") and not follows_a_link


def _netloc(origin: str) -> str:
    """Return host and port of a URL; "" if it is none."""
    try:
        return urlsplit(origin).netloc.casefold()
    except ValueError:
        return ""


async def _form(request: web.Request) -> Mapping[str, object]:
    try:
        async with asyncio.timeout(PATIENCE):
            return await request.post()
    except TimeoutError as error:
        raise Refused(408, "The form didn't come in time.") from error
    except (ValueError, LookupError) as error:  # its bytes, or an encoding that is none
        raise Refused(400, "The form can't be read: it must be UTF-8.") from error


def _check_host(request: web.Request) -> None:
    if not names_loopback(request.headers.get("Host", "")):
        raise Refused(403, "This page answers to localhost alone.")


def _wants_html(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")


async def _send(stream: web.StreamResponse, message: bytes) -> None:
    async with asyncio.timeout(_STALLED):
        await stream.write(message)


def _back(cookie: str, lasts: int) -> web.Response:
    """Redirect to the page with that cookie; 0 seconds delete it."""
    answer = web.Response(status=303, headers={"Location": "./"})
    answer.set_cookie(COOKIE, cookie, max_age=lasts, path="/", secure=True, httponly=True, samesite="Strict")
    return answer


def _html(html: str, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(text=html, content_type="text/html", status=status, headers=headers)


def _text(status: int, text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(text=f"{text}\n", status=status, headers=headers)
