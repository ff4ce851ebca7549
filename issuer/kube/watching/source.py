"""Pages and events of one resource, by a field selector where the server takes it."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from issuer.kube.client import KubeClient, Page
from issuer.kube.resources import Resource
from issuer.kube.wire import Object

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


@dataclass(slots=True)
class ObjectSource:
    """A resource at an API server, of one namespace or all (None)."""

    client: KubeClient
    resource: Resource
    namespace: str | None
    field_selector: str | None
    read_timeout: float
    selector_refused: bool = False
    """True if the server said that it can't filter by the selector."""
    refused: bool = False
    """True if the server withheld the objects at the last try, or knows no such resource."""

    @property
    def plural(self) -> str:
        """The resource's name in URLs and messages."""
        return self.resource.plural

    @property
    def server_side_filter(self) -> bool:
        """True if the server filters by the field selector, as far as is known."""
        return self.field_selector is not None and not self.selector_refused

    async def page(self, limit: int, token: str) -> Page:
        """Return a page of at most `limit` objects (0: all)."""
        page = await self.client.list_page(
            self.resource,
            namespace=self.namespace,
            limit=limit,
            continue_token=token,
            field_selector=self._selector(),
        )
        self.refused = False
        return page

    def events(self, version: str | None) -> AsyncGenerator[tuple[str, Object], None]:
        """Return the events after `version`; None begins with all objects there are."""
        return self.client.watch(
            self.resource,
            resource_version=version,
            namespace=self.namespace,
            field_selector=self._selector(),
            timeout_seconds=LIST_SECONDS if version is None else _watch_seconds(),
            read_timeout=self.read_timeout,
        )

    def _selector(self) -> str | None:
        return None if self.selector_refused else self.field_selector


def _watch_seconds() -> int:
    return random.randint(*WATCH_SECONDS)  # noqa: S311 - spreads load, hides nothing
