"""What tests of the agent share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _logs_of_one_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command sets up loggers for its process: here they would go on writing to a closed output."""
    monkeypatch.setattr("issuer.telemetry.logs.configure", lambda *_: None)
