"""The server's clock is read when an agent begins to judge, and again once this machine's clock is set."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner

from issuer.agent.config.model import AgentFile
from issuer.agent.errors import AgentError
from issuer.agent.hooks.checking import CheckFindings
from issuer.agent.process import agent as agents
from issuer.agent.process.agent import Agent
from issuer.agent.process.records import Records
from issuer.agent.renewal.clock import ServerClock
from issuer.cli.agent import acting, commands


class Keeper:
    """A set that can't be kept."""

    async def step(self, *, force: bool = False) -> None:
        raise AgentError("no")


async def test_clock_is_read_again_once_it_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []

    async def server_time(client: object) -> datetime:
        read.append(client)
        return datetime.now(UTC)

    monkeypatch.setattr(agents, "server_time", server_time)
    ahead = timedelta(0)
    clock = ServerClock(lambda: datetime.now(UTC) + ahead)
    session: Any = type("Session", (), {"client": None})()
    file = AgentFile.model_validate(
        {
            "vault": {"server": "https://vault.example.com"},
            "caChains": [{"name": "ca", "folder": str(tmp_path / "ca"), "mount": "pki"}],
        }
    )
    agent = Agent(file, session, Records(tmp_path / "state"), clock, "machine")
    keeper: Any = Keeper()
    agent.keepers["ca"] = keeper
    for times in (1, 1):
        await agent.step("ca")
        assert len(read) == times
    ahead = timedelta(minutes=5)
    await agent.step("ca")
    assert len(read) == 2


def test_check_warns_of_a_clock_that_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Checked:
        async def read_clock(self) -> str:
            return "set the clock"

        async def check(self) -> CheckFindings:
            return CheckFindings()

    @asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[Checked]:
        yield Checked()

    monkeypatch.setattr(acting, "opened_agent", opened)
    path = tmp_path / "agent.yaml"
    path.write_text(
        "vault: {server: https://vault.example.com}\n"
        f"caChains: [{{name: ca, folder: {tmp_path}/ca, mount: pki}}]\n"
    )
    path.chmod(0o600)
    ran = CliRunner().invoke(commands.app, ["check", "-c", str(path)])
    assert ran.exit_code == 0
    assert "Warning: set the clock" in ran.output


@pytest.fixture
def server_at() -> Iterator[Callable[[timedelta], str]]:
    """Start a server whose clock differs; returns its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(ahead: timedelta) -> str:
        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def date_time_string(self, timestamp: float | None = None) -> str:
                return format_datetime(datetime.now(UTC) + ahead, usegmt=True)

            def log_message(self, *_: object) -> None:
                return

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Answering))
        Thread(target=servers[0].serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{servers[0].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("seconds", "way"), [(600, "behind"), (-600, "ahead of"), (60, ""), (0, "")])
async def test_difference_of_the_clocks_is_told_with_its_direction(
    tmp_path: Path, server_at: Callable[[timedelta], str], seconds: int, way: str
) -> None:
    ahead = timedelta(seconds=seconds)
    file = AgentFile.model_validate(
        {
            "vault": {"server": server_at(ahead)},
            "caChains": [{"name": "ca", "folder": str(tmp_path / "ca"), "mount": "pki"}],
        }
    )
    async with agents.opened_agent(file, tmp_path / "state") as agent:
        warning = await agent.read_clock()
        assert abs(agent.now() - datetime.now(UTC) - ahead) < timedelta(seconds=20)
    if way:
        assert warning is not None
        assert re.match(rf"This machine's clock is (59|60|61)\d s {way} the server's", warning)
    else:
        assert warning is None


async def test_two_sets_that_became_one_folder_do_not_overwrite_each_other(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "lnk").symlink_to("web")
    names = ("web", "lnk")
    file = AgentFile.model_validate(
        {
            "vault": {"server": "http://127.0.0.1:9"},
            "caChains": [{"name": one, "folder": str(tmp_path / one), "mount": "pki"} for one in names],
        }
    )
    async with agents.opened_agent(file, tmp_path / "state") as agent:
        for name in names:
            assert await agent.step(name) is None
            assert "are one folder" in agent.records.read(name).error
