"""The last token, in a file of the agent's own: a restart goes on with it instead of logging in again.

A secret ID can be one that works once; a token that is renewed in time works on.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import structlog

from issuer.agent.errors import AgentError
from issuer.agent.files.folders import opened_folder
from issuer.agent.files.writing import NewFile, disk_errors, replace
from issuer.vault.errors import LoginRefused, VaultBadRequest, VaultForbidden
from issuer.vault.login.methods import AuthMethod, StaticToken, Token, renew
from issuer.vault.transport import VaultClient

log = structlog.get_logger(__name__)


class KeptLogin:
    """A login that tries the kept token first, and keeps the token that another login gives."""

    def __init__(self, method: AuthMethod, folder: Path, of: str) -> None:
        """Keep tokens of `method` in `folder`; `of` says of which server and login, and binds them to it."""
        self._method = method
        self._folder = folder
        self._file = f"token-{hashlib.sha256(of.encode()).hexdigest()[:16]}"
        self._tried = False

    @property
    def name(self) -> str:
        """The name of the login whose tokens are kept."""
        return self._method.name

    @property
    def locks_out(self) -> bool:
        """Return True if Vault locks who is refused by this login several times."""
        return bool(getattr(self._method, "locks_out", False))

    async def login(self, client: VaultClient) -> Token:
        """Return the kept token once, if Vault takes it, otherwise log in. Raises VaultError."""
        kept = None if self._tried else self._read()
        # Tried once: a token that Vault refuses later would come back here again and again.
        self._tried = True
        if kept:
            try:
                token = await StaticToken(kept).login(client)
                if token.renewable:  # its whole life again: a run by cron may be the last for long
                    token = await renew(client, token)
            except (LoginRefused, VaultBadRequest, VaultForbidden):
                log.info("the kept token is no longer good; logging in", method=self.name)
            else:
                log.info("went on with the kept token", method=self.name)
                return token
        token = await self._method.login(client)
        log.info("logged in", method=self.name, ttl_seconds=token.ttl_seconds)
        self._keep(token)
        return token

    def _read(self) -> str | None:
        with suppress(OSError):
            return (self._folder / self._file).read_text(encoding="ascii", errors="replace").strip()
        return None

    def _keep(self, token: Token) -> None:
        if not token.renewable:  # it ends by itself, and can't be carried over a longer stop
            return
        try:
            with opened_folder(self._folder, create=True, mode=0o700) as folder, disk_errors("The token"):
                replace(folder, self._file, NewFile(token.value.encode(), 0o600))
        except AgentError as error:
            log.warning("the token can't be kept for a restart", error=str(error))
