"""The first hour in order: shares kept, unsealed, foundation, one admin login, the end of the root token."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Final

from issuer.pki.apply.applying import Applier
from issuer.pki.errors import NeedsCertificate, PkiError
from issuer.pki.file.model import Part
from issuer.pki.file.reading import LoadedFile
from issuer.pki.initialising.admin import (
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
from issuer.vault.transport import VaultClient

_AGAIN: Final = (
    "Nothing in it is in use: stop it, empty its storage, start it, and run the same with another folder for "
    "the shares. Or make a root token from the shares (bao operator generate-root, which OpenBao takes with "
    "disable_unauthed_generate_root_endpoints = false in its listener alone), and run it with --continue in "
    "place of the options for shares."
)
_TOO_SHORT: Final = Expected("auth/token/create-orphan", "")
"""Any warning there, such as of a server that lets no token live a day: the login is looked at itself."""


class StartStage(Enum):
    """How far the first hour is. The value says what to do if it ends there."""

    NOTHING = "Nothing was done."
    KEPT = f"The server is initialised, and the root token is lost with this process. {_AGAIN}"
    ACTIVE = f"The server is unsealed, and the root token is lost with this process. {_AGAIN}"
    ADMIN = (
        "The admin login works. Whether the root token is gone was not proven: list auth/token/accessors "
        "by that login, and revoke what has the policy root."
    )
    DONE = ""


@dataclass(frozen=True, slots=True)
class AdminFile:
    """The file of the admin login, and whose key encrypts it."""

    file: ReservedFile
    key: PgpKey | None = None

    def write(self, token: SecretText) -> None:
        """Write the login, once. Raises PkiError."""
        plain = f"{token.reveal()}\n".encode()
        self.file.write(plain if self.key is None else encrypted(token, self.key))


@dataclass(frozen=True, slots=True)
class StartReport:
    """The end of a first hour whose admin login works.

    `problem` stopped the foundation, `waits` is what it waits for, `left` says that it has steps for a
    person; `root_stays` is why the root token may live on, "" if it is gone; `other_roots` are accessors.
    """

    login: AdminLogin
    root_accessor: str
    problem: str = ""
    waits: str = ""
    left: bool = False
    root_stays: str = ""
    other_roots: tuple[str, ...] = ()


class FirstStart:
    """The first hour of the server of `client`. `stage` is how far it is, `told` gets each step."""

    def __init__(
        self,
        client: VaultClient,
        loaded: LoadedFile,
        admin: AdminFile,
        told: Told,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = client
        self._loaded = loaded
        self._admin = admin
        self._told = told
        self._sleep = sleep
        self.stage = StartStage.NOTHING

    @property
    def login_file(self) -> Path:
        """The file of the admin login."""
        return self._admin.file.path

    async def begin(self, wish: ShareWish, files: Sequence[ReservedFile]) -> SecretText:
        """Initialise, keep the shares, and unseal, or wait until the holders have. Return the root token.

        Raises BadInput and PkiError. Once init was sent, a cancellation waits until the shares are kept.
        """
        recovery = bool((await seal_status(self._client)).get("recovery_seal"))
        work = asyncio.ensure_future(self._initialised(wish, files, recovery))
        try:
            answer = await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            if work.exception() is not None:
                await work  # what became of the shares goes before the interruption
            raise
        if not recovery:
            if wish.keys:
                self._told("Waiting for the holders to unseal it (vault-issuer pki unseal)")
                await wait_unsealed(self._client, self._told, self._sleep)
            else:
                await unseal_with(self._client, answer.shares)
        await wait_active(self._client, self._sleep)
        self.stage = StartStage.ACTIVE
        self._told("Unsealed")
        return answer.root

    async def _initialised(
        self, wish: ShareWish, files: Sequence[ReservedFile], recovery: bool
    ) -> InitAnswer:
        answer = await initialise(self._client, wish, recovery=recovery)
        try:
            for file, content in zip(files, answer.contents(wish), strict=True):
                file.write(content)
        except PkiError as error:
            raise PkiError(
                f"{error}, and the share is lost with it. The server holds nothing yet: stop it, empty its "
                "storage, start it, and run the same again"
            ) from error
        self.stage = StartStage.KEPT
        kind = "recovery shares" if recovery else "shares"
        self._told(f"Initialised: {wish.shares} {kind}, {wish.threshold} needed, in {files[0].path.parent}")
        return answer

    async def finish(self, root: SecretText, *, keep_on_failure: bool) -> StartReport:
        """Apply the foundation, make and prove the admin login, and revoke the root token.

        Raises PkiError if no admin login was proven: then the root token is revoked, unless somebody has it
        and wants it kept.
        """
        expected = [Expected(one.path, one.contains) for one in self._loaded.file.expect_warnings]
        calls = VaultCalls(self._client, root, WarningFilter([*expected, _TOO_SHORT]))
        try:
            accessor = await accessor_of(calls)
            self.stage = StartStage.ACTIVE
            await write_policy(calls, self._loaded.file)
            problem, waits, left = await self._foundation(calls)
            login = await self._login(calls)
        except BaseException:
            if not keep_on_failure:
                await revoked(calls)
            raise
        self.stage = StartStage.ADMIN
        self._told(f"The admin login in {self._admin.file.path} works, until {login.expires}")
        others = await other_roots(calls, accessor)
        stays = await revoked(calls)
        if not stays:
            self.stage = StartStage.DONE
            self._told("The root token is revoked, and Vault refuses it")
        return StartReport(login, accessor, problem, waits, left, stays, tuple(others))

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
        except PkiError as error:
            return str(error), "", False
        return "", "", bool(plan.left)

    async def _login(self, calls: VaultCalls) -> AdminLogin:
        token = await new_admin(calls)
        try:
            self._admin.write(token)
        except PkiError:
            await revoked(calls.as_token(token))
            raise
        return await proven(calls, token)
