"""Steps again and again, at their times, until the process is told to stop."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import structlog

from issuer.agent.config.model import AgentFile
from issuer.agent.errors import AgentError
from issuer.agent.hooks.records import HookOutcome
from issuer.agent.process.agent import Agent, connection_of, opened_agent
from issuer.agent.renewal.schedule import pause
from issuer.manifests.errors import BadInput
from issuer.vault.errors import VaultError

log = structlog.get_logger(__name__)

_chance = random.SystemRandom()

LOOK_EVERY: Final = 60.0
"""Seconds between two looks at the files of a set, at most: somebody may have edited them."""
_CLOCK_EVERY: Final = 3600.0
_REPORT_PAUSE: Final = 5.0
"""Seconds between two reports at least: one costs a look at every set."""


class Running:
    """An agent at work.

    `changed` reads the configuration anew and returns it if it is another one; `looked` is called once for
    all looks of a minute, and of some seconds if anything was done or failed; `alive` several times a minute,
    until all has ended.
    """

    def __init__(
        self,
        file: AgentFile,
        state: Path,
        changed: Callable[[], AgentFile | None],
        looked: Callable[[Agent], None] = lambda _: None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._alive = alive
        self._file = file
        self._state = state
        self._changed = changed
        self._looked = looked
        self._good: AgentFile | None = None
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._news: dict[str, asyncio.Event] = {}
        self._to_report = asyncio.Event()
        self._to_reread = asyncio.Event()

    def reread(self) -> None:
        """Look at the configuration at once, and not at its next turn."""
        self._to_reread.set()

    def stop(self) -> None:
        """End after the steps that are under way."""
        self._stop.set()
        self._replace()

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Keep all sets until `stop`; `ready` is called after the first look at each."""
        living = asyncio.create_task(self._live(), name="alive")
        try:
            await self._run(ready)
        finally:
            living.cancel()

    async def _live(self) -> None:
        """Tell that the process is alive: also while hooks and revocations at its end are waited for."""
        while True:
            self._alive()
            await asyncio.sleep(LOOK_EVERY / 4)

    async def _run(self, ready: Callable[[], None]) -> None:
        first = True
        while not self._stop.is_set():
            async with AsyncExitStack() as stack:
                agent = await self._opened(stack)
                stack.callback(self._tell, agent)  # of what was done last
                group = await stack.enter_async_context(asyncio.TaskGroup())
                self._hurry.clear()
                self._to_report.set()
                if self._stop.is_set():  # told while the connections were opened
                    break
                if (warning := await agent.read_clock()) is not None:
                    log.warning(warning)
                begun = [asyncio.Event() for _ in agent.keepers]
                for name, event in zip(agent.keepers, begun, strict=True):
                    group.create_task(self._keep(agent, name, event), name=f"keep-{name}")
                self._news = {name: asyncio.Event() for name in agent.telling.consumers}
                for name in self._news:
                    group.create_task(self._tell_consumer(agent, name), name=f"tell-{name}")
                group.create_task(self._watch(agent), name="watch-configuration")
                group.create_task(self._report(agent), name="report")
                if first:
                    for event in begun:
                        await event.wait()
                    ready()
                    first = False

    async def _opened(self, stack: AsyncExitStack) -> Agent:
        """Open the agent of the newest file, or go on with the one before. Raises AgentError, VaultError."""
        try:
            agent = await stack.enter_async_context(opened_agent(self._file, self._state))
        except (AgentError, VaultError) as error:
            if self._good is None:
                raise
            log.error("the changed configuration can't be used; the old one stays", error=str(error))
            self._file = self._good
            agent = await stack.enter_async_context(opened_agent(self._file, self._state))
        self._good = self._file
        agent.over = self._over
        return agent

    async def _keep(self, agent: Agent, name: str, begun: asyncio.Event) -> None:
        failures = 0
        if self._over():
            begun.set()
        while not self._over():
            try:
                report = await agent.step(name)
            finally:
                begun.set()
            if report is None or report.has_new_files:
                self._to_report.set()
            self._wake(agent.telling.of(name))
            failures = 0 if report is not None else failures + 1
            if report is None:
                asked, left = agent.retry_after.get(name), agent.left(name)
                await self._wait(pause(failures, _chance.random(), asked, left))
                continue
            until = (report.kept.renew_at - agent.now()).total_seconds()
            await self._wait(min(max(until, 1.0), LOOK_EVERY))

    async def _tell_consumer(self, agent: Agent, name: str) -> None:
        """Tell one consumer whenever its files have changed, and again after a pause if that failed."""
        news = self._news[name]
        while not self._over():
            news.clear()
            try:
                if not agent.telling.has_news(name):
                    await self._wait(LOOK_EVERY, news)
                    continue
                await agent.telling.settle(name)
                record = await agent.telling.tell(name)
            except Exception:  # one consumer's fault must not end all others
                log.exception("unexpected error; please report it", consumer=name)
                await self._wait(LOOK_EVERY)
                continue
            self._to_report.set()
            if record.outcome is HookOutcome.FAILED:
                await self._wait(pause(max(record.failures, 1), _chance.random()))

    def _wake(self, names: Iterable[str]) -> None:
        for name in names:
            self._news[name].set()

    async def _watch(self, agent: Agent) -> None:
        """Look for another configuration, and at the server's clock now and then."""
        read_at = asyncio.get_running_loop().time()
        while not self._over():
            await agent.keep_login()
            await self._wait(LOOK_EVERY / 4, self._to_reread)
            self._to_reread.clear()
            if (file := self._changed()) is not None:
                log.info("the configuration was changed and is read anew")
                self._file = file
                self._replace()
            if asyncio.get_running_loop().time() - read_at > _CLOCK_EVERY:
                read_at = asyncio.get_running_loop().time()
                if (warning := await agent.read_clock()) is not None:
                    log.warning(warning)

    async def _report(self, agent: Agent) -> None:
        while not self._over():
            await self._wait(LOOK_EVERY, self._to_report)
            self._to_report.clear()
            self._tell(agent)
            await self._wait(_REPORT_PAUSE)

    def _replace(self) -> None:
        """End the agent that is at work."""
        self._hurry.set()
        self._to_report.set()
        self._to_reread.set()
        self._wake(self._news)

    def _tell(self, agent: Agent) -> None:
        try:
            self._looked(agent)
        except AgentError as error:
            log.warning("the metrics can't be written", error=str(error))
        except Exception:  # of one set's files: it must not end the renewals of all others
            log.exception("unexpected error; please report it")

    def _over(self) -> bool:
        return self._hurry.is_set()

    async def _wait(self, seconds: float, event: asyncio.Event | None = None) -> None:
        """Wait for the end of this agent, or for `event`, which is set then, too; at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await (event or self._hurry).wait()
        except TimeoutError:
            return


class ConfigurationFile:
    """A configuration with its CA file, whose changes are seen by their bytes; what can't be used leaves the
    old one."""

    def __init__(self, path: str, load: Callable[[str], AgentFile], file: AgentFile | None = None) -> None:
        self._path = path
        self._load = load
        self._ca = None if file is None else file.vault.ca_file
        self._digests = (_digest(Path(path)), _digest(self._ca))

    def changed(self) -> AgentFile | None:
        """Return the newest configuration, None if nothing has changed or it can't be used."""
        digests = (_digest(Path(self._path)), _digest(self._ca))
        if digests == self._digests or digests[0] is None or (self._ca is not None and digests[1] is None):
            return None
        self._digests = digests
        try:
            file = self._load(self._path)
            connection_of(file.vault).tls()
        except (BadInput, AgentError, VaultError) as error:
            log.error("the changed configuration can't be used; the old one stays", error=str(error))
            return None
        self._ca = file.vault.ca_file
        self._digests = (digests[0], _digest(self._ca))
        return file


def _digest(path: Path | None) -> str | None:
    """Return the digest of a file's bytes, None if it can't be read."""
    try:
        return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None
