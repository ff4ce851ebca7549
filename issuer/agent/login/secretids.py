"""The next secret ID, made by the agent for itself: one that was never used, for the day its token is lost.

Its policy needs `update` on its own role's `secret-id`, and on `secret-id-accessor/destroy` to destroy the
one before. Networks, uses and life of a secret ID are the role's to bound.
Source: https://developer.hashicorp.com/vault/api-docs/auth/approle#generate-new-secret-id
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from issuer.agent.errors import AgentError
from issuer.agent.login.statefile import StateFile
from issuer.text import parse_rfc3339, rfc3339
from issuer.vault.errors import UnexpectedAnswer, VaultError
from issuer.vault.paths import auth_mount
from issuer.vault.session import VaultSession

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OwnSecretId:
    """A secret ID in the state folder. Times are RFC 3339.

    `until` is empty if it doesn't end by itself, `uses` 0 if it can be used without limit. One that was
    `refused` may still be good: Vault refuses for a lockout and for another network as for a wrong one.
    """

    secret_id: str = field(repr=False)
    accessor: str = field(repr=False)
    made_at: str
    until: str = ""
    uses: int = 0
    used: bool = False
    refused: bool = False

    @classmethod
    def of_answer(cls, data: object, now: datetime) -> OwnSecretId:
        """Read the `data` of Vault's answer, which came at `now`. Raises UnexpectedAnswer."""
        found = data if isinstance(data, dict) else {}
        secret_id, accessor = found.get("secret_id"), found.get("secret_id_accessor")
        if not isinstance(secret_id, str) or not secret_id or not isinstance(accessor, str):
            raise UnexpectedAnswer("Vault's answer holds no secret ID")
        life = found.get("secret_id_ttl")
        until = now + timedelta(seconds=life) if isinstance(life, int) and life > 0 else None
        uses = found.get("secret_id_num_uses")
        return cls(
            secret_id,
            accessor,
            rfc3339(now),
            "" if until is None else rfc3339(until),
            uses if isinstance(uses, int) else 0,
        )

    @property
    def is_spent(self) -> bool:
        """Return True if no login takes it any more."""
        return self.used and self.uses == 1

    def is_old(self, now: datetime) -> bool:
        """Return True if half of its life has gone, so that the next one is made."""
        if not self.until:
            return False
        begin, end = parse_rfc3339(self.made_at), parse_rfc3339(self.until)
        return now >= begin + (end - begin) / 2


class SecretIdFile:
    """The one secret ID that is kept."""

    def __init__(self, file: StateFile) -> None:
        self._file = file

    def read(self) -> OwnSecretId | None:
        """Return it; None if there is none or the file is damaged."""
        try:
            found: Any = json.loads(self._file.read() or b"null")
            return None if not isinstance(found, Mapping) else _checked(OwnSecretId(**found))
        except (ValueError, TypeError):
            return None

    def write(self, own: OwnSecretId) -> None:
        """Keep it in place of the one before. Raises AgentError."""
        self._file.write(json.dumps(asdict(own)).encode())

    def mark_used(self) -> None:
        """Note that a login took the kept one; the next is made as soon as there is a token."""
        if (own := self.read()) is not None:
            self._note(replace(own, used=True))

    def mark_refused(self) -> None:
        """Note that a login refused the kept one: it is tried again, and replaced once there is a token."""
        if (own := self.read()) is not None and not own.refused:
            self._note(replace(own, refused=True))

    def _note(self, own: OwnSecretId) -> None:
        try:
            self.write(own)
        except AgentError as error:
            log.warning("the state of the login can't be written", error=str(error))

    def forget(self) -> None:
        """Remove it: it is of no use any more."""
        self._file.remove()


class SecretIdRenewal:
    """Makes the next secret ID of one AppRole in time."""

    def __init__(self, role: str, mount: str, file: SecretIdFile, now: Callable[[], datetime]) -> None:
        self._path = f"/v1/auth/{auth_mount(mount)}/role/{role}"
        self._file = file
        self._now = now

    async def keep(self, session: VaultSession) -> bool:
        """Make a secret ID if there is none that is unused, unrefused and young; return True if one was made.

        The one before is destroyed by its accessor. Raises VaultError and AgentError; what was kept stays.
        """
        kept = self._file.read()
        if kept is not None and not (kept.used or kept.refused or kept.is_old(self._now())):
            return False

        async def make(token: str) -> Any:
            return await session.client.adapter(token).post(f"{self._path}/secret-id", json={})

        answer = await session.ask(make)
        data = answer.get("data") if isinstance(answer, dict) else None
        fresh = OwnSecretId.of_answer(data, self._now())
        try:
            self._file.write(fresh)
        except AgentError:
            await self._destroy(session, fresh)  # nobody has it
            raise
        log.info("made the next secret ID", until=fresh.until)
        if kept is not None:
            await self._destroy(session, kept)
        return True

    async def _destroy(self, session: VaultSession, old: OwnSecretId) -> None:
        async def destroy(token: str) -> None:
            body = {"secret_id_accessor": old.accessor}
            await session.client.adapter(token).post(f"{self._path}/secret-id-accessor/destroy", json=body)

        try:
            await session.ask(destroy)
        except VaultError as error:
            if old.used or old.refused:  # most roles let a secret ID be used once, and destroy it themselves
                return
            log.warning("the secret ID before can't be destroyed; it ends by its own life", error=str(error))


def _checked(own: OwnSecretId) -> OwnSecretId:
    if not all(isinstance(one, str) for one in (own.secret_id, own.accessor, own.made_at, own.until)):
        raise TypeError("not text")
    parse_rfc3339(own.made_at)
    if own.until:
        parse_rfc3339(own.until)
    return own
