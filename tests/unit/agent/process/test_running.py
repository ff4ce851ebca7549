"""The agent's steps again and again: one set's fault is its own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest

from issuer.agent.config.consumers import ConsumerSpec
from issuer.agent.config.model import AgentFile
from issuer.agent.errors import DiskRefused
from issuer.agent.files.opening import seen_set
from issuer.agent.process import running as running_module
from issuer.agent.process.agent import Agent
from issuer.agent.process.records import Records
from issuer.agent.process.running import Running
from issuer.agent.process.units import AgentService, longest_hook, user_unit
from issuer.agent.renewal.keepers.chains import CAChainKeeper
from issuer.agent.renewal.looks import KeepReport, KeptCertificate, RenewalReason

NO_SERVER = "http://127.0.0.1:9"


def test_folder_that_may_not_be_searched_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", refuse)
        with pytest.raises(DiskRefused, match="Permission denied"), seen_set(tmp_path):
            pass


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), RecursionError("too deep")])
async def test_fault_of_one_set_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whatever it is, and wherever in a look at the set it is raised."""
    file = AgentFile.model_validate(
        {
            "vault": {"server": NO_SERVER},
            "caChains": [
                {"name": name, "folder": str(tmp_path / name), "mount": "pki"} for name in ("bad", "good")
            ],
        }
    )
    records = Records(tmp_path / "state")

    def tell(_: Agent) -> None:
        if all(records.read(name).error for name in ("bad", "good")):
            running.stop()
        raise error

    def fail(self: Any, *_: object, **__: object) -> NoReturn:
        raise error

    running = Running(file, tmp_path / "state", lambda: None, tell)
    monkeypatch.setattr(running_module, "_REPORT_PAUSE", 0.01)
    monkeypatch.setattr("issuer.agent.renewal.keepers.chains.CAChainKeeper.look", fail)
    monkeypatch.setattr("issuer.agent.renewal.keepers.chains.CAChainKeeper.step", fail)
    await running.run()
    assert [records.read(name).error for name in ("bad", "good")] == [str(error)] * 2


def chains(folder: Path, count: int) -> AgentFile:
    data = [
        {"name": f"ca-{number}", "folder": str(folder / str(number)), "mount": "pki"}
        for number in range(count)
    ]
    return AgentFile.model_validate({"vault": {"server": NO_SERVER}, "caChains": data})


NEVER = datetime(9999, 1, 1, tzinfo=UTC)


async def test_looks_of_some_seconds_are_reported_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report reads every set: one after each look would cost the square of their number."""
    looks: list[str] = []
    reports: list[int] = []

    async def step(self: CAChainKeeper, **_: object) -> KeepReport:
        looks.append(self.spec.name)
        if len(looks) == 50:
            asyncio.get_running_loop().call_later(0.01, running.stop)
        return KeepReport(KeptCertificate(self.spec.name, "1", NEVER, NEVER, NEVER), RenewalReason.DUE)

    running = Running(
        chains(tmp_path, 50), tmp_path / "state", lambda: None, lambda _: reports.append(len(looks))
    )
    monkeypatch.setattr(CAChainKeeper, "step", step)
    await running.run()
    assert len(looks) == 50
    assert len(reports) <= 3
    assert reports[-1] == 50  # and what was done last isn't lost


def test_unit_waits_for_the_slowest_hook(tmp_path: Path) -> None:
    file = chains(tmp_path, 1)
    assert longest_hook(file) == 0
    told = {"name": "web", "sets": ["ca-0"], "command": ["/bin/true"], "verifyWithin": "10m"}
    file = file.model_copy(update={"consumers": (ConsumerSpec.model_validate(told),)})
    slowest = longest_hook(file)
    assert slowest == 2 * (30 + 600)  # and once more with the old files
    unit = user_unit(AgentService(("/x",), tmp_path / "agent.yaml", longest_hook=slowest))
    assert "\nTimeoutStopSec=1380\n" in unit


async def test_agent_tells_that_it_is_alive_while_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hooks that are under way, and revocations, can take longer than systemd's watchdog waits."""
    told: list[str] = []
    alive_again = asyncio.Event()

    def alive() -> None:
        told.append("alive")
        if "closing" in told and told[-3:] == ["alive"] * 3:
            alive_again.set()

    async def close(self: CAChainKeeper) -> None:
        told.append("closing")
        await alive_again.wait()

    running = Running(chains(tmp_path, 2), tmp_path / "state", lambda: None, lambda _: running.stop(), alive)
    monkeypatch.setattr(running_module, "LOOK_EVERY", 0.04)
    monkeypatch.setattr(CAChainKeeper, "close", close)
    await running.run()
    assert told.count("closing") == 2  # at once: neither waits for the other
