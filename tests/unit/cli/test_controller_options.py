"""Options of `vault-issuer controller`, as they reach the controller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from issuer.cli.main import app
from issuer.controller.process.options import ControllerOptions

Read = Callable[..., ControllerOptions]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """Return the options that a controller is started with."""
    started: list[ControllerOptions] = []

    def run(options: ControllerOptions) -> int:
        started.append(options)
        return 0

    monkeypatch.setattr("issuer.controller.process.run.run_controller", run)
    monkeypatch.setattr("issuer.telemetry.logs.configure", lambda *_words: None)

    def of(*words: str) -> ControllerOptions:
        done = CliRunner().invoke(app, ["controller", *words])
        assert done.exit_code == 0, done.stderr
        return started.pop()

    return of


def test_passwords_come_from_what_was_listed_alone(read: Read) -> None:
    settings = read().backend_settings
    assert (settings.password_variables, settings.password_folders) == (frozenset(), ())
    settings = read(
        "--password-variable=A", "--password-variable=B", "--password-folder=/a", "--password-folder=/b/c"
    ).backend_settings
    assert settings.password_variables == {"A", "B"}
    assert settings.password_folders == (Path("/a"), Path("/b/c"))


@pytest.mark.parametrize("words", [(), ("--adopt-anyway",)])
def test_step_issuer_is_looked_for_but_where_it_is_adopted_anyway(read: Read, words: tuple[str, ...]) -> None:
    assert read(*words).refused_peers == frozenset()
    adopting = read("--adopt-step-issuer", *words)
    assert bool(adopting.refused_peers) is not bool(words)
