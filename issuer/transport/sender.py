"""Calls over HTTP to one server, each sent once: bounded, verified by TLS, to allowed addresses only."""

from __future__ import annotations

import ipaddress
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime

import structlog
from yarl import URL

from issuer.answer_timeout import answer_timeout
from issuer.late_roots import aiohttp
from issuer.servers.hosts import shown
from issuer.servers.lookup import refusal
from issuer.transport.connection import ServerConnection
from issuer.transport.errors import (
    CallError,
    InvalidConnection,
    ServerNotAllowed,
    TLSFault,
    UnexpectedAnswer,
    Unreachable,
    UntrustedTLS,
)
from issuer.transport.failures import Answer, error_from_exception, terse_error, tls_cause
from issuer.transport.peers import Peers, Response, not_allowed
from issuer.transport.sending import Ask, AskingConnector, asking
from issuer.transport.shown_names import is_name_mismatch, shown_names

log = structlog.get_logger(__name__)

_CONNECT_TIMEOUT_SECONDS = 10.0
_CONNECTIONS = 64
_MAX_REDIRECTS = 2


class Sender:
    """One aiohttp session for one Connection, opened at the first call (it needs a running loop)."""

    def __init__(
        self,
        connection: ServerConnection,
        peer: str = "",
        *,
        direct: bool = False,
        shown: set[str] | None = None,
    ) -> None:
        """Prepare a session.

        `peer` names the server in messages, if it isn't the product of the connection; `direct` means never
        through a proxy. `shown` is shared with another sender to that server. Raises InvalidConnection.
        """
        self._connection = connection
        self._peer = peer or connection.words.product
        self._base = connection.url()
        self._tls = connection.tls()
        self._tls_name = connection.tls_name
        # Read once: aiohttp's trust_env looks them up at each call, which costs more than the call itself.
        self._proxy = None if direct else _proxy_of(connection, self._base)
        self._peers = Peers(
            connection.reach,
            self._base,
            proxied=self._proxy is not None,
            words=connection.words.issuers,
            shown=shown,
        )
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        before: Ask | None = None,
    ) -> Answer:
        """Send one request and read its whole answer; never repeats it. `path` is absolute and already
        escaped.

        `before` is called when it is connected, before the first byte; what it raises passes through.

        Raises ServerNotAllowed, Unreachable, UntrustedTLS or UnexpectedAnswer; HTTP errors are answers.
        """
        where = f"{method} {path}"
        url = URL(f"{str(self._base).rstrip('/')}/{path.lstrip('/')}", encoded=True)
        self._peers.check(url)
        for _ in range(_MAX_REDIRECTS + 1):
            try:
                answer = await self._send_in_time(method, url, headers, body, where, before)
            except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
                raise await self._explained(url, where, error) from error
            except UnicodeError as error:  # of the resolver or TLS, over a name that `hosts` let through
                raise InvalidConnection(f"The host name of {self._peer} can't be looked up") from error
            if not 300 <= answer.status < 400:
                return answer
            url = self._follow(method, url, answer, where)
        raise UnexpectedAnswer(
            f"{where} was redirected more than {_MAX_REDIRECTS} times", status=answer.status
        )

    async def _send_in_time(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        where: str,
        before: Ask | None,
    ) -> Answer:
        """Send one request; raises ConnectionTimeoutError where the time ended before anything was sent."""
        with asking(before) as sending:
            try:
                async with answer_timeout(self._connection.timeout):
                    return await self._send_once(method, url, headers, body, where)
            except TimeoutError as error:
                if sending.begun:
                    raise
                raise aiohttp.ConnectionTimeoutError from error

    async def _send_once(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, where: str
    ) -> Answer:
        async with self._open().request(
            method,
            url,
            headers=headers,
            data=body,
            allow_redirects=False,
            proxy=self._proxy,
            server_hostname=self._tls_name if url.scheme == "https" else None,
        ) as response:
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > self._connection.most_bytes:
                    raise UnexpectedAnswer(
                        f"The answer to {where} is larger than {self._connection.most_bytes} bytes",
                        status=response.status,
                    )
            server = self._peers.of(url, response.peer) if isinstance(response, Response) else ""
            shown = self._peers.has_shown(server)
            return Answer(response.status, response.headers, bytes(content), server, shown)

    async def _explained(self, url: URL, where: str, error: Exception) -> CallError:
        """Return the error for an exception, with the names of a certificate that hasn't the server's, and
        what has expired in the CA bundle."""
        found = self._failed(url, where, error)
        if isinstance(found, UntrustedTLS) and found.fault is TLSFault.ENDED:
            ended = self._connection.ended_cas(datetime.now(UTC))
            return UntrustedTLS(found.message, fault=found.fault, ended=ended)
        names = await self.tls_names(url) if is_name_mismatch(tls_cause(error)) else ()
        return UntrustedTLS(f"{str(found).rstrip('.')}, but for {', '.join(names)}") if names else found

    async def tls_names(self, url: URL | None = None) -> tuple[str, ...]:
        """Return the names in the certificate that the server shows, whatever it is addressed by.

        None behind a proxy, for issuers that may not learn who answers, and where no chain is trusted.
        """
        if self._proxy is not None or self._peers.terse or self._tls is None:
            return ()
        context, sockets = self._connection.tls_for_any_name(), self._peers.socket_factory()
        return await shown_names(url or self._base, self._tls_name, context, sockets)

    def _failed(self, url: URL, where: str, error: Exception) -> CallError:
        # Behind a proxy nothing but the proxy's own name is looked up here.
        proxy = self._proxy is not None and isinstance(error, aiohttp.ClientConnectorDNSError)
        found = error_from_exception(where, error, f"the proxy to {self._peer}" if proxy else self._peer)
        if isinstance(found, ServerNotAllowed):
            return not_allowed(url.raw_host or "", url.port or 0, str(found))
        if not self._peers.terse:
            return found
        log.debug("no answer", server=str(url.origin()), why=str(found))
        return terse_error(where, error, self._peer)

    @property
    def shown(self) -> set[str]:
        """The servers that have shown a CA chain."""
        return self._peers.shown

    def show(self, answer: Answer, pem: str) -> None:
        """Note the sender of `answer` as a CA's if `pem`, which was read from it, holds a CA chain."""
        self._peers.show(answer.server, pem)

    def _follow(self, method: str, url: URL, answer: Answer, where: str) -> URL:
        """Return the URL of a redirect that may be followed: a standby's, to the unchanged path of that host
        by TLS.

        So no token leaves the host, and nothing else is requested. Another port of the host may be another
        server: it must be on the operator's list.
        """
        kept = answer.status in (307, 308) or (method == "GET" and answer.status in (301, 302))
        try:
            target = url.join(URL(answer.headers.get("Location", "")))
        except ValueError as error:
            raise UnexpectedAnswer(f"{where} was redirected to no valid URL", status=answer.status) from error
        port = target.port or 0
        same = target.scheme == "https" and target.raw_host == url.raw_host and _asked(target) == _asked(url)
        ours = port == url.port or self._peers.may_redirect_to(port)
        if not (kept and same and ours) or (target.scheme, port) == (url.scheme, url.port):
            raise UnexpectedAnswer(self._not_followed(where, target, answer), status=answer.status)
        # Of the answer nothing but scheme and port is taken.
        return url.with_scheme("https").with_port(target.port)

    def _not_followed(self, where: str, target: URL, answer: Answer) -> str:
        # Where some server of a network redirects to isn't for a namespace to read.
        if self._peers.restricted:
            said = f"{where} was redirected ({answer.status})"
        else:
            elsewhere = shown(f"{target.scheme}://{target.raw_host}:{target.port}")
            said = f"{where} was redirected to {elsewhere}"
        return (
            f"{said}, which is not followed: set the issuer's {self._connection.words.issuers.field} to the "
            "address that answers itself. Only the same path of the same host is followed, by https, and "
            "another port if it is listed in --allowed-servers"
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise Unreachable(f"The client of {self._peer} was closed before the call", sent=False)
        if self._session is None:
            total = self._connection.timeout
            self._session = aiohttp.ClientSession(
                connector=AskingConnector(
                    limit=_CONNECTIONS, ssl=self._tls or True, socket_factory=self._peers.socket_factory()
                ),
                response_class=Response,
                # The whole call's bound is `answer_timeout`.
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=min(total, _CONNECT_TIMEOUT_SECONDS), sock_read=None
                ),
                headers={"Accept-Encoding": "identity"},
                auto_decompress=False,  # so that the size limit counts what is held in memory
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        """Close every connection; calls after this raise Unreachable."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def check_server(connection: ServerConnection) -> None:
    """Raise ServerNotAllowed if the connection's server may not be used, before anything is sent to it.

    Raises InvalidConnection, too. A name that can't be looked up now passes: dialling it fails.
    """
    url, reach = connection.url(), connection.reach
    host, port = url.raw_host or "", url.port or 0
    if reach.restricted:
        proxied = _proxy_of(connection, url) is not None
        problem = await refusal(reach.allowed, host, port, proxied=proxied, timeout=connection.timeout)
        if problem is not None:
            raise not_allowed(host, port, problem.text(connection.words.issuers))


def _asked(url: URL) -> tuple[str, str]:
    """Return path and query for comparison: equally escaped, whoever wrote them."""
    again = URL(str(url))
    return again.raw_path, again.raw_query_string


def proxy_for(url: URL) -> URL | None:
    """Return the proxy that HTTP(S)_PROXY and NO_PROXY (names, suffixes, addresses,
    networks) name, or None."""
    proxies = urllib.request.getproxies_environment()
    proxy = proxies.get(url.scheme)
    host = url.raw_host or ""
    if not proxy or urllib.request.proxy_bypass(f"{host}:{url.port}"):
        return None
    if urllib.request.proxy_bypass(host) or _in_networks(host, proxies.get("no", "")):
        return None
    return proxy_url(proxy, f"The {url.scheme.upper()}_PROXY of this process")


def _proxy_of(connection: ServerConnection, url: URL) -> URL | None:
    """Return the connection's own proxy, or the one that the environment names for the URL."""
    return proxy_url(connection.proxy, "The proxy's address") if connection.proxy else proxy_for(url)


def proxy_url(text: str, what: str) -> URL:
    """Return a proxy's URL, http where it names no scheme. Raises InvalidConnection about `what`."""
    try:
        found = URL(text if "://" in text else f"http://{text}")
    except ValueError as error:
        raise _no_proxy(what) from error
    if found.scheme not in ("http", "https"):
        raise _no_proxy(what)
    return found


def _no_proxy(what: str) -> InvalidConnection:
    return InvalidConnection(f"{what} is no http proxy's URL, such as http://proxy:3128")


def _in_networks(host: str, no_proxy: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in no_proxy.split(","):
        try:
            if address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:  # a name, matched by urllib above
            continue
    return False
