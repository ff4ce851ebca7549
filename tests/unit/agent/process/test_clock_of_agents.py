"""The server's clock is read when an agent begins to judge, and again once this machine's clock is set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from issuer.agent.config.model import AgentFile
from issuer.agent.errors import AgentError
from issuer.agent.process import agent as agents
from issuer.agent.process.agent import Agent
from issuer.agent.process.records import Records
from issuer.agent.renewal.keeping import ServerClock
from issuer.cli.agent import commands


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

        async def check(self) -> list[str]:
            return []

    @asynccontextmanager
    async def opened(*_: object) -> AsyncIterator[Checked]:
        yield Checked()

    monkeypatch.setattr(agents, "opened_agent", opened)
    path = tmp_path / "agent.yaml"
    path.write_text(
        "vault: {server: https://vault.example.com}\n"
        f"caChains: [{{name: ca, folder: {tmp_path}/ca, mount: pki}}]\n"
    )
    path.chmod(0o600)
    ran = CliRunner().invoke(commands.app, ["check", "-c", str(path)])
    assert ran.exit_code == 0
    assert "Warning: set the clock" in ran.output
