"""hvac's API classes on asyncio: an adapter whose `request` is a coroutine on one aiohttp session.

hvac's methods return whatever their adapter returns, so `await Pki(adapter).sign_certificate(...)` works.
Traps:

- methods that read the response themselves (`read_ca_certificate_chain`, `is_sealed`, Kubernetes' `read_*`,
  ...) break with a coroutine: use the adapter's `get` and `post` there;
- hvac writes into a caller's `extra_params`: pass a fresh dict to each call;
- hvac's `login` stores the token in the adapter: overridden, as tokens live in `tokens.TokenSource` only.
"""

from __future__ import annotations

import ipaddress
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import orjson
import structlog
from hvac.adapters import Adapter
from yarl import URL

from issuer.servers.hosts import shown
from issuer.servers.lookup import refusal
from issuer.vault.answers import MAX_ANSWER_BYTES
from issuer.vault.connection import Connection
from issuer.vault.errors import (
    InvalidConnection,
    ServerNotAllowed,
    UnexpectedAnswer,
    Unreachable,
    VaultError,
)
from issuer.vault.peers import WORDS, Peers, Response, not_allowed
from issuer.vault.sending import Ask, AskingConnector, asking
from issuer.vault.translate import VaultAnswer, error_from_answer, error_from_exception, terse_error

log = structlog.get_logger(__name__)

_CONNECT_TIMEOUT_SECONDS = 10.0
_CONNECTIONS = 64
_MAX_REDIRECTS = 2


class Sender:
    """One aiohttp session for one Connection, opened at the first call (it needs a running loop)."""

    # hvac.adapters.Adapter copies these from the `requests` session it expects; they mean nothing here.
    verify: None = None
    cert: None = None
    proxies: None = None

    def __init__(
        self,
        connection: Connection,
        peer: str = "Vault",
        *,
        direct: bool = False,
        shown: set[str] | None = None,
    ) -> None:
        """Prepare a session.

        `peer` names the server in messages; `direct` means never through a proxy. `shown` is shared with
        another sender to that server. Raises InvalidConnection.
        """
        self._connection = connection
        self._peer = peer
        self._base = connection.url()
        self._tls = connection.tls()
        self._tls_name = connection.tls_name
        # Read once: aiohttp's trust_env looks them up at each call, which costs more than the call itself.
        self._proxy = None if direct else proxy_for(self._base)
        self._peers = Peers(connection.reach, self._base, proxied=self._proxy is not None, shown=shown)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        before: Ask | None = None,
    ) -> VaultAnswer:
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
                with asking(before):
                    answer = await self._send_once(method, url, headers, body, where)
            except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
                raise self._failed(url, where, error) from error
            except UnicodeError as error:  # of the resolver or TLS, over a name that `hosts` let through
                raise InvalidConnection(f"The host name of {self._peer} can't be looked up") from error
            if not 300 <= answer.status < 400:
                return answer
            url = self._follow(method, url, answer, where)
        raise UnexpectedAnswer(
            f"{where} was redirected more than {_MAX_REDIRECTS} times", status=answer.status
        )

    async def _send_once(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None, where: str
    ) -> VaultAnswer:
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
                if len(content) > MAX_ANSWER_BYTES:
                    raise UnexpectedAnswer(
                        f"The answer to {where} is larger than {MAX_ANSWER_BYTES} bytes",
                        status=response.status,
                    )
            server = self._peers.of(url, response.peer) if isinstance(response, Response) else ""
            shown = self._peers.has_shown(server)
            return VaultAnswer(response.status, response.headers, bytes(content), server, shown)

    def _failed(self, url: URL, where: str, error: Exception) -> VaultError:
        found = error_from_exception(where, error, self._peer)
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

    def show(self, answer: VaultAnswer, pem: str) -> None:
        """Note the sender of `answer` as Vault if `pem`, which was read from it, holds a CA chain."""
        self._peers.show(answer.server, pem)

    def _follow(self, method: str, url: URL, answer: VaultAnswer, where: str) -> URL:
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

    def _not_followed(self, where: str, target: URL, answer: VaultAnswer) -> str:
        # Where some server of a network redirects to isn't for a namespace to read.
        if self._peers.restricted:
            said = f"{where} was redirected ({answer.status})"
        else:
            elsewhere = shown(f"{target.scheme}://{target.raw_host}:{target.port}")
            said = f"{where} was redirected to {elsewhere}"
        return (
            f"{said}, which is not followed: set the issuer's vault.server to the address that answers "
            "itself. Only the same path of the same host is followed, by https, and another port if it is "
            "listed in --allowed-servers"
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise Unreachable("The Vault client was closed before the call", sent=False)
        if self._session is None:
            total = self._connection.timeout
            self._session = aiohttp.ClientSession(
                connector=AskingConnector(
                    limit=_CONNECTIONS, ssl=self._tls or True, socket_factory=self._peers.socket_factory()
                ),
                response_class=Response,
                timeout=aiohttp.ClientTimeout(
                    total=total, sock_connect=min(total, _CONNECT_TIMEOUT_SECONDS), sock_read=total
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


class AsyncAdapter(Adapter):  # type: ignore[misc]  # hvac has no types
    """hvac's adapter with a coroutine for `request`. Answers JSON as a dict, 204 as None, or text with
    `raw=True`."""

    def __init__(
        self, sender: Sender, *, token: str | None, namespace: str | None, before: Ask | None = None
    ) -> None:
        super().__init__(base_uri="", token=token, session=sender, namespace=namespace)
        self._before = before
        self._last: VaultAnswer | None = None

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        raise_exception: bool = True,
        *,
        json: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        wrap_ttl: str | None = None,
        raw: bool = False,
    ) -> Any:
        """Send one call; raises a VaultError for every status of 400 or more."""
        if params or wrap_ttl or not raise_exception:
            raise NotImplementedError(
                "query parameters, response wrapping and unraised errors are not used here"
            )
        # Serialised before the first await, so that later changes by the caller can't alter what is sent.
        body = None if json is None else orjson.dumps(json)
        path = "/" + "/".join(part for part in url.split("/") if part)
        verb = method.upper()
        answer = await self.session.send(
            verb, path, self._headers(headers, body is not None), body, self._before
        )
        self._last = answer
        where = f"{verb} {path}"
        if answer.status >= 400:
            raise error_from_answer(where, answer)
        return _text(where, answer) if raw else _decoded(where, answer)

    def _headers(self, more: Mapping[str, str] | None, has_body: bool) -> dict[str, str]:
        headers = {"X-Vault-Request": "true", **(more or {})}
        if has_body:
            headers["Content-Type"] = "application/json"
        if self.token:
            headers["X-Vault-Token"] = self.token
        if self.namespace:
            headers["X-Vault-Namespace"] = self.namespace
        return headers

    def show(self, pem: str) -> None:
        """Note the sender of this adapter's last answer as Vault if `pem`, read from it, holds a CA chain.

        For an issuer of a namespace, a server's words are shown only then (`translate`).
        """
        if self._last is not None:
            self.session.show(self._last, pem)

    @property
    def answered_at(self) -> datetime | None:
        """Time by the server's clock, in whole seconds, of the last answer; None if it told none."""
        date = "" if self._last is None else self._last.headers.get("Date", "")
        try:
            return parsedate_to_datetime(date)
        except ValueError:
            return None

    async def login(self, url: str, use_token: bool = True, **kwargs: Any) -> Any:
        """Post a login and return its answer; `use_token` is ignored: the adapter keeps no token."""
        return await self.post(url, **kwargs)

    def get_login_token(self, response: dict[str, Any]) -> str:
        """Return the client token of a login's answer (hvac calls this method)."""
        return str(response["auth"]["client_token"])

    def close(self) -> None:
        """Do nothing: several adapters share one session, and the VaultClient closes it."""


class VaultClient:
    """One connection to one Vault. Adapters for any token share its session."""

    def __init__(self, connection: Connection, shown: set[str] | None = None) -> None:
        """Prepare a client. Raises InvalidConnection for an address or CA bundle that can't be used; sends
        nothing."""
        self.connection = connection
        self._sender = Sender(connection, shown=shown)

    def beside(self, connection: Connection) -> VaultClient:
        """Return another client for this server, which trusts what this one has seen of it."""
        return VaultClient(connection, self._sender.shown)

    def adapter(self, token: str | None = None, before: Ask | None = None) -> AsyncAdapter:
        """Return an adapter for hvac's API classes that sends `token` or none, and calls `before`."""
        return AsyncAdapter(self._sender, token=token, namespace=self.connection.namespace, before=before)

    async def close(self) -> None:
        """Close the connections. Tokens aren't revoked: see `tokens`."""
        await self._sender.close()


def connect(connection: Connection) -> VaultClient:
    """Return a client for `connection`; raises InvalidConnection. Nothing is sent before the first call."""
    return VaultClient(connection)


async def check_server(connection: Connection) -> None:
    """Raise ServerNotAllowed if the connection's server may not be used, before anything is sent to it.

    Raises InvalidConnection, too. A name that can't be looked up now passes: dialling it fails.
    """
    url, reach = connection.url(), connection.reach
    host, port = url.raw_host or "", url.port or 0
    if reach.restricted:
        proxied = proxy_for(url) is not None
        problem = await refusal(reach.allowed, host, port, proxied=proxied, timeout=connection.timeout)
        if problem is not None:
            raise not_allowed(host, port, problem.text(WORDS))


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
    try:
        return URL(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError as error:
        raise InvalidConnection(
            f"The controller's {url.scheme.upper()}_PROXY is not a proxy's URL, such as http://proxy:3128"
        ) from error


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


def _decoded(where: str, answer: VaultAnswer) -> dict[str, Any] | None:
    if answer.status == 204 or not answer.body:
        return None
    try:
        decoded = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise UnexpectedAnswer(
            f"The answer to {where} is not JSON: is this Vault's address?", status=answer.status
        ) from error
    if not isinstance(decoded, dict):
        raise UnexpectedAnswer(f"The answer to {where} is not a JSON object", status=answer.status)
    return decoded


def _text(where: str, answer: VaultAnswer) -> str:
    try:
        return answer.body.decode()
    except UnicodeDecodeError as error:
        raise UnexpectedAnswer(f"The answer to {where} is not text", status=answer.status) from error
