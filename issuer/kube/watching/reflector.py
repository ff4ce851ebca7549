"""Keeps a handler in step with a resource: a list, then a watch, resumed while the server allows.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes and
client-go's reflector. The list is a stream of objects where the server has such, and else comes in pages that
are small while objects are large; it is never held whole.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, Protocol

import structlog

from issuer.kube.client import INITIAL_END, MAX_LINE, TOO_LARGE, KubeClient, Page
from issuer.kube.errors import (
    AnswerTooLarge,
    BadRequest,
    Expired,
    Forbidden,
    Invalid,
    KubeError,
    NotFound,
    Unavailable,
)
from issuer.kube.resources import Resource
from issuer.kube.wire import Object

PAGE: Final = 200
"""Objects asked for in a page at most."""

_FIRST_PAGE: Final = 10  # MAX_PAGE has room for that many of the largest objects
_SMALL_PAGE: Final = 1 << 20  # bytes; after such a page twice as many objects are asked for
_LARGE_PAGE: Final = 4 << 20  # bytes; after such a page half as many: parsed it takes three times the memory

WATCH_SECONDS: Final = (45, 75)
"""Seconds a watch is asked to last: a range, so that watches that began together do not end together.

Below READ_TIMEOUT: a watch with no events may get no bookmarks either, and silence must not look like death.
"""

LIST_SECONDS: Final = 180
"""Seconds a streaming list is asked to last at most; pages follow one that does not end by then.

More than a watch: on a busy machine 400 VaultIssuers of 130 MB in all were not listed after 56 seconds.
"""

READ_TIMEOUT: Final = 90.0
"""Seconds of silence after which a watch's connection is taken for dead."""

_FIRST_BACKOFF: Final = 0.2
_LONGEST_BACKOFF: Final = 10.0  # one request each: what it costs is how late the end of an outage is noticed
_LONGEST_ASKED: Final = 60.0  # seconds of a Retry-After that are obeyed
_SETTLED: Final = 5.0  # a watch that lasted this long, or brought something, was a good one
_PAGED_TRIES: Final = 2  # paged lists that may expire half-way before the list is asked for in one piece

_log = structlog.get_logger(__name__)


class Handler(Protocol):
    """The receiver of a resource's objects. Its methods run on the event loop: quick, and not async."""

    def begin(self) -> None:
        """Begin a full list, which replaces all that was known; voids a list that was begun and not ended."""

    def add(self, obj: Object) -> None:
        """Take an object of the list."""

    def end(self) -> None:
        """End the list: objects known before and not added since `begin` are gone."""

    def upsert(self, obj: Object) -> None:
        """Take an object that was created or changed."""

    def remove(self, obj: Object) -> None:
        """Drop an object that is gone (its last state), or that is no longer kept; perhaps never seen."""


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
        self._client = client
        self._resource = resource
        self._handler = handler
        self._namespace = namespace
        self._field_selector = field_selector
        self._keep = keep if keep is not None else _everything
        self._optional = optional
        self._withheld = False  # and told
        self._refused = False  # at the last try
        self._streamed = streamed
        self._broke_off = False  # the last streaming list
        self._page_size = page_size
        self._read_timeout = read_timeout
        self._first_backoff = first_backoff
        self._selector_refused = False
        self._failures = 0
        self._expiries = 0
        self._version = ""  # where the next watch starts; empty: list first
        self._log = _log.bind(resource=resource.plural)
        self.synced = asyncio.Event()
        """Set once the first list was handed on in full."""
        self.restarts = 0
        """Lists and watches that ended with an error."""
        self.relists = 0
        """Full lists after the first."""
        self.too_large = 0
        """Events that were skipped because of their size."""
        self.handler_errors = 0
        """Exceptions the handler raised; each concerned one object and was logged."""
        self.last_contact = 0.0
        """`time.monotonic()` when the server last sent something; 0 before."""

    @property
    def resource_version(self) -> str:
        """The version at which the next watch resumes; "" if a list comes first."""
        return self._version

    @property
    def server_side_filter(self) -> bool:
        """True if the server filters by the field selector, as far as is known."""
        return self._field_selector is not None and not self._selector_refused

    @property
    def current(self) -> bool:
        """True if the handler's objects are kept up to date, as far as is known."""
        return self.synced.is_set() and not self._refused

    @property
    def refused(self) -> bool:
        """True if the server withheld the objects at the last try, or knows no such resource."""
        return self._refused

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
                    self._withheld = self._refused = False
                else:
                    await self._pause(
                        None
                    )  # a server that ends each watch at once must not be asked in a loop
            except KubeError as error:
                if time.monotonic() - began >= _SETTLED:
                    self._failures = 0  # it was a good watch until now
                await self._failed(error)
            except Exception:  # noqa: BLE001 - whatever it is, a reflector that ends would blind the controller
                self.restarts += 1
                self._version = ""
                self._log.exception("reflector failed, listing again")
                await self._pause(None)

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
            self._selector_refused = False  # a good moment to ask again: the CRD may know the field by now
            await self._pause(None)
            return
        if isinstance(error, BadRequest) and self.server_side_filter:
            self._selector_refused = True
            self._version = ""
            self._log.warning(
                "server refuses the field selector, filtering here",
                selector=self._field_selector,
                error=error.message,
            )
            return
        self._log.warning(
            "list or watch failed", error=error.message, status=error.status, failures=self._failures
        )
        await self._pause(error.retry_after)

    async def _not_ours(self, error: KubeError) -> None:
        """Leave a resource alone that RBAC withholds or the server lacks; ask again later."""
        self._refused = True
        if not self._withheld:
            self._withheld = True
            self._log.info("may not be watched, and is left alone", error=error.message)
        await self._pause(_LONGEST_BACKOFF)

    async def _pause(self, at_least: float | None) -> None:
        delay = min(_LONGEST_BACKOFF, self._first_backoff * 2 ** min(self._failures, 16))
        self._failures += 1
        delay *= 0.5 + random.random() / 2  # noqa: S311 - spreads load, hides nothing
        await asyncio.sleep(max(delay, min(at_least or 0.0, _LONGEST_ASKED)))

    async def _list(self) -> None:
        """Hand on a whole list."""
        version = await self._list_streamed() if self._streamed and not self._broke_off else None
        self._version = await self._list_in_pages() if version is None else version
        self._broke_off = False
        if self.synced.is_set():
            self.relists += 1
        self.synced.set()

    async def _list_streamed(self) -> str | None:
        """Hand on a list as a stream of objects, each parsed alone; return its resourceVersion.

        None if the server has no streaming lists. Changes made meanwhile may come before its end.
        """
        self._handler.begin()
        try:
            async with aclosing(self._events(None)) as events:
                async for kind, obj in events:
                    self.last_contact = time.monotonic()
                    self._refused = False
                    if kind == "BOOKMARK":
                        if INITIAL_END in (obj["metadata"].get("annotations") or {}):
                            self._handler.end()
                            return str(obj["metadata"]["resourceVersion"])
                    elif kind in ("ADDED", "MODIFIED") and self._kept(obj):
                        self._call(self._handler.add, obj)
                    else:
                        self._event(kind, obj)
        except Unavailable:
            self._broke_off = True  # whatever that server has, pages may go through
            raise
        except (BadRequest, Invalid) as error:
            if isinstance(error, BadRequest) and self.server_side_filter:
                raise  # it may be the selector
            self._streamed = False
            self._log.info("server has no streaming lists, asking for pages", error=error.message)
            return None
        self._broke_off = True
        raise Unavailable(f"WATCH {self._resource.plural}: it ended before the list was complete")

    async def _list_in_pages(self) -> str:
        """Hand on a list in pages; one whose continue token expires half-way starts again."""
        for _ in range(_PAGED_TRIES):
            try:
                return await self._list_paged(min(_FIRST_PAGE, self._page_size))
            except Expired:
                self._log.info("list expired between pages, starting again")
        # Pages take longer than the server keeps history. One piece can't expire; its size is bounded.
        return await self._list_paged(0)

    async def _list_paged(self, limit: int) -> str:
        self._handler.begin()
        version, token = "", ""
        while True:
            try:
                page = await self._page(limit, token)
            except AnswerTooLarge:
                if limit == 1:
                    raise
                limit = max(1, (limit or self._page_size) // 2)
                continue
            version = version or page.resource_version
            for obj in page.items:
                if self._kept(obj):
                    self._call(self._handler.add, obj)
            if not page.continue_token:
                break
            token, limit = page.continue_token, self._next_limit(limit, page.size)
        self._handler.end()
        return version

    def _next_limit(self, limit: int, size: int) -> int:
        """Return the number of objects to ask for after a page of `size` bytes."""
        if size > _LARGE_PAGE:
            return max(1, limit // 2)
        return min(self._page_size, limit * 2) if size < _SMALL_PAGE else limit

    async def _page(self, limit: int, token: str) -> Page:
        page = await self._client.list_page(
            self._resource,
            namespace=self._namespace,
            limit=limit,
            continue_token=token,
            field_selector=self._selector(),
        )
        self.last_contact = time.monotonic()
        self._refused = False
        return page

    async def _watch(self) -> bool:
        """Watch once, to the watch's end; return True if it brought anything."""
        brought = False
        async with aclosing(self._events(self._version)) as events:
            async for kind, obj in events:
                self.last_contact = time.monotonic()
                if kind == TOO_LARGE:
                    self._event(kind, obj)
                    continue
                if not brought:
                    brought = True
                    self._refused = False
                    self._failures = self._expiries = 0
                version = obj["metadata"]["resourceVersion"]
                if kind != "BOOKMARK":
                    self._event(kind, obj)
                self._version = version
        return brought

    def _events(self, version: str | None) -> AsyncGenerator[tuple[str, Object], None]:
        return self._client.watch(
            self._resource,
            resource_version=version,
            namespace=self._namespace,
            field_selector=self._selector(),
            timeout_seconds=LIST_SECONDS if version is None else _watch_seconds(),
            read_timeout=self._read_timeout,
        )

    def _event(self, kind: str, obj: Object) -> None:
        if kind == TOO_LARGE:
            self.too_large += 1
            self._log.error("an object is too large and was skipped", bound=MAX_LINE)
        elif kind == "DELETED":
            self._call(self._handler.remove, obj)
        elif kind in ("ADDED", "MODIFIED"):
            # What is not kept any more is removed; the handler knows whether it ever had it.
            self._call(self._handler.upsert if self._kept(obj) else self._handler.remove, obj)
        else:
            self._log.warning("unknown watch event", kind=kind[:32])

    def _kept(self, obj: Object) -> bool:
        try:
            return self._keep(obj)
        except Exception:  # noqa: BLE001 - one odd object must not stop the others
            self.handler_errors += 1
            self._log.exception("filter failed, object ignored", **_who(obj))
            return False

    def _call(self, method: Callable[[Object], None], obj: Object) -> None:
        metadata = obj.get("metadata")
        if isinstance(metadata, dict):
            metadata.pop("managedFields", None)
        try:
            method(obj)
        except Exception:  # noqa: BLE001 - one odd object must not stop the others
            self.handler_errors += 1
            self._log.exception("handler failed, object ignored", **_who(obj))

    def _selector(self) -> str | None:
        return None if self._selector_refused else self._field_selector


def _watch_seconds() -> int:
    return random.randint(*WATCH_SECONDS)  # noqa: S311 - spreads load, hides nothing


def _everything(_: Object) -> bool:
    return True


def _who(obj: Object) -> dict[str, object]:
    metadata = obj.get("metadata") or {}
    return {"namespace": metadata.get("namespace"), "name": metadata.get("name")}
