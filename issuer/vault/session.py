"""Calls that need a token, repeated once with a new one if Vault refuses the old."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from issuer.vault.errors import VaultForbidden
from issuer.vault.login.methods import AuthMethod
from issuer.vault.login.tokens import LoggedIn, TokenSource, ignored
from issuer.vault.transport import VaultClient

T = TypeVar("T")

# The time for which a policy's 403 on a fresh token stands without another login: otherwise a request that
# the policy keeps refusing would cost a login at each attempt, and fill Vault with tokens.
_BELIEVE_SECONDS = 30.0


class VaultSession:
    """One client with one token source."""

    def __init__(
        self,
        client: VaultClient,
        method: AuthMethod,
        clock: Callable[[], float] = time.monotonic,
        logged_in: LoggedIn = ignored,
    ) -> None:
        self.client = client
        self.tokens = TokenSource(client, method, clock, logged_in)
        self._clock = clock
        self._believed: tuple[str, float] | None = None

    async def call(self, make: Callable[[str], Awaitable[T]]) -> T:
        """Run `make(token)`. On a 403 log in anew and repeat once (403 means nothing was done); raises
        VaultError."""
        token = await self.tokens.get()
        try:
            return await make(token)
        except VaultForbidden as error:
            if error.by_policy and self._believes(token):
                raise
        self.tokens.drop(token)
        fresh = await self.tokens.get()
        try:
            return await make(fresh)
        except VaultForbidden as error:
            if error.by_policy:
                self._believed = (fresh, self._clock() + _BELIEVE_SECONDS)
            raise

    async def once(self, make: Callable[[str], Awaitable[T]]) -> T:
        """Run `make(token)`; a refusal is an answer, and costs no login. Raises VaultError."""
        return await make(await self.tokens.get())

    async def ask(self, make: Callable[[str], Awaitable[T]]) -> T:
        """Run `make(token)` as `call` does; a refusal by policy is an answer, and costs no login."""
        token = await self.tokens.get()
        try:
            return await make(token)
        except VaultForbidden as error:
            if error.by_policy:
                raise
        self.tokens.drop(token)
        return await make(await self.tokens.get())

    def _believes(self, token: str) -> bool:
        return self._believed is not None and self._believed[0] == token and self._clock() < self._believed[1]

    async def close(self) -> None:
        """Stop logging in and close the connections; the token isn't revoked (see `tokens`)."""
        await self.tokens.close()
        await self.client.close()
