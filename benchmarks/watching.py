"""When things happened, as a watch from outside sees it: the same for every system, to the millisecond."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from types import TracebackType

from benchmarks.api import Api, Object
from benchmarks.procfs import now, runs

STALL_SECONDS = 180.0


class Stalled(Exception):
    """Nothing more will be issued, as it seems."""


class Refused(Exception):
    """A request was failed or denied; a benchmark has none that should be."""


class Watch:
    """Notes when each object of one collection was first seen to have begun, and to be done.

    `begun` and `done` (name to seconds on the clock of `procfs.now`) grow while the block runs.
    Objects that were there before count as begun when the watch opened.
    """

    def __init__(
        self,
        api: Api,
        path: str,
        is_done: Callable[[Object], bool],
        is_begun: Callable[[Object], bool] = lambda _: True,
    ) -> None:
        self._api, self._path = api, path
        self._is_done, self._is_begun = is_done, is_begun
        self._open = asyncio.Event()
        self._news = asyncio.Event()
        self.begun: dict[str, float] = {}
        self.done: dict[str, float] = {}

    async def __aenter__(self) -> Watch:
        found, version = await self._api.list(self._path)
        for one in found:
            self._note(one)
        self._task = asyncio.create_task(self._follow(version))
        opened = asyncio.create_task(self._open.wait())
        await asyncio.wait({opened, self._task}, return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        if self._task.done():
            self._task.result()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def until_done(self, count: int, workers: Mapping[str, int]) -> None:
        """Wait until so many are done by processes (name to process id).

        Raises:
            Stalled: a process has ended, or nothing was done for minutes.
            Refused: one was failed or denied.
        """
        seen, since = -1, now()
        while len(self.done) < count:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), 1.0)
            if self._task.done():
                self._task.result()
                raise Stalled("the API server ended the benchmark's watch")
            ended = [name for name, pid in workers.items() if not runs(pid)]
            if ended:
                raise Stalled(f"{' and '.join(ended)} ended")
            if len(self.done) != seen:
                seen, since = len(self.done), now()
            elif now() - since > STALL_SECONDS:
                raise Stalled(f"{seen} of {count} are done, and none more in {STALL_SECONDS:.0f} s")

    async def _follow(self, version: str) -> None:
        """Note what comes. The API server ends a watch that is slow to read: go on where it ended."""
        while True:
            async for event in self._api.watch(self._path, version, self._open.set):
                if event["type"] == "ERROR":
                    raise Stalled(f"the API server ended the benchmark's watch: {event['object']}")
                if event["type"] in ("ADDED", "MODIFIED"):
                    self._note(event["object"])
                version = event["object"]["metadata"]["resourceVersion"]

    def _note(self, one: Object) -> None:
        name, at = one["metadata"]["name"], now()
        if name not in self.begun and self._is_begun(one):
            self.begun[name] = at
        if name not in self.done and self._is_done(one):
            self.done[name] = at
            self._news.set()


def issued(one: Object) -> bool:
    """Whether a CertificateRequest is Ready with a certificate; raises Refused when it never will be."""
    status = one.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] == "Ready":
            if condition["status"] == "True":
                return bool(status.get("certificate"))
            if condition["reason"] in ("Failed", "Denied"):
                raise Refused(f"{one['metadata']['name']}: {condition['reason']}: {condition['message']}")
    return False


def renewing(one: Object) -> bool:
    """Whether a Certificate is asked to be issued anew."""
    conditions = (one.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Issuing" and each["status"] == "True" for each in conditions)


def at_revision(number: int) -> Callable[[Object], bool]:
    """Whether a Certificate's Secret holds its revision `number`."""

    def holds(one: Object) -> bool:
        return int((one.get("status") or {}).get("revision") or 0) >= number and not renewing(one)

    return holds
