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
from issuer.vault.login.methods import AppRole, AuthMethod, Token, renew
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
    """The token in use. Times are the clock's; `first_ttl` is the TTL that its login gave."""

    token: Token = field(repr=False)
    first_ttl: float
    attention_at: float | None
    ends_at: float | None


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
        self._task: asyncio.Task[str] | None = None
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
        """Return a token that is valid now. Logs in or renews if that is due; all callers share one attempt.

        Raises LoginRefused and other VaultErrors, and the exceptions of the method's own credentials. A
        caller that is cancelled leaves the shared attempt running for the others.
        """
        current = self._current
        now = self._clock()
        if current is not None and (current.attention_at is None or now < current.attention_at):
            return current.token.value
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._refresh(), name="vault-login")
            self._task.add_done_callback(_retrieve)
        return await _shared(self._task)

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

    async def _refresh(self) -> str:
        current = self._current
        if current is None:
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
            return current.token.value

    async def _renewed(self, current: _Current) -> str | None:
        """Return the renewed token, or None if a new login is needed."""
        if not current.token.renewable:
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
        self._keep(token, asked_at, max(current.first_ttl, token.ttl_seconds))
        log.debug("vault token renewed", method=self._method.name, ttl=token.ttl_seconds)
        return token.value

    async def _login(self) -> str:
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
        self._keep(token, asked_at, token.ttl_seconds)
        log.info("vault login", method=self._method.name, ttl=token.ttl_seconds, renewable=token.renewable)
        return token.value

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

    def _keep(self, token: Token, asked_at: float, first_ttl: float) -> None:
        if not token.ttl_seconds:
            self._current = _Current(token, first_ttl, None, None)
            return
        attention = asked_at + max(token.ttl_seconds * RENEW_AFTER, _SHORTEST_WAIT_SECONDS)
        self._current = _Current(token, first_ttl, attention, asked_at + token.ttl_seconds)


async def _shared(task: asyncio.Task[str]) -> str:
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        waiter = asyncio.current_task()
        if task.cancelled() and not (waiter and waiter.cancelling()):
            # The source was closed; the waiter itself was not cancelled and must live on.
            raise Unreachable("The Vault client was closed during a login", sent=True) from None
        raise


def _retrieve(task: asyncio.Task[str]) -> None:
    """Mark the exception as seen: every caller may have been cancelled before it came."""
    if not task.cancelled():
        task.exception()
