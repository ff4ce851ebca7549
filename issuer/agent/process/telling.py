"""All consumers of one file: told when their files have changed; the old files again for one that refuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from issuer.agent.config.model import AgentFile
from issuer.agent.errors import AgentError
from issuer.agent.hooks.checking import CheckFindings
from issuer.agent.hooks.consumer import Consumer, SetSpec
from issuer.agent.hooks.errors import HookFailed, NotRunning
from issuer.agent.hooks.records import ConsumerRecord, ConsumerRecords, HookOutcome
from issuer.agent.renewal.clock import ServerClock
from issuer.agent.renewal.keepers.certificates import CertificateKeeper
from issuer.agent.renewal.keepers.chains import CAChainKeeper
from issuer.text import rfc3339

log = structlog.get_logger(__name__)

_SETTLES: Final = 0.2
"""Seconds for other sets of a consumer that are renewed at the same time: one hook for all of them."""
_LONGEST_SETTLING: Final = 5.0
_TRIED_AGAIN: Final = "the new ones are tried again later"
_TO_DELIVER: Final = "deliver the new ones again, or others"


class Telling:
    """Tells consumers. `keepers` are those of all sets, by name."""

    def __init__(
        self,
        file: AgentFile,
        keepers: Mapping[str, CertificateKeeper | CAChainKeeper],
        state: Path,
        clock: ServerClock,
    ) -> None:
        self._keepers = keepers
        self._clock = clock
        self.records = ConsumerRecords(state)
        sets: dict[str, SetSpec] = {one.name: one for one in file.certificates}
        sets |= {one.name: one for one in file.ca_chains}
        self.consumers = {spec.name: Consumer(spec, sets) for spec in file.consumers}
        self._locks = {name: asyncio.Lock() for name in keepers}
        self._unrecorded = dict.fromkeys(self.consumers, 0)

    def lock(self, name: str) -> asyncio.Lock:
        """Return the lock of a set: held while its files are looked at, written, or gone back on."""
        return self._locks[name]

    def of(self, name: str) -> list[str]:
        """Return the names of the consumers of a set."""
        return [consumer.spec.name for consumer in self.consumers.values() if name in consumer.spec.sets]

    async def check(self) -> CheckFindings:
        """Try all of each consumer but its hook; tells nobody."""
        findings = CheckFindings()
        for name, consumer in self.consumers.items():
            findings.add(name, await consumer.check())
        return findings

    def has_news(self, name: str) -> bool:
        """Return True if a consumer has to be told. Never raises: its set tells what can't be read."""
        try:
            return bool(self.consumers[name].news(self.records.read(name).delivered))
        except AgentError:
            return False

    async def settle(self, name: str) -> None:
        """Wait a moment, and for steps of the consumer's sets that are under way, but no longer than 5 s."""
        sets = self.consumers[name].spec.sets
        try:
            async with asyncio.timeout(_LONGEST_SETTLING):
                await asyncio.sleep(_SETTLES)
                while busy := [one for one in sets if self._locks[one].locked()]:
                    async with self._locks[busy[0]]:
                        pass
        except TimeoutError:
            return

    async def tell(self, name: str) -> ConsumerRecord:
        """Tell one consumer if it has to be told; returns its record. Never raises AgentError."""
        consumer = self.consumers[name]
        try:
            with self.records.telling(name) as mine:
                before = self.records.read(name)
                news = consumer.news(before.delivered) if mine else ()
                if not news:
                    return before
                record = await self._told(consumer, before, news)
                self.records.write(record)
        except AgentError as error:
            # Its files, or the state folder: without a record it is told again, ever later.
            log.warning("a consumer can't be told", consumer=name, error=str(error))
            before = self.records.read(name)
            self._unrecorded[name] += 1
            failures = before.failures + self._unrecorded[name]
            return replace(before, outcome=HookOutcome.FAILED, failures=failures, error=str(error))
        self._unrecorded[name] = 0
        return record

    async def _told(
        self, consumer: Consumer, before: ConsumerRecord, news: tuple[str, ...]
    ) -> ConsumerRecord:
        began, now = time.monotonic(), rfc3339(self._clock.now())
        delivered: Mapping[str, str] = consumer.identities()
        warnings, error, outcome = tuple[str, ...](), "", HookOutcome.TOLD
        try:
            warnings = await consumer.tell(news)
        except NotRunning as failure:
            if consumer.spec.may_be_stopped:
                outcome = HookOutcome.STOPPED
            else:
                outcome, error = HookOutcome.FAILED, str(failure)
        except Exception as failure:
            if not isinstance(failure, AgentError):
                log.exception("unexpected error; please report it", consumer=consumer.spec.name)
            outcome, error = HookOutcome.FAILED, str(failure) or type(failure).__name__
            helps = isinstance(failure, HookFailed) and failure.may_be_the_files
            if helps and any(map(before.delivered.get, news)):
                old, more = await self._went_back(consumer, news)
                if old:
                    outcome, delivered = HookOutcome.ROLLED_BACK, old
                error += more
        record = ConsumerRecord(
            name=consumer.spec.name,
            outcome=outcome,
            delivered=before.delivered if outcome is HookOutcome.FAILED else delivered,
            told_at=now,
            succeeded_at=now if outcome is HookOutcome.TOLD else before.succeeded_at,
            seconds=round(time.monotonic() - began, 3),
            failures=before.failures + 1 if error else 0,
            runs=before.runs + 1,
            failed_runs=before.failed_runs + bool(error),
            error=error,
            warnings=warnings,
        )
        self._report(record, news)
        return record

    async def _went_back(self, consumer: Consumer, news: Sequence[str]) -> tuple[Mapping[str, str], str]:
        """Go back to the old files; returns what the consumer has then, and text to add to its error.

        Nothing, with the new files in place, if that doesn't help or can't be done. Never raises AgentError.
        """
        taken: dict[str, CertificateKeeper] = {}
        try:
            for name in news:
                keeper = self._keepers[name]
                if consumer.spec.roll_back and isinstance(keeper, CertificateKeeper):
                    async with self._locks[name]:
                        taken[name] = keeper  # before: it can fail half done
                        if not await keeper.take_back():
                            del taken[name]
            if not taken:
                return {}, ""
            await consumer.tell(tuple(taken))
            found = consumer.identities()
        except Exception as failure:
            if not isinstance(failure, AgentError):
                log.exception("unexpected error; please report it", consumer=consumer.spec.name)
            more = _going_back_failed(failure)
            for name, keeper in taken.items():
                more += await self._put_forward(name, keeper)
            return {}, more
        again = all(keeper.tries_again for keeper in taken.values())
        return found, f". It has the old files again; {_TRIED_AGAIN if again else _TO_DELIVER}"

    async def _put_forward(self, name: str, keeper: CertificateKeeper) -> str:
        """Have readers see the newer set again; returns text for the error if that fails."""
        try:
            async with self._locks[name]:
                keeper.put_forward()
        except Exception as failure:
            if not isinstance(failure, AgentError):
                log.exception("unexpected error; please report it", name=name)
            return _going_back_failed(failure)
        return ""

    def _report(self, record: ConsumerRecord, news: Sequence[str]) -> None:
        if record.is_failing:
            log.warning(
                "a consumer was not told",
                consumer=record.name,
                sets=list(news),
                outcome=record.outcome,
                failures=record.failures,
                error=record.error,
            )
            return
        log.info(
            "told", consumer=record.name, sets=list(news), outcome=record.outcome, seconds=record.seconds
        )


def _going_back_failed(failure: Exception) -> str:
    return f". Going back to the old files failed, too: {str(failure) or type(failure).__name__}"
