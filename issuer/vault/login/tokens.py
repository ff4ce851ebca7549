"""The life of one Vault token: one login, shared by all callers that wait, renewed in time, never revoked.

Not revoked at shutdown either: a PKI role with generate_lease=true ties certificates to the token they were
issued with, and Vault revokes them with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from issuer.telemetry.tracing import span
from issuer.vault.errors import LoginRefused, Unreachable, VaultBadRequest, VaultForbidden, VaultNotFound
from issuer.vault.login.methods import AppRole, AuthMethod, StaticToken, Token, renew
from issuer.vault.transport import VaultClient

# Attention at three fifths leaves a margin before two thirds, by which time the token must be new.
RENEW_AFTER = 0.6
# After a renewal that failed for lack of an answer, how long the still valid token is used before the next
# try.
_TRY_AGAIN_FRACTION = 0.02
_TRY_AGAIN_SECONDS = (1.0, 30.0)
_SHORTEST_WAIT_SECONDS = 1.0
# Vault locks an AppRole for a quarter of an hour after five refused logins (its user lockout), also for those
# who know the right secret ID. The same credentials are refused again anyway: these are the pauses.
_LOCKOUT_PAUSES = (60.0, 300.0, 900.0)

log = structlog.get_logger(__name__)

LoggedIn = Callable[[str, float], None]
"""Called after each login with `success`, `refused` (Vault refused it) or `error`, and its duration in
seconds."""


def ignored(_result: str, _seconds: float) -> None:
    """Ignore a login: the default `LoggedIn`."""


@dataclass(slots=True)
class _Current:
    """The token in use. Times are the clock's; `first_ttl` is the TTL that its login gave.

    `uses` is the number of calls for which it may still be handed out, None for any number.
    """

    token: Token = field(repr=False)
    first_ttl: float
    attention_at: float | None
    ends_at: float | None
    uses: int | None = None

    def take(self) -> str | None:
        """Return the token for one call; None where its calls are used up."""
        if self.uses is None:
            return self.token.value
        if self.uses == 0:
            return None
        self.uses -= 1
        return self.token.value


class TokenSource:
    """One token for one login method, kept valid.

    `clock` counts seconds monotonically; a TTL counts from the time at which its login was *sent*.
    `logged_in` is called after each login, not after renewals.
    """

    def __init__(
        self,
        client: VaultClient,
        method: AuthMethod,
        clock: Callable[[], float] = time.monotonic,
        logged_in: LoggedIn = ignored,
    ) -> None:
        self._logged_in = logged_in
        self._client = client
        self._method = method
        self._clock = clock
        self._current: _Current | None = None
        self._task: asyncio.Task[_Current] | None = None
        self._refused: tuple[LoginRefused, float] | None = None
        self._refusals = 0

    @property
    def method(self) -> AuthMethod:
        """The login method of this source."""
        return self._method

    @property
    def token(self) -> Token | None:
        """The token in use, as its login or last renewal described it."""
        return self._current.token if self._current else None

    async def get(self) -> str:
        """Return a token that is valid now, for one call. Logs in or renews if that is due; all callers share
        one attempt.

        Raises LoginRefused and other VaultErrors, and the exceptions of the method's own credentials. A
        caller that is cancelled leaves the shared attempt running for the others.
        """
        current, now = self._current, self._clock()
        if current is not None and (current.attention_at is None or now < current.attention_at):
            token = current.take()
            if token is not None:
                return token
        while True:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._refresh(), name="vault-login")
                self._task.add_done_callback(_retrieve)
            current = await _shared(self._task)
            token = current.take()  # those who waited with this caller may have used it up
            if token is not None:
                return token

    def drop(self, token: str) -> None:
        """Forget `token` if it is still the one in use: Vault has refused it."""
        if self._current is not None and self._current.token.value == token:
            self._current = None

    def renew_in(self) -> float | None:
        """Return the seconds until the token must be renewed or replaced (0 if due); None if there is no
        token or it never ends."""
        if self._current is None or self._current.attention_at is None:
            return None
        return max(0.0, self._current.attention_at - self._clock())

    def ends_in(self) -> float | None:
        """Return the seconds until the token ends without renewal; None if there is no token or it never
        ends."""
        if self._current is None or self._current.ends_at is None:
            return None
        return max(0.0, self._current.ends_at - self._clock())

    async def close(self) -> None:
        """Stop an attempt under way. The token is left to end by its TTL."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])

    async def _refresh(self) -> _Current:
        current = self._current
        if current is None or current.uses == 0:
            return await self._login()
        try:
            return await self._renewed(current) or await self._login()
        except Exception as error:
            # The old token is good until it ends or Vault says otherwise: an outage, of Vault or of what the
            # credentials come from, must not take it away early.
            if self._current is not current or current.ends_at is None or self._clock() >= current.ends_at:
                raise
            wait = min(
                max(current.first_ttl * _TRY_AGAIN_FRACTION, _TRY_AGAIN_SECONDS[0]), _TRY_AGAIN_SECONDS[1]
            )
            current.attention_at = min(self._clock() + wait, current.ends_at)
            log.warning("vault token not renewed", method=self._method.name, error=str(error), again_in=wait)
            return current

    async def _renewed(self, current: _Current) -> _Current | None:
        """Return the renewed token, or None if a new login is needed.

        A renewal costs one of the uses of a token that has few.
        """
        if not current.token.renewable or current.uses is not None:
            return None
        asked_at = self._clock()
        if current.ends_at is not None and asked_at >= current.ends_at:
            return None
        try:
            token = await renew(self._client, current.token)
        except (
            VaultBadRequest,
            VaultForbidden,
            VaultNotFound,
        ):  # not renewable after all, ended, or not allowed to
            return None
        if token.ttl_seconds and token.ttl_seconds < current.first_ttl / 2:
            return None  # its maximum TTL draws near, each renewal would bring less
        renewed = self._keep(token, asked_at, max(current.first_ttl, token.ttl_seconds))
        log.debug("vault token renewed", method=self._method.name, ttl=token.ttl_seconds)
        return renewed

    async def _login(self) -> _Current:
        asked_at = self._clock()
        if self._refused is not None and asked_at < self._refused[1]:
            raise self._refused[0]
        try:
            token = await self._timed_login()
        except LoginRefused as error:
            if isinstance(self._method, AppRole) or getattr(self._method, "locks_out", False):
                pause = _LOCKOUT_PAUSES[min(self._refusals, len(_LOCKOUT_PAUSES) - 1)]
                self._refused, self._refusals = (error, asked_at + pause), self._refusals + 1
            raise
        self._refused, self._refusals = None, 0
        current = self._keep(token, asked_at, token.ttl_seconds)
        log.info("vault login", method=self._method.name, ttl=token.ttl_seconds, renewable=token.renewable)
        return current

    async def _timed_login(self) -> Token:
        started, result = time.perf_counter(), "error"
        with span("login", method=self._method.name):
            try:
                token = await self._method.login(self._client)
                result = "success"
            except LoginRefused:
                result = "refused"
                raise
            finally:
                self._logged_in(result, time.perf_counter() - started)
        return token

    def _keep(self, token: Token, asked_at: float, first_ttl: float) -> _Current:
        current = _Current(token, first_ttl, None, None, self._uses(token))
        if token.ttl_seconds:
            current.attention_at = asked_at + max(token.ttl_seconds * RENEW_AFTER, _SHORTEST_WAIT_SECONDS)
            current.ends_at = asked_at + token.ttl_seconds
        self._current = current
        return current

    def _uses(self, token: Token) -> int | None:
        """Return for how many calls the token is handed out before the next login; None for any number.

        The last one is left: with it Vault revokes the token, and what is leased to it. A token of a Secret
        can't be replaced here: Vault says when it is used up.
        """
        if not token.uses or isinstance(self._method, StaticToken):
            return None
        return max(1, token.uses - 1)


async def _shared(task: asyncio.Task[_Current]) -> _Current:
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        waiter = asyncio.current_task()
        if task.cancelled() and not (waiter and waiter.cancelling()):
            # The source was closed; the waiter itself was not cancelled and must live on.
            raise Unreachable("The Vault client was closed during a login", sent=True) from None
        raise


def _retrieve(task: asyncio.Task[_Current]) -> None:
    """Mark the exception as seen: every caller may have been cancelled before it came."""
    if not task.cancelled():
        task.exception()
