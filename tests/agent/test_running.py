"""The agent at work: it renews in time, follows its file, and ends when it is told to."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from issuer.agent.config.model import AgentFile
from issuer.agent.config.reading import load_agent_file
from issuer.agent.process import running
from issuer.agent.process.running import ConfigurationFile, Running
from tests.agent.support import Machine

HANG = 600.0
"""Seconds after which a test that waits is taken to hang."""


def written(machine: Machine) -> AgentFile:
    (machine.folder / "agent.yaml").write_text(yaml.safe_dump(machine.data))
    return load_agent_file(str(machine.folder / "agent.yaml"))


@asynccontextmanager
async def at_work(machine: Machine) -> AsyncIterator[asyncio.Task[None]]:
    file = written(machine)
    watched = ConfigurationFile(str(machine.folder / "agent.yaml"), load_agent_file)
    agent = Running(file, machine.folder / "state", watched.changed)
    ready = asyncio.Event()
    task = asyncio.create_task(agent.run(ready.set))
    try:
        async with asyncio.timeout(HANG):
            await ready.wait()
            yield task
    finally:
        agent.stop()
        async with asyncio.timeout(HANG):
            await task


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  # files tell nobody that they changed
        await asyncio.sleep(0.05)


async def serial_other_than(machine: Machine, serial: int) -> int:
    await until(lambda: machine.served()[0].serial_number != serial)
    return machine.served()[0].serial_number


async def test_short_lives_are_renewed_again_and_again(machine: Machine) -> None:
    machine.data["certificates"][0]["ttl"] = "4s"
    async with at_work(machine):
        serial = machine.served()[0].serial_number
        for _ in range(3):
            serial = await serial_other_than(machine, serial)
    assert len(machine.bao.audited("auth/approle/login", "request")) >= 1


async def test_token_is_kept_alive_between_renewals(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "LOOK_EVERY", 0.4)
    machine.bao.write(
        f"auth/approle/role/{machine.name}", {"token_policies": [machine.name], "token_period": "3s"}
    )
    async with at_work(machine):
        (machine.folder / "secret-id").write_text("used up")
        renewals = "auth/token/renew-self"
        before = len(machine.bao.audited(renewals))
        await until(lambda: len(machine.bao.audited(renewals)) >= before + 3)
        serial = machine.served()[0].serial_number
        machine.data["certificates"][0]["dnsNames"] = ["www.example.com"]
        written(machine)
        await serial_other_than(machine, serial)


def test_systemd_is_told_when_it_is_ready_alive_and_stopping(machine: Machine, tmp_path: Path) -> None:
    written(machine)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(HANG)
        command = [sys.executable, "-m", "issuer", "agent", "run", "-c", str(machine.folder / "agent.yaml")]
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as agent:
            try:
                assert {manager.recv(100), manager.recv(100)} == {b"READY=1", b"WATCHDOG=1"}
                assert machine.served()
                agent.terminate()
                while manager.recv(100) != b"STOPPING=1":
                    pass
                assert agent.wait(HANG) == 0
            finally:
                agent.kill()


async def test_stop_before_the_first_look_ends_it(machine: Machine) -> None:
    agent = Running(written(machine), machine.folder / "state", lambda: None)
    agent.stop()
    async with asyncio.timeout(HANG):
        await agent.run()
    agent = Running(written(machine), machine.folder / "state", lambda: None)
    task = asyncio.create_task(agent.run())
    await asyncio.sleep(0)
    agent.stop()
    async with asyncio.timeout(HANG):
        await task


async def test_server_that_can_t_be_one_leaves_the_old_file(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "LOOK_EVERY", 0.4)
    async with at_work(machine) as task:
        ca = machine.data["vault"]["caFile"]
        machine.data["vault"]["caFile"] = str(machine.folder / "nothing.pem")
        written(machine)
        await asyncio.sleep(0.3)
        assert not task.done()
        serial = machine.served()[0].serial_number
        machine.data["vault"]["caFile"] = ca
        machine.data["certificates"][0]["dnsNames"] = ["www.example.com"]
        written(machine)
        await serial_other_than(machine, serial)


async def test_changed_configuration_is_followed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LOOK_EVERY", 0.4)
    async with at_work(machine):
        serial = machine.served()[0].serial_number
        (machine.folder / "agent.yaml").write_text("vault: [")  # an editor's half of a file
        await asyncio.sleep(0)
        machine.data["certificates"][0]["dnsNames"] = ["www.example.com"]
        written(machine)
        await serial_other_than(machine, serial)


async def test_edited_file_is_written_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LOOK_EVERY", 0.2)
    async with at_work(machine):
        good = (machine.folder / "web" / "tls.crt").read_text()
        (machine.folder / "web" / "tls.crt").write_text("mine")
        await until(lambda: (machine.folder / "web" / "tls.crt").read_text() == good)
    assert machine.signed() == 1
