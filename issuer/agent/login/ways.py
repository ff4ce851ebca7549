"""Several ways to log in, in order; each one that is refused is reported.

Vault locks an AppRole for a quarter of an hour after five refused logins (its user lockout), so a secret ID
that was refused is asked about again only after a pause; another one is tried at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import structlog

from issuer.agent.errors import AgentError
from issuer.agent.login.statefile import StateFile
from issuer.text import parse_rfc3339, rfc3339
from issuer.vault.errors import LoginRefused
from issuer.vault.login.methods import Token
from issuer.vault.transport import VaultClient

log = structlog.get_logger(__name__)

_PAUSES: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
_REMEMBERED: Final = 20
_MAX_REASON: Final = 1000


class LoginWay(Protocol):
    """One way to log in."""

    @property
    def name(self) -> str:
        """The way's name, for messages and the status."""
        ...

    def credential(self) -> bytes | None:
        """Return what it logs in with, for one that Vault locks out; b"" for others, None if it has none."""
        ...

    async def login(self, client: VaultClient) -> Token:
        """Return a token. Raises LoginRefused and other VaultErrors."""
        ...


@dataclass(frozen=True, slots=True)
class RefusedWay:
    """A way that was refused, and why."""

    way: str
    why: str


@dataclass(frozen=True, slots=True)
class StandingRefusal:
    """Refusal of a credential: how often in a row, until when it is not tried again, and Vault's reason."""

    count: int
    until: str
    why: str


class Refusals:
    """Refused credentials, by their SHA-256, kept over restarts: a timer would lock the role out, too."""

    def __init__(self, file: StateFile, now: Callable[[], datetime]) -> None:
        self._file = file
        self._now = now

    def standing(self, credential: bytes) -> StandingRefusal | None:
        """Return the refusal for which the credential is not tried again now; None if it may be."""
        found = self._read().get(_digest(credential))
        try:
            until = parse_rfc3339(found.until) if found else None
        except ValueError:
            return None
        if found is None or until is None or not self._now() < until <= self._now() + _PAUSES[-1]:
            return None
        return found

    def add(self, credential: bytes, why: str) -> None:
        """Note that the credential was refused now, and why."""
        found = self._read()
        before = found.get(_digest(credential))
        count = before.count if before else 0
        until = self._now() + _PAUSES[min(count, len(_PAUSES) - 1)]
        found[_digest(credential)] = StandingRefusal(count + 1, rfc3339(until), why[:_MAX_REASON])
        last = {name: astuple(one) for name, one in list(found.items())[-_REMEMBERED:]}
        try:
            self._file.write(json.dumps(last).encode())
        except AgentError as error:
            log.warning("the state of the login can't be written", error=str(error))

    def _read(self) -> dict[str, StandingRefusal]:
        try:
            kept: Any = json.loads(self._file.read() or b"{}")
            return {
                str(name): StandingRefusal(int(count), str(until), str(why))
                for name, (count, until, why) in kept.items()
            }
        except (ValueError, TypeError, AttributeError):
            return {}


class LoginWays:
    """A login that tries its ways in their order."""

    def __init__(
        self,
        ways: Sequence[LoginWay],
        refusals: Refusals,
        help_text: str,
        told: Callable[[str, Sequence[RefusedWay]], None] = lambda _way, _refused: None,
    ) -> None:
        """`help_text` says what to do when no way is left; `told` hears of each login and of failed ways."""
        self._ways = ways
        self._refusals = refusals
        self._help = help_text
        self._told = told

    @property
    def name(self) -> str:
        """The name of the first way."""
        return self._ways[0].name

    async def login(self, client: VaultClient) -> Token:
        """Log in by the first way that works. Raises LoginRefused if none does, other VaultErrors at once."""
        refused: list[RefusedWay] = []
        for way in self._ways:
            credential = way.credential()
            if credential is None:
                continue
            try:
                token = await self._try(way, credential, client)
            except LoginRefused as error:
                refused.append(RefusedWay(way.name, str(error)))
                log.warning("a way to log in was refused", way=way.name, error=str(error))
                continue
            log.info("logged in", way=way.name, ttl_seconds=token.ttl_seconds)
            self._told(way.name, refused)
            return token
        self._told("", refused)
        tried = "; ".join(f"{one.way}: {one.why}" if len(self._ways) > 1 else one.why for one in refused)
        text = tried or "There is nothing to log in with"
        raise LoginRefused(f"{text}. {self._help}" if self._help else text, method=self.name)

    async def _try(self, way: LoginWay, credential: bytes, client: VaultClient) -> Token:
        standing = self._refusals.standing(credential) if credential else None
        if standing is not None:
            raise LoginRefused(
                f"{standing.why} (Vault said so before; the same one is tried again after {standing.until})",
                method=way.name,
            )
        try:
            return await way.login(client)
        except LoginRefused as error:
            if credential and error.status is not None:
                self._refusals.add(credential, str(error))
            raise


def _digest(credential: bytes) -> str:
    return hashlib.sha256(credential).hexdigest()
