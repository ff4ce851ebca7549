"""Host names looked up beside each other, so that a namespace's silent names hold up only its own.

The C library's resolver blocks, for up to a minute where name servers are silent, and can't be broken off.
asyncio gives it a few threads for the whole process: six names of one tenant would keep everybody's from
being looked up, those of signing calls included, and the process from ending.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final
from weakref import WeakValueDictionary

EACH: Final = 4
"""Lookups of one namespace's issuers that are under way at once."""

ALL: Final = 256
"""Lookups of all namespaces' issuers that are under way at once, each a thread."""

NAMESPACE: ContextVar[str] = ContextVar("namespace", default="")
"""For whose issuer a check runs; empty for cluster issuers and for what the controller does itself, which
their workers bound."""


class Lookups:
    """Looks names up in threads of their own, which nobody waits for at the end."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._all = asyncio.Semaphore(ALL)

    async def find(self, look_up: Callable[[], Any]) -> Any:
        """Return what the blocking call returns, made when it is its namespace's turn.

        A call that has begun goes on when its caller is cancelled, and counts until it ends.
        """
        namespace = NAMESPACE.get()
        if not namespace:
            return await _in_thread(look_up, lambda: None)
        turn = self._turns.get(namespace)
        if turn is None:
            turn = self._turns[namespace] = asyncio.Semaphore(EACH)
        await turn.acquire()
        try:
            await self._all.acquire()
        except BaseException:
            turn.release()
            raise

        def ended() -> None:
            self._all.release()
            turn.release()

        return await _in_thread(look_up, ended)


async def _in_thread(call: Callable[[], Any], ended: Callable[[], None]) -> Any:
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        ended()
        if outcome.done():
            return
        if error is None:
            outcome.set_result(result)
        else:
            outcome.set_exception(error)

    def work() -> None:
        result, failure = None, None
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            return  # the loop has ended, and nobody waits

    try:
        threading.Thread(target=work, name="lookup", daemon=True).start()
    except RuntimeError as error:  # the system gives no more threads
        ended()
        raise OSError("no thread is left to look a host name up") from error
    return await outcome


class ControllerLoop(asyncio.SelectorEventLoop):
    """asyncio's own event loop, but for how names are looked up."""

    def __init__(self) -> None:
        super().__init__()
        self._lookups = Lookups()

    async def getaddrinfo(self, host: Any, port: Any, **hints: int) -> Any:
        """The addresses of a host, as `socket.getaddrinfo` gives them."""
        return await self._lookups.find(lambda: socket.getaddrinfo(host, port, **hints))
