"""Where the commands of the agent look for its configuration."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from issuer.cli.agent.options import DEFAULT_FILE, found_file
from issuer.cli.main import app

COMMANDS = [["once"], ["plan"], ["status"], ["check"], ["report"], ["renew", "web"]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of a user who is not root, with nothing in it."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("issuer.cli.agent.options.set_logs", lambda _: None)  # else other tests' logs, too
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_user_who_joined_names_no_configuration(home: Path, words: list[str]) -> None:
    joined = home / ".config" / "vault-issuer" / "agent.yaml"
    joined.parent.mkdir(parents=True)
    joined.write_text("nothing: here\n")
    told = CliRunner().invoke(app, ["agent", *words])
    assert told.exit_code == 1
    assert str(joined) in told.output


def test_a_service_user_finds_the_machines_configuration(home: Path) -> None:
    assert found_file(os.environ) == DEFAULT_FILE, "as `sudo -u USER vault-issuer agent renew` does"


def test_a_missing_configuration_says_how_to_come_by_one(home: Path) -> None:
    told = CliRunner().invoke(app, ["agent", "once", "-c", str(home / "agent.yaml")])
    assert f"{home}/agent.yaml is not there" in told.output
    assert "vault-issuer agent join" in told.output
