"""Connections to an API server: credentials that are loaded again as they age, and errors translated."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import structlog
from multidict import CIMultiDict
from yarl import URL

from issuer.kube.auth.credentials import Access, AccessSource
from issuer.kube.errors import ConfigError, KubeError, Unauthorized, Unavailable
from issuer.kube.wire import keepalive_socket, read_error, unreachable
from issuer.late_roots import aiohttp

JSON: Final = "application/json"
_RELOAD_GAP: Final = 5.0
"""Seconds between two loads of refused credentials: an exec plugin is a process each time."""
_log = structlog.get_logger(__name__)


class ApiSession:
    """A pool of connections to one API server, and the credentials of each call."""

    def __init__(
        self, source: AccessSource, access: Access, *, timeout: float, connections: int, user_agent: str
    ) -> None:
        self._source = source
        self._access = access
        self._loaded = time.monotonic()
        self._last_refusal = -_RELOAD_GAP
        self._loading = asyncio.Lock()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections, keepalive_timeout=75, socket_factory=keepalive_socket
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Compressed lists cost both sides more CPU than a cluster's network does, and could hide their
            # size.
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": user_agent},
            auto_decompress=False,
            read_bufsize=1 << 18,
        )
        self.timeout = aiohttp.ClientTimeout(total=timeout, connect=min(10.0, timeout))

    @property
    def server(self) -> str:
        """The API server's base URL."""
        return self._access.server

    async def close(self) -> None:
        """Close all connections; answers that are being read end with Unavailable."""
        await self._session.close()

    async def refusal_of(self, token: str, method: str, url: str, data: bytes) -> KubeError | None:
        """Send one call with `token` as the only credential; return the refusal, or None.

        Raises Unavailable if there is no answer.
        """
        access = await self._current()
        bearer = replace(access, authorization=f"Bearer {token}", tls=access.anonymous_tls, impersonate=())
        try:
            response = await self._request(bearer, method, url, data, self.timeout, JSON)
            try:
                return None if response.status < 300 else await read_error(response, what(method, url))
            finally:
                response.release()
        except (aiohttp.ClientError, TimeoutError, OSError) as failed:
            raise unreachable(what(method, url), failed) from failed

    @asynccontextmanager
    async def response(
        self,
        method: str,
        url: str,
        data: bytes | None,
        limits: aiohttp.ClientTimeout,
        content_type: str = JSON,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a call and yield its 2xx answer. Raises KubeError, also for errors while it is read."""
        try:
            response = await self._send(method, url, data, limits, content_type)
            try:
                yield response
            finally:
                response.release()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(what(method, url), error) from error
        except RuntimeError as error:
            if not self._session.closed:
                raise
            raise Unavailable(f"{what(method, url)}: this client is closed") from error

    async def _send(
        self, method: str, url: str, data: bytes | None, limits: aiohttp.ClientTimeout, content_type: str
    ) -> aiohttp.ClientResponse:
        access = await self._current()
        for attempt in (1, 2):
            response = await self._request(access, method, url, data, limits, content_type)
            if response.status < 300:
                return response
            try:
                error = await read_error(response, what(method, url))
            finally:
                response.release()
            if attempt == 2 or not isinstance(error, Unauthorized):
                raise error
            renewed = await self._renewed(access)
            if renewed is access:
                raise error
            access = renewed
        raise AssertionError("unreachable")

    async def _request(
        self,
        access: Access,
        method: str,
        url: str,
        data: bytes | None,
        limits: aiohttp.ClientTimeout,
        content_type: str,
    ) -> aiohttp.ClientResponse:
        return await self._session.request(
            method,
            URL(access.server + url, encoded=True),
            data=data,
            headers=_headers(access, data, content_type),
            timeout=limits,
            allow_redirects=False,
            ssl=access.tls if access.tls is not None else True,
            server_hostname=access.tls_server_name,
            proxy=access.proxy,
        )

    async def _current(self) -> Access:
        """Return the access, loaded again when due; if that fails, the old one, which may be good still."""
        access = self._access
        if access.good_for is None or time.monotonic() - self._loaded < access.good_for:
            return access
        async with self._loading:
            if self._access is access and time.monotonic() - self._loaded >= access.good_for:
                try:
                    self._access = await self._source.load()
                except ConfigError as error:
                    _log.warning("credentials not reloaded", error=error.message)
                self._loaded = time.monotonic()
        return self._access

    async def _renewed(self, refused: Access) -> Access:
        """Return the access to try after `refused` got a 401; `refused` itself if nothing better is found."""
        async with self._loading:
            if self._access is not refused or time.monotonic() - self._last_refusal < _RELOAD_GAP:
                return self._access
            self._last_refusal = self._loaded = time.monotonic()
            try:
                loaded = await self._source.load()
            except ConfigError as error:
                _log.warning("credentials not reloaded", error=error.message)
                return refused
            if (loaded.authorization, loaded.tls) == (refused.authorization, refused.tls):
                return refused
            self._access = loaded
            return loaded


def _headers(access: Access, data: bytes | None, content_type: str) -> Mapping[str, str]:
    headers = {"Content-Type": content_type} if data is not None else {}
    if access.authorization is not None:
        headers["Authorization"] = access.authorization
    if not access.impersonate:
        return headers
    return CIMultiDict([*headers.items(), *access.impersonate])  # one header for each group


def what(method: str, url: str) -> str:
    """Return the call as error messages name it: method and path, without the query."""
    return f"{method} {url.partition('?')[0]}"
