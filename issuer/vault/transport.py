"""hvac's API classes on asyncio: an adapter whose `request` is a coroutine on one aiohttp session.

hvac's methods return whatever their adapter returns, so `await Pki(adapter).sign_certificate(...)` works.
Traps:

- methods that read the response themselves (`read_ca_certificate_chain`, `is_sealed`, Kubernetes' `read_*`,
  ...) break with a coroutine: use the adapter's `get` and `post` there;
- hvac writes into a caller's `extra_params`: pass a fresh dict to each call;
- hvac's `login` stores the token in the adapter: overridden, as tokens live in `tokens.TokenSource` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from issuer.transport.clocks import answered_at
from issuer.transport.failures import Answer, json_object
from issuer.transport.sender import Sender
from issuer.transport.sending import Ask
from issuer.vault.connection import VAULT_WORDS, Connection
from issuer.vault.errors import UnexpectedAnswer
from issuer.vault.translate import error_from_answer


class AsyncAdapter:
    """Calls that hvac's API classes make, as coroutines. Answers JSON as a dict, 204 as None, or text with
    `raw=True`.

    hvac's own `Adapter` would import `requests`, which nothing here sends by.
    """

    def __init__(
        self, sender: Sender, *, token: str | None, namespace: str | None, before: Ask | None = None
    ) -> None:
        self.token = token
        self.namespace = namespace
        self.session = sender
        self._before = before
        self._last: Answer | None = None

    async def get(self, url: str, **options: Any) -> Any:
        """Send a GET; errors and answers as for `request`."""
        return await self.request("get", url, **options)

    async def post(self, url: str, **options: Any) -> Any:
        """Send a POST; errors and answers as for `request`."""
        return await self.request("post", url, **options)

    async def put(self, url: str, **options: Any) -> Any:
        """Send a PUT; errors and answers as for `request`."""
        return await self.request("put", url, **options)

    async def delete(self, url: str, **options: Any) -> Any:
        """Send a DELETE; errors and answers as for `request`."""
        return await self.request("delete", url, **options)

    async def list(self, url: str, **options: Any) -> Any:
        """Send a LIST, which Vault's API has for folders; errors and answers as for `request`."""
        return await self.request("list", url, **options)

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
            verb, path, self._headers(headers, body is not None, verb), body, self._before
        )
        self._last = answer
        where = f"{verb} {path}"
        if answer.status >= 400:
            raise error_from_answer(where, answer)
        return _text(where, answer) if raw else _decoded(where, answer)

    def _headers(self, more: Mapping[str, str] | None, has_body: bool, verb: str) -> dict[str, str]:
        headers = {"X-Vault-Request": "true", **(more or {})}
        if has_body:
            headers["Content-Type"] = (
                "application/merge-patch+json" if verb == "PATCH" else "application/json"
            )
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
        return None if self._last is None else answered_at(self._last.headers)

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


def _decoded(where: str, answer: Answer) -> dict[str, Any] | None:
    if answer.status == 204 or not answer.body:
        return None
    return json_object(where, answer, VAULT_WORDS.product)


def _text(where: str, answer: Answer) -> str:
    try:
        return answer.body.decode()
    except UnicodeDecodeError as error:
        raise UnexpectedAnswer(f"The answer to {where} is not text", status=answer.status) from error
