"""The CAs of one step-ca, so that a chain has its root, and a certificate by another CA is noticed.

step-ca sends a certificate with its intermediates, and names its roots elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Final

from issuer.step.client import StepClient
from issuer.transport.errors import UnexpectedAnswer
from issuer.x509.certificates import Certificate
from issuer.x509.chains.anchors import fingerprints
from issuer.x509.describe import fingerprint

PAUSE_SECONDS: Final = 1.0
"""The least time between two readings for answers with unknown CAs; calls in between share one."""


class StepAuthorities:
    """The roots and intermediates that step-ca serves, as they were read last."""

    def __init__(
        self,
        client: StepClient,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._roots: tuple[str, ...] = ()
        self._known: frozenset[str] = frozenset()
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def read(self) -> str:
        """Read the CAs; return the one that signs, those above it, and the roots, as PEM. Raises
        StepError."""
        began = self._clock()
        roots = await self._client.roots()
        try:
            intermediates = await self._client.intermediates()
        except UnexpectedAnswer as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            raise UnexpectedAnswer(
                "This step-ca has no /intermediates, by which it names the CA that signs: upgrade it",
                status=error.status,
            ) from error
        chain = "".join((*intermediates, *roots))
        self._roots, self._known, self._read_at = roots, fingerprints(chain), began
        return chain

    async def prepare(self) -> None:
        """Read the CAs if that was never done. Raises StepError."""
        if not self._roots:
            await self.read()

    def above(self, chain: Sequence[str]) -> str:
        """Return the CAs that were sent along with a certificate, and the roots, as PEM."""
        return "".join((*chain, *self._roots))

    async def hold(self, cas: Sequence[Certificate]) -> bool:
        """Return True if step-ca names all of these CAs. Raises StepError.

        For an unknown one they are read once more, unless that was done since this call began.
        """
        if self._knows(cas):
            return True
        asked = self._clock()
        async with self._reading:
            if self._read_at < asked:
                await self._sleep(max(0.0, self._read_at + PAUSE_SECONDS - self._clock()))
                await self.read()
            return self._knows(cas)

    def _knows(self, cas: Sequence[Certificate]) -> bool:
        return all(fingerprint(ca) in self._known for ca in cas)
