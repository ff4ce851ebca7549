"""Names that get no answer hold up only their own namespace's."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from issuer.controller.scheduling.checks import CheckFlows
from issuer.controller.scheduling.lookups import EACH, NAMESPACE, ControllerLoop
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.requests.issuers import IssuerKey
from issuer.signing.backends import built_in

SILENT, FOUND = "silent.example.test", [("found",)]


class NameServers:
    """Answers every name but those that begin with `silent`, which wait for `answer`."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.begun: list[str] = []

    def getaddrinfo(self, host: str, *_: Any, **__: Any) -> Any:
        self.begun.append(host)
        if host.startswith("missing"):
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        if host.startswith("silent"):
            self.answer.wait(60)
        return FOUND


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServers]:
    one = NameServers()
    monkeypatch.setattr(socket, "getaddrinfo", one.getaddrinfo)
    yield one
    one.answer.set()


async def look_up(host: str, namespace: str = "") -> Any:
    NAMESPACE.set(namespace)
    return await asyncio.get_running_loop().getaddrinfo(host, 443)


def run(main: Any) -> Any:
    with asyncio.Runner(loop_factory=ControllerLoop) as runner:
        return runner.run(main)


def test_silent_names_of_a_namespace_hold_up_nobody_else(servers: NameServers) -> None:
    async def main() -> None:
        silent = [asyncio.create_task(look_up(f"{SILENT}-{number}", "team-a")) for number in range(50)]
        while len(servers.begun) < EACH:  # noqa: ASYNC110 - it grows in threads
            await asyncio.sleep(0)
        for namespace in ("team-b", ""):
            assert await look_up("vault.example.test", namespace) == FOUND
        assert len(servers.begun) == EACH + 2
        # Broken off, as a check is after a while: what has begun still counts, what hasn't never begins.
        for one in silent:
            one.cancel()
        await asyncio.wait(silent)
        waiting = asyncio.create_task(look_up("vault.example.test", "team-a"))
        await asyncio.sleep(0)
        assert not waiting.done()
        servers.answer.set()
        assert await waiting == FOUND
        assert len(servers.begun) == EACH + 3

    run(main())


def test_a_name_that_gets_no_answer_does_not_keep_the_process_from_ending(servers: NameServers) -> None:
    async def main() -> None:
        silent = asyncio.create_task(look_up(SILENT, "team-a"))
        while not servers.begun:  # noqa: ASYNC110 - it grows in threads
            await asyncio.sleep(0)
        silent.cancel()

    run(main())  # hangs where the end waits for the thread


def test_an_error_is_the_callers(servers: NameServers) -> None:
    with pytest.raises(socket.gaierror):
        run(look_up("missing.example.test", "team-a"))


def test_checks_look_names_up_for_their_namespace() -> None:
    async def main() -> list[str]:
        issuers = cast(dict[str, IssuerStore], {"VaultIssuer": {}})
        flows = CheckFlows(issuers, 4, longest=60, backends=built_in())
        key = IssuerKey("VaultIssuer", "team-a", "one")

        async def check() -> str:
            # A login is a task that several share.
            return await asyncio.create_task(asyncio.sleep(0, NAMESPACE.get()))

        return [await flows.bounded(key, check()), NAMESPACE.get()]

    assert run(main()) == ["team-a", ""]


def test_a_lookup_that_gets_no_thread_fails_and_leaves_its_turn(
    servers: NameServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        with monkeypatch.context() as full:
            full.setattr(threading.Thread, "start", refuse)
            # One task holds the namespace's turns alive, as a check that waits would.
            waiting = [asyncio.create_task(look_up(f"no-thread-{n}", "team-a")) for n in range(2 * EACH)]
            found = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(one) for one in found} == {OSError}
        assert await look_up("vault.example.test", "team-a") == FOUND

    run(main())
