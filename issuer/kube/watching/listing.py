"""Whole lists of a resource, never held whole: a stream of objects where the server has such, else pages.

Pages are small while objects are large. Source:
https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

from structlog.typing import FilteringBoundLogger

from issuer.kube.client import INITIAL_END
from issuer.kube.errors import AnswerTooLarge, BadRequest, Expired, Invalid, Unavailable
from issuer.kube.watching.handler import HandlerCalls
from issuer.kube.watching.source import ObjectSource

PAGE: Final = 200
"""Objects asked for in a page at most."""

_FIRST_PAGE: Final = 10  # MAX_PAGE has room for that many of the largest objects
_SMALL_PAGE: Final = 1 << 20  # bytes; after such a page twice as many objects are asked for
_LARGE_PAGE: Final = 4 << 20  # bytes; after such a page half as many: parsed it takes three times the memory
_PAGED_TRIES: Final = 2  # paged lists that may expire half-way before the list is asked for in one piece


class Lister:
    """Hands on one list after the other. `streamed` asks for streams, until the server says it has none."""

    def __init__(
        self,
        source: ObjectSource,
        calls: HandlerCalls,
        *,
        streamed: bool,
        page_size: int,
        log: FilteringBoundLogger,
    ) -> None:
        self._source = source
        self._calls = calls
        self._streamed = streamed
        self._broke_off = False  # the last streaming list
        self._page_size = page_size
        self._log = log

    async def hand_on(self) -> str:
        """Hand on a whole list; return its resourceVersion."""
        version = await self._in_a_stream() if self._streamed and not self._broke_off else None
        version = await self._in_pages() if version is None else version
        self._broke_off = False
        return version

    async def _in_a_stream(self) -> str | None:
        """Hand on a list as a stream of objects, each parsed alone; return its resourceVersion.

        None if the server has no streaming lists. Changes made meanwhile may come before its end.
        """
        self._calls.begin()
        try:
            async with aclosing(self._source.events(None)) as events:
                async for kind, obj in events:
                    self._source.refused = False
                    if kind == "BOOKMARK":
                        if INITIAL_END in (obj["metadata"].get("annotations") or {}):
                            self._calls.end()
                            return str(obj["metadata"]["resourceVersion"])
                    elif kind not in ("ADDED", "MODIFIED") or not self._calls.listed(obj):
                        self._calls.event(kind, obj)
        except Unavailable:
            self._broke_off = True  # whatever that server has, pages may go through
            raise
        except (BadRequest, Invalid) as error:
            if isinstance(error, BadRequest) and self._source.server_side_filter:
                raise  # it may be the selector
            self._streamed = False
            self._log.info("server has no streaming lists, asking for pages", error=error.message)
            return None
        self._broke_off = True
        raise Unavailable(f"WATCH {self._source.plural}: it ended before the list was complete")

    async def _in_pages(self) -> str:
        """Hand on a list in pages; one whose continue token expires half-way starts again."""
        for _ in range(_PAGED_TRIES):
            try:
                return await self._paged(min(_FIRST_PAGE, self._page_size))
            except Expired:
                self._log.info("list expired between pages, starting again")
        # Pages take longer than the server keeps history. One piece can't expire; its size is bounded.
        return await self._paged(0)

    async def _paged(self, limit: int) -> str:
        self._calls.begin()
        version, token = "", ""
        while True:
            try:
                page = await self._source.page(limit, token)
            except AnswerTooLarge:
                if limit == 1:
                    raise
                limit = max(1, (limit or self._page_size) // 2)
                continue
            version = version or page.resource_version
            for obj in page.items:
                self._calls.listed(obj)
            if not page.continue_token:
                break
            token, limit = page.continue_token, self._next_limit(limit, page.size)
        self._calls.end()
        return version

    def _next_limit(self, limit: int, size: int) -> int:
        """Return the number of objects to ask for after a page of `size` bytes."""
        if size > _LARGE_PAGE:
            return max(1, limit // 2)
        return min(self._page_size, limit * 2) if size < _SMALL_PAGE else limit
