"""Every read and write of a PKI command, with Vault's answers told apart once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import quote

from issuer.pki.errors import NotPermitted, PathNotFound, PkiError, UnexpectedWarning, VaultNotUsable
from issuer.pki.secret import SecretText, revealed
from issuer.pki.server.offers import offered_fields
from issuer.pki.server.reading import PathRead, data_of
from issuer.pki.server.warnings import WarningFilter
from issuer.text import clip
from issuer.vault.errors import (
    InvalidConnection,
    Sealed,
    ServerError,
    UnexpectedAnswer,
    Unreachable,
    UntrustedTLS,
    VaultBadRequest,
    VaultError,
    VaultForbidden,
    VaultNotFound,
    VaultRateLimited,
)
from issuer.vault.transport import VaultClient

Key = TypeVar("Key", bound=Hashable)
Read = TypeVar("Read")

AT_ONCE: Final = 8
"""Reads in flight, and so connections: each is a TLS handshake, which costs Vault and us more than a read. A
plan of 18 reads takes as long as with 16, and a sixth less of both processors."""
_IN_EVERY_NAMESPACE: Final = frozenset({"sys/auth", "sys/mounts"})
"""Tables that are never absent: without one, what is asked is no namespace (tried on OpenBao 2.7.2: 404)."""
RATE_PATIENCE: Final = 60.0
"""Seconds for which one call waits for a rate limit of Vault's: its quotas count by the second or minute."""
_RATE_PAUSE: Final = 1.0
"""Seconds between two tries where Vault names none."""
_WARNING_CHARS: Final = 400
_LISTS: Final[Mapping[str, str]] = {"issuer": "issuers", "key": "keys"}
"""Folders of a PKI mount whose list has another name: asked for one that isn't there they answer 500."""
_STANDBY: Final = "forward to the active node"
"""In OpenBao's answer to help at a standby, which forwards everything else (2.7.2)."""


class VaultCalls:
    """Reads and writes as one token. `count` is the number of calls so far."""

    def __init__(
        self,
        client: VaultClient,
        token: SecretText,
        warnings: WarningFilter | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._sleep = sleep
        self._adapter = client.adapter(token.reveal())
        self._warnings = warnings or WarningFilter()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._has_written = False
        self.count = 0

    def as_token(self, token: SecretText) -> VaultCalls:
        """Return calls on the same connections as another token."""
        return VaultCalls(self._client, token, self._warnings, self._sleep)

    @property
    def place(self) -> tuple[str, str | None]:
        """The server's address and the namespace, as they were given."""
        return self._client.connection.server, self._client.connection.namespace

    @property
    def has_whole_server(self) -> bool:
        """Return True outside of namespaces: what belongs to a server as a whole is nowhere else."""
        return (self._client.connection.namespace or "").strip("/") in ("", "root")

    async def read(self, path: str) -> PathRead:
        """Read a path, or list it if it ends with a slash. Raises VaultNotUsable, PkiError."""
        return await self._read(path, "")

    async def list_pages(self, path: str, size: int) -> AsyncIterator[PathRead]:
        """Yield a list of serial numbers page by page, `size` in each; the path ends with a slash.

        OpenBao pages; Vault knows no pages, and gives the whole list as the first. One that is refused is
        yielded, too, as the last: a token may end in between; an empty one if it is the first. Raises
        VaultNotUsable, PkiError.
        """
        after, first = "", None
        while True:
            page = await self._read(path, f"?limit={size}{after}")
            keys = [str(one) for one in (page.data or {}).get("keys") or ()]
            if first is not None and page.refused is None and (not keys or keys[0] == first):
                return
            yield page
            if len(keys) != size:
                return
            # OpenBao 2.7.2 stores serial numbers with hyphens, shows them with colons, and compares `after`
            # as it comes: with colons the rest of those with the same first octet would be left out.
            first, after = keys[0], f"&after={quote(keys[-1].replace(':', '-'), safe='')}"

    async def _read(self, path: str, query: str) -> PathRead:
        self.count += 1
        verb = "LIST" if path.endswith("/") else "GET"
        async with self._slots:
            try:
                answer = await self._answer(verb, f"/v1/{path}{query}")
            except VaultNotFound as error:
                if path in _IN_EVERY_NAMESPACE:
                    raise VaultNotUsable(
                        f"Vault has nothing at {path}, which each of its namespaces has: correct "
                        "VAULT_NAMESPACE, or make that namespace first"
                    ) from error
                return PathRead()
            except VaultForbidden as error:
                return PathRead(refused=str(error))
            except VaultError as error:
                raise translated(error, written=self._has_written) from error
        return PathRead(data_of(path, answer))

    async def read_all(self, paths: Iterable[str]) -> dict[str, PathRead]:
        """Read paths at once, each one time."""
        return await at_once({path: partial(self.read, path) for path in paths})

    async def help(self, path: str) -> dict[str, str]:
        """Return the types of the fields that a write of a path takes; none where the server doesn't tell."""
        self.count += 1
        async with self._slots:
            try:
                answer = await self._answer("GET", f"/v1/{path}?help=1")
            except (VaultNotFound, VaultForbidden, VaultBadRequest):
                return {}
            except ServerError as error:
                if any(_STANDBY in message for message in error.messages):
                    return {}
                raise translated(error, written=self._has_written) from error
            except VaultError as error:
                raise translated(error, written=self._has_written) from error
        return offered_fields(answer)

    async def help_all(self, paths: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """Return the fields of several paths, by the key of each."""
        return await at_once({key: partial(self.help, path) for key, path in paths.items()})

    async def write(
        self, path: str, body: Mapping[str, Any] | None = None, method: str = "POST"
    ) -> dict[str, Any]:
        """Write, and return the answer's `data`.

        Raises UnexpectedWarning after a write that Vault warned of (it was done), NotPermitted,
        VaultNotUsable; VaultBadRequest is left for callers that know what it means.
        """
        return dict(data_of(path.rstrip("/"), await self._written(path, body, method)) or {})

    async def new_token(self, path: str, body: Mapping[str, Any]) -> SecretText:
        """Make a token and return it. Raises as `write` does."""
        answer = await self._written(path, body, "POST")
        return SecretText(str((answer.get("auth") or {}).get("client_token", "")))

    async def _written(self, path: str, body: Mapping[str, Any] | None, method: str) -> dict[str, Any]:
        self.count += 1
        try:
            self._has_written = True  # also if the answer is lost
            answer = await self._answer(method, f"/v1/{path}", revealed(body or {}))
        except VaultBadRequest:
            raise
        except VaultForbidden as error:
            raise NotPermitted(
                f"The token may not write {path}. Give it a policy that allows it, and run the same again: "
                "what was done stays"
            ) from error
        except VaultError as error:
            raise translated(error, written=self._has_written) from error
        answer = answer or {}
        unexpected = self._warnings.unexpected(path, answer.get("warnings"))
        if unexpected:
            shown = "; ".join(clip(one, _WARNING_CHARS) for one in unexpected)
            raise UnexpectedWarning(
                f"Vault did {method} {path} and warned: {shown}. Correct the cause, or put the warning into "
                "expectWarnings of the file, and run the same again"
            )
        return dict(answer)

    async def _answer(self, method: str, path: str, body: Any = None) -> dict[str, Any] | None:
        """Return the answer to a call, which is sent again while a rate limit holds it off.

        Vault counts before it does anything, so nothing is done twice.
        """
        left = RATE_PATIENCE
        while True:
            try:
                sent = {} if body is None else {"json": body}
                answer: dict[str, Any] | None = await self._adapter.request(method, path, **sent)
                return answer
            except VaultRateLimited as error:
                pause = max(error.retry_after or _RATE_PAUSE, _RATE_PAUSE)
                if pause > left:
                    raise
                left -= pause
                await self._sleep(pause)

    async def delete(self, path: str) -> None:
        """Delete a path. What a list shows to be gone by now is deleted, whatever the answer was: it may have
        been lost, or an earlier run's call or another person was faster.

        Raises as `write` does.
        """
        try:
            await self.write(path, method="DELETE")
        except UnexpectedWarning:
            raise
        except (PkiError, VaultBadRequest):
            if not await self._is_gone(path):
                raise

    async def _is_gone(self, path: str) -> bool:
        """Return True if the list that would have a path is readable and doesn't have it."""
        folder, _, name = path.rpartition("/")
        mount, _, last = folder.rpartition("/")
        try:
            listed = await self.read(f"{mount}/{_LISTS.get(last, last)}/")
        except PkiError:
            return False
        # Vault keeps names of policies and auth roles in lower case, however they are asked for.
        there = {str(one).lower() for one in (listed.data or {}).get("keys") or ()}
        return listed.refused is None and name.lower() not in there


async def at_once(calls: Mapping[Key, Callable[[], Awaitable[Read]]]) -> dict[Key, Read]:
    """Make calls beside each other, and return their answers by their keys.

    After one has failed no other begins, and those under way come to their end before its error is raised:
    asyncio leaves a TLS connection open that is cancelled in its first moment (seen with Python 3.11.7).
    """
    waiting = iter(calls.items())
    answers: dict[Key, Read] = {}
    failures: list[Exception] = []

    async def work() -> None:
        for key, call in waiting:
            try:
                answers[key] = await call()
            except Exception as error:  # noqa: BLE001  # the first is raised below
                failures.append(error)
            if failures:
                return

    await asyncio.gather(*(work() for _ in range(min(AT_ONCE, len(calls)))))
    if failures:
        raise failures[0]
    return {key: answers[key] for key in calls}


def translated(error: VaultError, *, written: bool = True) -> PkiError:
    """Return the error of a PKI command for one of a call; `written` tells if the command may have changed
    anything before."""
    kept = "What was done stays" if written else "Nothing was changed"
    if isinstance(error, Sealed):
        return VaultNotUsable("Vault is sealed; unseal it, and run the same again")
    if isinstance(error, UnexpectedAnswer) and error.status is not None and 300 <= error.status < 400:
        return VaultNotUsable(
            "The node at VAULT_ADDR is a standby that forwards nothing now: it redirects. Set VAULT_ADDR to "
            f"the active node (`vault status` tells its address), or wait for an election. {kept}; run the "
            "same again then"
        )
    if isinstance(error, VaultRateLimited):
        return VaultNotUsable(f"{error}. {kept}; raise the quota (sys/quotas), or run the same again later")
    if isinstance(error, UntrustedTLS):
        if remedy := error.remedy("the file of VAULT_CACERT"):
            return VaultNotUsable(f"{error}. {kept}. {remedy}; then run the same again")
        return VaultNotUsable(
            f"{error}. {kept}; set VAULT_CACERT to the file of the CA that signed the server's certificate, "
            "or VAULT_TLS_SERVER_NAME to a name in it, and run the same again"
        )
    if isinstance(error, InvalidConnection):
        return VaultNotUsable(f"VAULT_ADDR or VAULT_CACERT can't be used: {error}. {kept}")
    if isinstance(error, (Unreachable, ServerError)):
        return VaultNotUsable(f"{error}. {kept}; run the same again once Vault answers")
    return (PathNotFound if isinstance(error, VaultNotFound) else PkiError)(str(error))
