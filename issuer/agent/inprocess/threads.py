"""A renewing certificate for programs without asyncio: the renewals run in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from issuer.agent.inprocess.renewing import RenewingCertificate, WantedCertificate, renewing_certificate
from issuer.vault.connection import Connection
from issuer.vault.login.methods import AuthMethod


class _RenewingThread(threading.Thread):
    """A thread with a loop of its own, from the first signing until it is told to end."""

    def __init__(self, connection: Connection, login: AuthMethod, wanted: WantedCertificate) -> None:
        super().__init__(name="renew-certificate", daemon=True)
        self._given = (connection, login, wanted)
        self._begun = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._made: RenewingCertificate | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        """Run the loop."""
        try:
            asyncio.run(self._work())
        except Exception as error:  # noqa: BLE001  # raised again by `certificate`, in the caller's thread
            self._error = error
        finally:
            self._begun.set()

    def certificate(self) -> RenewingCertificate:
        """Wait for the first certificate; raises what went wrong instead."""
        self._begun.wait()
        if self._made is None:
            raise self._error or RuntimeError("the thread ended")
        return self._made

    def end(self) -> None:
        """End the renewals, and wait for the thread."""
        if self._loop is not None and self._end is not None:
            with suppress(RuntimeError):  # the loop is closed: it ended by itself
                self._loop.call_soon_threadsafe(self._end.set)
        self.join()

    async def _work(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with renewing_certificate(*self._given) as certificate:
            self._made = certificate
            self._begun.set()
            await self._end.wait()


@contextmanager
def renewing_in_thread(
    connection: Connection, login: AuthMethod, wanted: WantedCertificate
) -> Iterator[RenewingCertificate]:
    """Sign a certificate, and renew it in a thread until the block is left. Raises as `renewing_certificate`
    does."""
    thread = _RenewingThread(connection, login, wanted)
    thread.start()
    try:
        yield thread.certificate()
    finally:
        thread.end()
