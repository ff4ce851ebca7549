"""The first hour in order: shares kept, unsealed, foundation, one admin login, the end of the root token.

The root token is revoked once the admin login is proven. Without one it stays, in a file of mode 0600: it is
the only way into this server then, since OpenBao makes no other from shares by default.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Final

from issuer.manifests.errors import BadInput
from issuer.pki.apply.applying import Applier
from issuer.pki.ending import to_its_end
from issuer.pki.errors import NeedsCertificate, PkiError
from issuer.pki.file.model import Part
from issuer.pki.file.reading import LoadedFile
from issuer.pki.initialising.admin import (
    MADE_AS,
    AdminLogin,
    accessor_of,
    new_admin,
    other_roots,
    proven,
    revoked,
    write_policy,
)
from issuer.pki.initialising.pgp import PgpKey, encrypted
from issuer.pki.initialising.sealing import (
    EMPTY_IT,
    InitAnswer,
    ShareWish,
    Sleep,
    Told,
    initialise,
    seal_status,
    unseal_with,
    wait_active,
    wait_unsealed,
)
from issuer.pki.initialising.targets import ReservedFile
from issuer.pki.plan.step import PkiStep
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.warnings import Expected, WarningFilter
from issuer.pki.session import PkiSession
from issuer.vault.errors import VaultBadRequest
from issuer.vault.transport import VaultClient

_TOO_SHORT: Final = Expected("auth/token/create-orphan", "")
"""Any warning there, such as of a server that lets no token live a day: the login is looked at itself."""


class StartStage(Enum):
    """Stage of the first hour. The value says what to do if it ends there."""

    NOTHING = "Nothing was done."
    SENT = (
        "The server was asked to initialise, and no share was kept. Ask it by: bao operator init -status. If "
        f"it is initialised, the shares and the root token are lost. {EMPTY_IT}. If not, run the same again."
    )
    KEPT = "The server is initialised, and has no admin login."
    ACTIVE = "The server is unsealed, and has no admin login."
    ADMIN = (
        "The admin login works. Whether the root token is gone was not proven: list auth/token/accessors "
        "by that login, and revoke what has the policy root."
    )
    DONE = (
        "The admin login works, and the root token is revoked. Go on with that login: run pki apply for the "
        "whole file."
    )


@dataclass(frozen=True, slots=True)
class ReservedTokenFile:
    """The file of a token, and whose key encrypts it."""

    file: ReservedFile
    key: PgpKey | None = None

    def write(self, token: SecretText) -> None:
        """Write the token, once. Raises PkiError."""
        plain = f"{token.reveal()}\n".encode()
        self.file.write(plain if self.key is None else encrypted(token, self.key))


@dataclass(frozen=True, slots=True)
class StartReport:
    """The end of a first hour whose admin login works.

    `problem` stopped the foundation, `waits` is what it waits for, `left` says that it has steps for a
    person; `other_roots` are accessors, and `unlisted` is why those could not be read, "" if they were.
    """

    login: AdminLogin
    problem: str = ""
    waits: str = ""
    left: bool = False
    other_roots: tuple[str, ...] = ()
    unlisted: str = ""


class FirstStart:
    """The first hour of the server of `client`. `stage` is how far it is, `told` gets each step.

    `root_file` is for the root token if there is no admin login in the end; None where somebody has the
    token. `root_accessor` is its accessor, "" while it isn't known. `root_stays` is why it may live on after
    it was to be revoked, "" if it is gone; `root_in` is the file that it was written to.
    """

    def __init__(
        self,
        client: VaultClient,
        loaded: LoadedFile,
        admin: ReservedTokenFile,
        root_file: ReservedTokenFile | None,
        told: Told,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = client
        self._loaded = loaded
        self._admin = admin
        self._root_file = root_file
        self._tell = told
        self._sleep = sleep
        self._root = SecretText("")
        self.stage = StartStage.NOTHING
        self.root_accessor = ""
        self.root_stays = ""
        self.root_in: Path | None = None

    @property
    def login_file(self) -> Path:
        """The file of the admin login."""
        return self._admin.file.path

    async def run(self, wish: ShareWish, files: Sequence[ReservedFile]) -> StartReport:
        """Initialise, keep the shares, unseal or wait until the holders have, and finish.

        Raises BadInput and PkiError. Once init was sent, a cancellation waits until the shares are kept, and
        then until the root token is revoked or written to its file.
        """
        try:
            await self._begin(wish, files)
            return await self.finish(self._root)
        finally:
            if self.stage in (StartStage.KEPT, StartStage.ACTIVE):
                await to_its_end(self._keep_root(), self._noted)

    async def finish(self, root: SecretText) -> StartReport:
        """Apply the foundation, make and prove the admin login, and revoke the root token.

        Raises PkiError if no admin login was proven: then the root token stays. A cancellation that comes
        once the login is being made waits until the login is proven and the root token revoked.
        """
        calls = self._calls(root)
        try:
            self.root_accessor = await accessor_of(calls)
            self.stage = StartStage.ACTIVE
            await write_policy(calls, self._loaded.file)
            problem, waits, left = await self._foundation(calls)
            login = await to_its_end(self._login(calls), self._noted)
        finally:
            if self.stage is StartStage.ADMIN:
                await to_its_end(self._revoke_root(calls), self._noted)
        others, unlisted = await self._other_roots(calls.as_token(login.token))
        return StartReport(login, problem, waits, left, others, unlisted)

    def _calls(self, token: SecretText) -> VaultCalls:
        expected = [Expected(one.path, one.contains) for one in self._loaded.file.expect_warnings]
        return VaultCalls(self._client, token, WarningFilter([*expected, _TOO_SHORT]))

    async def _begin(self, wish: ShareWish, files: Sequence[ReservedFile]) -> None:
        recovery = bool((await seal_status(self._client)).get("recovery_seal"))
        shares = await to_its_end(self._initialised(wish, files, recovery), self._noted)
        if not recovery:
            if wish.keys:
                self._told("Waiting for the holders to unseal it (vault-issuer pki unseal)")
                await wait_unsealed(self._client, self._told, self._sleep)
            else:
                await unseal_with(self._client, shares)
        await wait_active(self._client, self._sleep)
        self.stage = StartStage.ACTIVE
        self._told("Unsealed")

    async def _initialised(
        self, wish: ShareWish, files: Sequence[ReservedFile], recovery: bool
    ) -> Sequence[SecretText]:
        self.stage = StartStage.SENT
        try:
            answer = await initialise(self._client, wish, recovery=recovery)
            self._write(wish, files, answer)
        except (BadInput, PkiError):  # it says what became of init, and no share comes any more
            self.stage = StartStage.NOTHING
            raise
        self._root = answer.root
        self.stage = StartStage.KEPT
        kind = "recovery shares" if recovery else "shares"
        self._told(f"Initialised: {wish.shares} {kind}, {wish.threshold} needed, in {files[0].path.parent}")
        return answer.shares

    def _write(self, wish: ShareWish, files: Sequence[ReservedFile], answer: InitAnswer) -> None:
        try:
            for file, content in zip(files, answer.contents(wish), strict=True):
                file.write(content)
        except PkiError as error:
            raise PkiError(
                f"{error}, and the share is lost with it. The server holds nothing yet: stop it, empty its "
                "storage, start it, and run the same with another folder for the shares"
            ) from error

    async def _keep_root(self) -> None:
        """Write the root token to its file, and revoke it if it can't be written."""
        try:
            if self._root_file is not None:
                self._root_file.write(self._root)
                self.root_in = self._root_file.file.path
        except (BadInput, PkiError, OSError) as error:
            self._told(f"The root token can't be kept, and is revoked: {error}")
            await self._revoke_root(self._calls(self._root))

    async def _revoke_root(self, calls: VaultCalls) -> None:
        self.root_stays = await revoked(calls)
        if not self.root_stays:
            self._told("The root token is revoked, and Vault refuses it")
            if self.stage is StartStage.ADMIN:
                self.stage = StartStage.DONE

    async def _other_roots(self, calls: VaultCalls) -> tuple[tuple[str, ...], str]:
        try:
            return tuple(await other_roots(calls, self.root_accessor)), ""
        except (PkiError, VaultBadRequest, OSError) as error:
            return (), str(error)

    async def _foundation(self, calls: VaultCalls) -> tuple[str, str, bool]:
        session = PkiSession(self._loaded, calls, frozenset({Part.FOUNDATION}))
        try:
            plan = await session.plan()
            numbers, all_steps = count(1), len(plan.applied)

            def told(step: PkiStep) -> None:
                self._told(f"[{next(numbers)}/{all_steps}] {step.kind} {step.path}")

            await Applier(calls, self._loaded.file, session.files, told).apply(plan)
        except NeedsCertificate as error:
            return "", str(error), True
        except (PkiError, VaultBadRequest) as error:
            return str(error), "", False
        return "", "", bool(plan.left)

    async def _login(self, calls: VaultCalls) -> AdminLogin:
        token = await new_admin(calls)
        try:
            login = await proven(calls, token)
            self._admin.write(token)
        except (PkiError, VaultBadRequest, OSError) as error:
            stays = await revoked(calls.as_token(token))
            if not stays:
                raise
            raise PkiError(
                f"{error}\nThe admin login that was made lives for up to a day ({stays}). Nobody has it; to "
                f"end it, revoke what has the display name token-{MADE_AS} among auth/token/accessors"
            ) from error
        self.stage = StartStage.ADMIN
        self._told(f"The admin login in {self._admin.file.path} works, until {login.expires}")
        return login

    def _noted(self) -> None:
        self._told("Interrupted: it ends as soon as Vault has answered")

    def _told(self, text: str) -> None:
        # A closed pipe ends nothing: there are shares to keep, and a root token to revoke.
        with contextlib.suppress(OSError):
            self._tell(text)
