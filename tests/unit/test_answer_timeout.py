"""A time-out never breaks off what was answered while this process stood still."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from issuer.answer_timeout import answer_timeout
from tests.unit.virtual_time import VirtualTimeLoop, run_in_virtual_time

SECONDS = 30.0


class FreezingLoop(VirtualTimeLoop):
    """A loop whose process can be frozen: its clock goes on and nothing runs."""

    frozen = 0.0

    def time(self) -> float:
        """Return the seconds that passed, frozen or not."""
        return super().time() + self.frozen

    def freeze(self, seconds: float) -> None:
        """Let the time pass at this point of a callback."""
        self.frozen += seconds


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=FreezingLoop) as runner:
        return runner.run(main)


def loop() -> FreezingLoop:
    found = asyncio.get_running_loop()
    assert isinstance(found, FreezingLoop)
    return found


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of one connection."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


async def received(sock: socket.socket, size: int) -> int:
    """Read so many bytes, 4 KiB in one pass of the loop."""
    count = 0
    while count < size:
        count += len(await asyncio.get_running_loop().sock_recv(sock, 4096))
    return count


@pytest.mark.parametrize("size", [1, 200_000])
def test_what_was_answered_while_the_process_stood_still_is_read(size: int) -> None:
    async def main() -> int:
        with connected() as (ours, theirs):
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * size)

            def answered_and_frozen() -> None:
                theirs.sendall(b"x" * size)
                loop().freeze(100 * SECONDS)

            loop().call_later(1, answered_and_frozen)
            async with answer_timeout(SECONDS):
                return await received(ours, size)

    assert run(main()) == size


def test_a_plain_timeout_loses_that_answer() -> None:
    async def main() -> None:
        with connected() as (ours, theirs):
            loop().call_later(1, theirs.sendall, b"x")
            loop().call_later(1, loop().freeze, 2 * SECONDS)
            async with asyncio.timeout(SECONDS):
                await received(ours, 1)

    with pytest.raises(TimeoutError):
        run(main())


def test_time_in_which_the_process_stood_still_is_given_again() -> None:
    """What was sent to a machine that was suspended is sent again a while later."""

    async def main() -> float:
        with connected() as (ours, theirs):
            loop().call_later(1, loop().freeze, 40)
            loop().call_later(42 + 10, theirs.sendall, b"x")
            async with answer_timeout(SECONDS):
                await received(ours, 1)
        return loop().time()

    assert run(main()) == pytest.approx(52, abs=0.1)


@pytest.mark.parametrize(("frozen", "ends"), [(0, 30), (20, 30), (29.5, 31), (40, 52), (300, 331)])
def test_an_answer_that_does_not_come_is_not_waited_for(frozen: float, ends: float) -> None:
    """At most the time-out's length is given again."""

    async def main() -> float:
        loop().call_later(1, loop().freeze, frozen)
        with pytest.raises(TimeoutError):
            async with answer_timeout(SECONDS):
                await asyncio.Event().wait()
        return loop().time()

    assert run(main()) == pytest.approx(ends, abs=0.1)


def test_a_process_that_is_always_late_ends_its_calls_after_twice_the_time() -> None:
    async def main() -> float:
        def slow() -> None:
            loop().freeze(0.5)
            loop().call_later(0.4, slow)

        slow()
        with pytest.raises(TimeoutError):
            async with answer_timeout(SECONDS):
                await asyncio.Event().wait()
        return loop().time()

    assert run(main()) < 2 * SECONDS + 60


def test_whoever_cancels_meanwhile_is_heard() -> None:
    async def main() -> None:
        async def call() -> None:
            async with answer_timeout(SECONDS):
                await asyncio.Event().wait()

        task = asyncio.create_task(call())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_in_virtual_time(main())


def test_an_error_of_the_call_and_its_end_leave_no_timer() -> None:
    async def main() -> float:
        with pytest.raises(ValueError, match="its own"):
            async with answer_timeout(SECONDS):
                raise ValueError("its own")
        async with answer_timeout(SECONDS):
            pass
        await asyncio.sleep(10 * SECONDS)
        return asyncio.get_running_loop().time()

    assert run_in_virtual_time(main()) == pytest.approx(10 * SECONDS, abs=0.1)
