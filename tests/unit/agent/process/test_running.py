"""The agent's steps again and again: one set's fault is its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import pytest

from issuer.agent.config.model import AgentFile
from issuer.agent.errors import DiskRefused
from issuer.agent.files.generations import seen_set
from issuer.agent.process.agent import Agent
from issuer.agent.process.records import Records
from issuer.agent.process.running import Running

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
    looked: list[str] = []

    def tell(agent: Agent) -> None:
        looked.append("")
        if len(looked) == 2:
            running.stop()
        raise error

    def fail(self: Any, *_: object, **__: object) -> NoReturn:
        raise error

    running = Running(file, tmp_path / "state", lambda: None, tell)
    monkeypatch.setattr("issuer.agent.renewal.chains.CAChainKeeper.look", fail)
    monkeypatch.setattr("issuer.agent.renewal.chains.CAChainKeeper.step", fail)
    await running.run()
    records = Records(tmp_path / "state")
    assert [records.read(name).error for name in ("bad", "good")] == [str(error)] * 2
