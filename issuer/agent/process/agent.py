"""One server's session and its keepers; a step of all of them."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from issuer.agent.config.login import VaultServer
from issuer.agent.config.model import AgentFile
from issuer.agent.config.paths import inode_of
from issuer.agent.config.reading import agent_path
from issuer.agent.errors import AgentError, UnsafePath
from issuer.agent.hooks.checking import CheckFindings
from issuer.agent.login.methods import AgentLogin, login_of
from issuer.agent.login.secretids import SecretIdRenewal
from issuer.agent.process.records import Records, SetRecord
from issuer.agent.process.telling import Telling
from issuer.agent.renewal.clock import ServerClock
from issuer.agent.renewal.keepers.certificates import CertificateKeeper
from issuer.agent.renewal.keepers.chains import CAChainKeeper
from issuer.agent.renewal.keepers.delivered import DeliveredAnswer, DeliveredKeeper
from issuer.agent.renewal.looks import KeepReport
from issuer.agent.renewal.schedule import pause
from issuer.agent.renewal.signing import CertificateCalls, server_time
from issuer.text import rfc3339
from issuer.vault.connection import Connection
from issuer.vault.errors import LoginRefused, VaultError
from issuer.vault.login.methods import Token
from issuer.vault.paths import Mode, SignPath
from issuer.vault.session import VaultSession
from issuer.vault.transport import VaultClient

log = structlog.get_logger(__name__)

WORRYING_SKEW: Final = timedelta(minutes=2)
"""The difference between the clocks that is reported; renewals go by the server's."""
_AT_ONCE: Final = 8
"""The most certificates that are asked for at the same time."""
_SECRET_ID_AGAIN: Final = timedelta(minutes=5)
"""The time after which a secret ID that could not be made is asked for again."""
_chance = random.SystemRandom()
_MACHINE_ID: Final = Path("/etc/machine-id")

_NO_PATH: Final = SignPath("delivered", None, Mode.SIGN, "delivered")
"""The path of certificates that something else asks for; nothing is sent there."""

Keeper = CertificateKeeper | CAChainKeeper


class _NoLogin:
    """The login of an agent that keeps only CA chains."""

    name = "no login"

    async def login(self, client: VaultClient) -> Token:
        """Refuse."""
        raise LoginRefused("vault.login is not given", method=self.name)


class Agent:
    """The sets of files of one `agent.yaml`, and what keeps them: a session, records, a clock."""

    def __init__(
        self,
        file: AgentFile,
        session: VaultSession,
        records: Records,
        clock: ServerClock,
        machine: str,
        secret_ids: SecretIdRenewal | None = None,
    ) -> None:
        self._secret_ids = secret_ids
        self._session = session
        self._clock = clock
        self._few = asyncio.Semaphore(_AT_ONCE)
        self._logs_in = any(not one.delivered for one in file.certificates)
        self._no_secret_id_before: datetime | None = None
        self.over: Callable[[], bool] = lambda: False
        self.retry_after: dict[str, float | None] = {}
        self.errors: dict[str, str] = {}
        """Error of the last look at each set, by its name; kept here also where no record can be written."""
        self._failed_logins = 0
        self._no_login_before = 0.0
        self.records = records
        self.keepers: dict[str, Keeper] = {}
        for spec in file.certificates:
            path, issues = (_NO_PATH, False) if spec.delivered else agent_path(spec.path)
            calls = CertificateCalls(session, path, issues=issues)
            kind = DeliveredKeeper if spec.delivered else CertificateKeeper
            self.keepers[spec.name] = kind(spec, calls, machine, clock)
        for chain in file.ca_chains:
            self.keepers[chain.name] = CAChainKeeper(chain, session.client, clock)
        self._folders = {keeper.spec.name: keeper.spec.folder for keeper in self.keepers.values()}
        self.telling = Telling(file, self.keepers, records.state_folder, clock)

    def recall_clock(self) -> None:
        """Take the difference of the clocks from the newest record, without asking the server."""
        newest = max(map(self.records.read, self.keepers), key=lambda one: one.looked_at, default=None)
        if newest is not None and newest.looked_at:
            self._clock.take(timedelta(seconds=newest.skew_seconds))

    def expect_few_looks(self) -> None:
        """Take each look in a maintenance window for the last one in it, as those of cron may be."""
        for keeper in self.keepers.values():
            if isinstance(keeper, CertificateKeeper):
                keeper.now_and_then = True

    def now(self) -> datetime:
        """Return the server's time, as renewals go by it."""
        return self._clock.now()

    def left(self, name: str) -> float | None:
        """Return the seconds that a set's files are good for, None if it has none or they can't be read."""
        try:
            kept = self.keepers[name].look().kept
        except Exception as error:  # as of a step: it must not end the renewals of all others
            if not isinstance(error, AgentError):
                log.exception("unexpected error; please report it", name=name)
            return None
        return None if kept is None else (kept.not_after - self.now()).total_seconds()

    async def read_clock(self) -> str | None:
        """Take the server's time for the renewals; returns a warning if the clocks differ. Never raises."""
        before = datetime.now(UTC)
        try:
            server = await server_time(self._session.client)
        except VaultError:
            return None
        after = datetime.now(UTC)
        if server is None:
            self._clock.take(self._clock.skew)
            return None
        # Whole seconds, cut: half a second later on average.
        skew = server + timedelta(seconds=0.5) - (before + (after - before) / 2)
        self._clock.take(skew)
        if abs(skew) < WORRYING_SKEW:
            return None
        way = "behind" if skew > timedelta(0) else "ahead of"
        return (
            f"This machine's clock is {abs(skew).total_seconds():.0f} s {way} the server's: set it, as TLS "
            "goes by it. Renewals go by the server's"
        )

    async def keep_login(self) -> None:
        """Log in, or renew the token if that is due: its life can be shorter than a certificate's. Then have
        the next secret ID. After a failure it waits ever longer, and as long as the server asks for. Never
        raises VaultError."""
        tokens = self._session.tokens
        if not self._logs_in or self._clock.ticks() < self._no_login_before:
            return
        try:
            if tokens.token is None or tokens.renew_in() == 0.0:
                await tokens.get()
        except VaultError as error:
            self._failed_logins += 1
            wait = pause(self._failed_logins, _chance.random(), error.retry_after)
            self._no_login_before = self._clock.ticks() + wait
            log.warning(
                "the login failed; certificates can't be renewed without it",
                error=str(error),
                again_in=round(wait),
            )
            return
        self._failed_logins = 0
        await self._keep_secret_id()

    async def _keep_secret_id(self) -> None:
        now = self._clock.now()
        if self._secret_ids is None or (
            self._no_secret_id_before is not None and now < self._no_secret_id_before
        ):
            return
        try:
            await self._secret_ids.keep(self._session)
        except (AgentError, VaultError) as error:
            self._no_secret_id_before = now + _SECRET_ID_AGAIN
            log.warning(
                "the agent can't make its next secret ID: once its token is lost it needs an enrolment. Let "
                "its policy allow update on auth/<mount>/role/<name>/secret-id",
                error=str(error),
            )

    async def step(self, name: str, *, force: bool = False) -> KeepReport | None:
        """Look at one set and renew it if that is due; keeps a record. Returns None if it failed."""
        before = self.records.read(name)
        now = rfc3339(self._clock.now())
        skew = self._clock.skew.total_seconds()
        try:
            async with self.telling.lock(name), self._few:
                if self.over():
                    return None
                if not self._clock.is_known:  # else an answer would be judged by a clock that may be wrong
                    await self.read_clock()
                self._need_own_folder(name)
                report = await self.keepers[name].step(force=force)
        except Exception as error:
            # Of whatever kind: one set's fault must not end the renewals of all others.
            if not isinstance(error, (AgentError, VaultError)):
                log.exception("unexpected error; please report it", name=name)
            self.retry_after[name] = error.retry_after if isinstance(error, VaultError) else None
            self.errors[name] = str(error) or type(error).__name__
            failures = before.failures + 1
            log.warning(
                "the renewal failed; the files stay as they are",
                name=name,
                error=str(error),
                failures=failures,
            )
            self._record(
                replace(before, looked_at=now, failures=failures, error=str(error), skew_seconds=skew)
            )
            return None
        if report.renewed is not None:
            log.info("renewed", name=name, reason=report.renewed, serial=report.kept.serial)
        if report.rewritten:
            log.warning("files had been changed and were written again", name=name, files=report.rewritten)
        renewed_at = now if report.renewed is not None else before.renewed_at
        for text in report.warnings:
            if text not in before.warnings:
                log.warning(text, name=name)
        self._record(SetRecord(name, now, renewed_at, warnings=_all_warnings(report), skew_seconds=skew))
        return report

    async def deliver(self, name: str, answer: DeliveredAnswer) -> KeepReport:
        """Write what was handed over for a set; keeps a record. Raises AgentError."""
        keeper = self.keepers[name]
        if not isinstance(keeper, (DeliveredKeeper, CAChainKeeper)) or not keeper.spec.delivered:
            raise AgentError(
                f'"{name}" is asked for by the agent itself: write "delivered: true" beside its name'
            )
        async with self.telling.lock(name):
            report = keeper.deliver(answer)
        now = rfc3339(self._clock.now())
        self._record(SetRecord(name, now, now, warnings=_all_warnings(report)))
        return report

    async def check(self) -> CheckFindings:
        """Try all but the signing and the hooks: each folder, the login, each path, each consumer."""
        findings = CheckFindings()
        for name, keeper in self.keepers.items():
            try:
                findings.warnings += [f"{name}: {one}" for one in await keeper.check()]
            except Exception as error:  # as of a step: one set's fault hides no other's
                if not isinstance(error, (AgentError, VaultError)):
                    log.exception("unexpected error; please report it", name=name)
                findings.problems.append(f"{name}: {str(error) or type(error).__name__}")
        told = await self.telling.check()
        findings.problems += told.problems
        findings.warnings += told.warnings
        return findings

    def _need_own_folder(self, name: str) -> None:
        """Raise UnsafePath if another set is in the same folder, by a symlink or mount made since."""
        mine = inode_of(self._folders[name])
        for other, folder in self._folders.items():
            if mine is not None and other != name and inode_of(folder) == mine:
                raise UnsafePath(
                    f'"{self._folders[name]}" and "{folder}" of "{other}" are one folder, and the sets '
                    "would overwrite each other: give each a folder of its own"
                )

    def _record(self, record: SetRecord) -> None:
        try:
            self.records.write(record)
        except AgentError as error:
            log.warning("the record for the status can't be written", name=record.name, error=str(error))


def _all_warnings(report: KeepReport) -> tuple[str, ...]:
    return (*report.warnings, *report.standing)


@asynccontextmanager
async def opened_agent(file: AgentFile, state: Path) -> AsyncIterator[Agent]:
    """Open the connections of an agent; what was signed and not written is revoked at the end.

    Raises InvalidConnection, and AgentError for a CA file that can't be read.
    """
    clock = ServerClock()
    async with AsyncExitStack() as stack:
        client = VaultClient(connection_of(file.vault))
        login = _login(file.vault, state, clock)
        session = VaultSession(client, login.method)
        stack.push_async_callback(session.close)
        agent = Agent(file, session, Records(state), clock, machine_name(), login.secret_ids)
        stack.push_async_callback(_close, agent.keepers.values())
        yield agent


async def _close(keepers: Iterable[Keeper]) -> None:
    """Revoke what was signed and not written: at once, as each waits for a server that may be away."""
    for ended in await asyncio.gather(*(keeper.close() for keeper in keepers), return_exceptions=True):
        if isinstance(ended, Exception):
            log.error("unexpected error; please report it", exc_info=ended)


def _login(vault: VaultServer, state: Path, clock: ServerClock) -> AgentLogin:
    return AgentLogin(_NoLogin()) if vault.login is None else login_of(vault, vault.login, state, clock.now)


def connection_of(server: VaultServer) -> Connection:
    """Return the connection that `agent.yaml` names. Raises AgentError."""
    ca = None
    if server.ca_file is not None:
        try:
            ca = server.ca_file.read_bytes()
        except OSError as error:
            raise AgentError(f'The CA file "{server.ca_file}" can\'t be read: {error.strerror}') from error
    return Connection(server.server, ca, server.server_name, namespace=server.namespace)


def machine_name() -> str:
    """Return what tells this machine from others: its machine-id(5), or its host name."""
    try:
        return _MACHINE_ID.read_text(encoding="ascii").strip() or socket.gethostname()
    except (OSError, ValueError):
        return socket.gethostname()
