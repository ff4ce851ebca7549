"""Several reflectors of one resource as one, where a field selector can't say all that is wanted.

The API server's field selectors know `=` and `!=` and no "in"
(kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from issuer.kube.watching.reflector import Reflector


class ReflectorGroup:
    """Runs reflectors beside each other; each needs a handler that keeps to what it was shown itself."""

    def __init__(self, reflectors: Sequence[Reflector]) -> None:
        self._reflectors = tuple(reflectors)
        self.synced = asyncio.Event()
        """Set once the first list of each was handed on in full."""

    @property
    def resource_version(self) -> str:
        """The version at which the one furthest behind resumes; "" while one of them has to list first."""
        versions = [reflector.resource_version for reflector in self._reflectors]
        if not all(version.isdecimal() for version in versions):
            return ""
        return min(versions, key=int)

    @property
    def current(self) -> bool:
        """Return True if what was handed on is kept up to date by each, as far as is known."""
        return all(reflector.current for reflector in self._reflectors)

    @property
    def refused(self) -> bool:
        """Return True if the server withheld the objects of one at its last try."""
        return any(reflector.refused for reflector in self._reflectors)

    @property
    def restarts(self) -> int:
        """Lists and watches that ended with an error."""
        return sum(reflector.restarts for reflector in self._reflectors)

    async def run(self) -> None:
        """List and watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for reflector in self._reflectors:
                tasks.create_task(reflector.run())
            tasks.create_task(self._sync())

    async def _sync(self) -> None:
        for reflector in self._reflectors:
            await reflector.synced.wait()
        self.synced.set()
