"""The issuer of a mount that signs for a path: the path's own, or the one that its role names.

Vault lets only tokens read a role whose policy says so, and signs by a role without that. Where the role may
not be read, the mount's default is taken for the one that signs, as it is for most roles.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from issuer.signing.vault.mount_issuers import MountIssuers
from issuer.vault.errors import (
    CANotReady,
    DefaultNotReady,
    RoleSetsNotAfter,
    UnexpectedAnswer,
    VaultBadRequest,
    VaultForbidden,
    VaultNotFound,
)
from issuer.vault.paths import Mode
from issuer.vault.pki import Pki, Role
from issuer.vault.session import VaultSession

T = TypeVar("T")


class Ask(Protocol):
    """Runs a call with a token, and returns its answer. Raises VaultError."""

    async def __call__(self, make: Callable[[str], Awaitable[T]], /) -> T: ...


class RoleIssuers:
    """Reads the CA chain of the issuer that signs for one path. `assumed` is True where that is a guess.

    `leases` is True if Vault revokes certificates of the path's role with the token that signed them: by the
    role, or by the last answer where the role may not be read.
    """

    def __init__(self, pki: Pki, cas: MountIssuers, session: VaultSession) -> None:
        self._pki = pki
        self._cas = cas
        self._session = session
        self.assumed = False
        self.leases = False

    async def read(self) -> str:
        """Return the chain as PEM.

        Raises VaultError; RoleSetsNotAfter where the role would refuse every call, and DefaultNotReady where
        the default can't sign and the role may not be read.
        """
        path = self._pki.path
        chain, missing = await self._likeliest()
        if path.role is None:
            return _chain(chain, missing)
        # A refused question costs no login, unless everything depends on the answer.
        role = await self._role(self._session.ask if missing is not None else self._session.once)
        if role is not None:
            self.leases = role.leases
        if role is not None and role.not_after and path.mode is Mode.SIGN:
            raise RoleSetsNotAfter(f"The role's not_after is {role.not_after}")
        if path.issuer_ref is not None:
            return _chain(chain, missing)
        self.assumed = role is None
        named = None if role is None else role.issuer_ref
        if role is not None and named != self._cas.issuer_ref:
            self._cas.issuer_ref = named
            return await self._cas.read()
        if missing is not None and role is None:
            raise DefaultNotReady(missing.message, status=missing.status, messages=missing.messages)
        return _chain(chain, missing)

    async def _likeliest(self) -> tuple[str, CANotReady | None]:
        """Return the chain of what signed at the last check, or why there is none.

        It proves a PKI engine before a token is used there, and is of the one that signs unless the role
        changed.
        """
        try:
            return await self._cas.read(), None
        except CANotReady as error:
            return "", error
        except VaultNotFound:
            if self._cas.issuer_ref is None:
                raise
            self._cas.issuer_ref = None  # it was deleted, or renamed: the role says what to do now
            return await self._likeliest()

    async def _role(self, ask: Ask) -> Role | None:
        """Return the role, None where it may not be read or isn't there, which the probe reports."""
        try:
            if not await ask(self._pki.may_read_role):
                return None
            return await ask(self._pki.role)
        except (VaultBadRequest, VaultForbidden, VaultNotFound, UnexpectedAnswer):
            return None


def _chain(chain: str, missing: CANotReady | None) -> str:
    if missing is not None:
        raise missing
    return chain
