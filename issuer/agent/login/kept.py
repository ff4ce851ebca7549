"""The last token, in a file of the agent's own: a restart goes on with it instead of logging in again.

A secret ID can be one that works once; a token that is renewed in time works on.
"""

from __future__ import annotations

import structlog

from issuer.agent.errors import AgentError
from issuer.agent.login.statefile import StateFile
from issuer.vault.errors import LoginRefused, VaultBadRequest, VaultForbidden, VaultNotFound
from issuer.vault.login.methods import AuthMethod, StaticToken, Token, renew
from issuer.vault.transport import VaultClient

log = structlog.get_logger(__name__)


class KeptLogin:
    """A login that tries the kept token first, and keeps the token that another login gives."""

    def __init__(self, method: AuthMethod, file: StateFile) -> None:
        """Keep tokens of `method` in `file`, which is bound to the server and the login."""
        self._method = method
        self._file = file
        self._tried = False

    @property
    def name(self) -> str:
        """The name of the login whose tokens are kept."""
        return self._method.name

    async def login(self, client: VaultClient) -> Token:
        """Return the kept token once, if Vault takes it, otherwise log in. Raises VaultError."""
        token = None if self._tried else await self._by_kept(client)
        # Answered once: a token that Vault refuses later would come back here again and again. Without an
        # answer it is tried again, as what else there is to log in with may work once.
        self._tried = True
        if token is None:
            token = await self._method.login(client)
            self._keep(token)
        return token

    async def _by_kept(self, client: VaultClient) -> Token | None:
        """Return the kept token; None if there is none or Vault refuses it. Raises VaultError."""
        kept = self._file.read()
        if not kept:
            return None
        try:
            token = await StaticToken(kept.decode("ascii", "replace").strip()).login(client)
            if token.renewable:  # its whole life again: a run by cron may be the last for long
                token = await renew(client, token)
        except (LoginRefused, VaultBadRequest, VaultForbidden, VaultNotFound):
            log.warning("the kept token is no longer good; logging in", method=self.name)
            return None
        log.info("went on with the kept token", method=self.name)
        return token

    def _keep(self, token: Token) -> None:
        if not token.renewable:  # it ends by itself, and can't be carried over a longer stop
            return
        try:
            self._file.write(token.value.encode())
        except AgentError as error:
            log.warning("the token can't be kept for a restart", error=str(error))
