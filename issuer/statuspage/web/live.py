"""Broadcasts the page's sections: one snapshot a second for all viewers, and none without any.

A round takes one snapshot and builds every list of requests that is looked at. The next one comes a second
later, or later still if a round takes long, so that watching never costs more than a small share of the
process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import structlog

from issuer.statuspage.model import Query, Source
from issuer.statuspage.requests import requests
from issuer.statuspage.sections import Sections, build_in_steps
from issuer.statuspage.snapshot import take

log = structlog.get_logger(__name__)

EVERY: Final = 1.0
"""Seconds between two rounds."""

SHARE: Final = 10
"""A round that takes t seconds is followed by at least SHARE times t without one."""

MOST_VIEWERS: Final = 32
"""Viewers who may watch at the same time."""

MOST_LISTS: Final = 64
"""Different lists of requests in one round."""


class TooManyViewers(Exception):
    """Raised at the limit of viewers, or of different lists of requests."""


class Broadcaster:
    """Serves viewers once (`look`) or continuously (`watch`) from the same rounds."""

    def __init__(
        self,
        source: Source,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        every: float = EVERY,
    ) -> None:
        self._source = source
        self._now = now
        self._clock = clock
        self._every = every
        self._looking: dict[Query, asyncio.Future[Sections]] = {}
        self._watching: dict[object, Query] = {}
        self._latest: dict[Query, Sections] = {}
        self._made = self._due = -float("inf")
        self._turn = asyncio.Event()  # set, and replaced, at the end of each round
        self._rounds: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def watching(self) -> int:
        """The number of viewers who watch."""
        return len(self._watching)

    async def look(self, query: Query) -> Sections:
        """Return the sections, at most a second old. Raises TooManyViewers."""
        found = self._latest.get(query)
        if found is not None and self._clock() < self._made + self._every:
            return found
        if self._closed or self._too_many(query):
            raise TooManyViewers
        future = self._looking.setdefault(query, asyncio.get_running_loop().create_future())
        self._go()
        return await asyncio.shield(future)

    async def watch(self, query: Query, heartbeat: float) -> AsyncGenerator[Sections, None]:
        """Yield the sections that changed: all at first, and none after `heartbeat` quiet seconds.

        Ends when the server is closed. Raises TooManyViewers.
        """
        if self._closed or len(self._watching) >= MOST_VIEWERS or self._too_many(query):
            raise TooManyViewers
        me, clock = object(), asyncio.get_running_loop().time
        self._watching[me] = query
        sent: Sections = {}
        last_sent = clock()
        try:
            while not self._closed:
                self._go()
                turn = self._turn
                latest = self._latest.get(query, sent)
                news = {name: html for name, html in latest.items() if sent.get(name) != html}
                silent = last_sent + heartbeat - clock()
                if news or silent <= 0:
                    sent = latest
                    yield news
                    last_sent = clock()
                    continue  # a round may have ended while this was sent
                with suppress(TimeoutError):
                    async with asyncio.timeout(silent):
                        await turn.wait()
        finally:
            del self._watching[me]

    async def close(self) -> None:
        """End all streams and the rounds."""
        self._closed = True
        self._turn.set()
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.gather(self._rounds, return_exceptions=True)
        for future in self._looking.values():
            future.cancel()

    def _too_many(self, query: Query) -> bool:
        """Return True if this query would be one list too many for a round."""
        lists = {*self._looking, *self._watching.values()}
        return query not in lists and len(lists) >= MOST_LISTS

    def _go(self) -> None:
        if self._rounds is None or self._rounds.done():
            self._rounds = asyncio.create_task(self._run(), name="status-page")

    async def _run(self) -> None:
        """Make rounds as long as there are viewers."""
        while self._looking or self._watching:
            await asyncio.sleep(max(0.0, self._due - self._clock()))
            began = self._clock()
            looking, self._looking = self._looking, {}
            try:
                await self._round({*looking, *self._watching.values()})
                for query, future in looking.items():
                    if not future.done():
                        future.set_result(self._latest[query])
            except Exception as error:  # a defect of the page must not end it
                log.exception("status page not made", error=repr(error))
                for future in looking.values():
                    if not future.done():
                        future.set_exception(error)
            finally:  # closing cancels a round, and nobody else knows who looks
                for future in looking.values():
                    future.cancel()
            took = self._clock() - began
            self._due = began + max(self._every, took * (SHARE + 1))
            turn, self._turn = self._turn, asyncio.Event()
            turn.set()

    async def _round(self, queries: set[Query]) -> None:
        snapshot = await take(self._source, queries, self._now())
        alike, latest = await _made(build_in_steps(snapshot)), {}
        for query in queries:
            await asyncio.sleep(0)
            latest[query] = {**alike, "requests": requests(snapshot, query)}
        self._latest = latest
        self._made = self._clock()


async def _made(steps: Generator[None, None, Sections]) -> Sections:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: Sections = end.value
            return made
        await asyncio.sleep(0)
