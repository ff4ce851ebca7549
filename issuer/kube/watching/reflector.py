"""Keeps a handler in step with a resource: a list, then a watch, resumed while the server allows.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes and
client-go's reflector.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import structlog

from issuer.kube.client import TOO_LARGE, KubeClient
from issuer.kube.errors import BadRequest, Expired, Forbidden, KubeError, NotFound
from issuer.kube.resources import Resource
from issuer.kube.watching.handler import Handler, HandlerCalls
from issuer.kube.watching.listing import PAGE, Lister
from issuer.kube.watching.source import READ_TIMEOUT, ObjectSource
from issuer.kube.wire import Object

_FIRST_BACKOFF: Final = 0.2
_LONGEST_BACKOFF: Final = 10.0  # one request each: what it costs is how late the end of an outage is noticed
_LONGEST_ASKED: Final = 60.0  # seconds of a Retry-After that are obeyed
_SETTLED: Final = 5.0  # a watch that lasted this long, or brought something, was a good one

_log = structlog.get_logger(__name__)


class Reflector:
    """Runs one list-and-watch. `keep` filters each object, whatever the server filters.

    `streamed` asks for a streaming list; a server that has none is asked for pages. An `optional` resource
    may be forbidden or unknown: that is no fault, is logged once, and asked for again.

    Objects come without `metadata.managedFields`, which no handler reads; a PUT without them leaves them as
    they are.
    """

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        handler: Handler,
        *,
        namespace: str | None = None,
        field_selector: str | None = None,
        keep: Callable[[Object], bool] | None = None,
        optional: bool = False,
        streamed: bool = False,
        page_size: int = PAGE,
        read_timeout: float = READ_TIMEOUT,
        first_backoff: float = _FIRST_BACKOFF,
    ) -> None:
        self._log = _log.bind(resource=resource.plural)
        self._source = ObjectSource(client, resource, namespace, field_selector, read_timeout)
        self._calls = HandlerCalls(handler, keep, self._log)
        self._lister = Lister(
            self._source, self._calls, streamed=streamed, page_size=page_size, log=self._log
        )
        self._optional = optional
        self._withheld = False  # and told
        self._first_backoff = first_backoff
        self._failures = 0
        self._expiries = 0
        self._version = ""  # where the next watch starts; empty: list first
        self.synced = asyncio.Event()
        """Set once the first list was handed on in full."""
        self.restarts = 0
        """Lists and watches that ended with an error."""
        self.relists = 0
        """Full lists after the first."""

    @property
    def resource_version(self) -> str:
        """The version at which the next watch resumes; "" if a list comes first."""
        return self._version

    @property
    def server_side_filter(self) -> bool:
        """True if the server filters by the field selector, as far as is known."""
        return self._source.server_side_filter

    @property
    def current(self) -> bool:
        """True if the handler's objects are kept up to date, as far as is known."""
        return self.synced.is_set() and not self._source.refused

    @property
    def refused(self) -> bool:
        """True if the server withheld the objects at the last try, or knows no such resource."""
        return self._source.refused

    @property
    def too_large(self) -> int:
        """Events that were skipped because of their size."""
        return self._calls.too_large

    @property
    def handler_errors(self) -> int:
        """Exceptions of the handler and of `keep`; each concerned one object and was logged."""
        return self._calls.errors

    async def run(self) -> None:
        """List and watch until cancelled. No error ends it: it pauses, longer each time, and goes on."""
        while True:
            began = math.inf
            try:
                if not self._version:
                    await self._list()
                began = time.monotonic()
                brought = await self._watch()
                if brought or time.monotonic() - began >= _SETTLED:
                    self._failures = self._expiries = 0
                    self._withheld = self._source.refused = False
                else:
                    # A server that ends each watch at once must not be asked in a loop.
                    await self._pause(None)
            except KubeError as error:
                if time.monotonic() - began >= _SETTLED:
                    self._failures = 0  # it was a good watch until now
                await self._failed(error)
            except Exception:  # noqa: BLE001 - whatever it is, a reflector that ends would blind the controller
                self.restarts += 1
                self._version = ""
                self._log.exception("reflector failed, listing again")
                await self._pause(None)

    async def _list(self) -> None:
        self._version = await self._lister.hand_on()
        if self.synced.is_set():
            self.relists += 1
        self.synced.set()

    async def _watch(self) -> bool:
        """Watch once, to the watch's end; return True if it brought anything."""
        brought = False
        async with aclosing(self._source.events(self._version)) as events:
            async for kind, obj in events:
                if kind == TOO_LARGE:
                    self._calls.event(kind, obj)
                    continue
                if not brought:
                    brought = True
                    self._source.refused = False
                    self._failures = self._expiries = 0
                version = obj["metadata"]["resourceVersion"]
                if kind != "BOOKMARK":
                    self._calls.event(kind, obj)
                self._version = version
        return brought

    async def _failed(self, error: KubeError) -> None:
        if self._optional and isinstance(error, (Forbidden, NotFound)):
            await self._not_ours(error)
            return
        self.restarts += 1
        if isinstance(error, Expired):
            self._log.info("watch expired, listing again", resource_version=self._version)
            self._version = ""
            # The server is there, whatever was before: only expiries that follow each other lengthen the
            # pause.
            self._failures, self._expiries = self._expiries, self._expiries + 1
            # A good moment to ask again: the CRD may know the field by now.
            self._source.selector_refused = False
            await self._pause(None)
            return
        if isinstance(error, BadRequest) and self.server_side_filter:
            self._source.selector_refused = True
            self._version = ""
            self._log.warning(
                "server refuses the field selector, filtering here",
                selector=self._source.field_selector,
                error=error.message,
            )
            return
        self._log.warning(
            "list or watch failed", error=error.message, status=error.status, failures=self._failures
        )
        await self._pause(error.retry_after)

    async def _not_ours(self, error: KubeError) -> None:
        """Leave a resource alone that RBAC withholds or the server lacks; ask again later."""
        self._source.refused = True
        if not self._withheld:
            self._withheld = True
            self._log.info("may not be watched, and is left alone", error=error.message)
        await self._pause(_LONGEST_BACKOFF)

    async def _pause(self, at_least: float | None) -> None:
        delay = min(_LONGEST_BACKOFF, self._first_backoff * 2 ** min(self._failures, 16))
        self._failures += 1
        delay *= 0.5 + random.random() / 2  # noqa: S311 - spreads load, hides nothing
        await asyncio.sleep(max(delay, min(at_least or 0.0, _LONGEST_ASKED)))
