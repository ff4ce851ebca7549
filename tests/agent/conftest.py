"""One real OpenBao over HTTPS, without Kubernetes, for the tests of `issuer.agent`. Each test has a mount."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from testbed.openbao import OpenBao, running_openbao
from tests.agent.support import Machine

_numbers = count(1)


@pytest.fixture(autouse=True)
def _logs_of_one_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command sets up loggers for its process: here they would go on writing to a closed output."""
    monkeypatch.setattr("issuer.telemetry.logs.configure", lambda *_: None)


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """An unsealed OpenBao."""
    with running_openbao(tmp_path_factory.mktemp("openbao")) as server:
        server.write("sys/auth/approle", {"type": "approle"})
        yield server


@pytest.fixture
def machine(bao: OpenBao, tmp_path: Path) -> Machine:
    """A machine with an agent, and a CA of its own on that server."""
    return Machine.made(bao, f"a{next(_numbers)}", tmp_path)
