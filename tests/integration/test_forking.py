"""Programs whose command another process forks in their place: nobody who runs them sees a difference."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster import REPOSITORY
from testbed.forking import ForkServer
from testbed.processes import PATIENCE


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """A process that forks."""
    one = ForkServer(tmp_path_factory.mktemp("forks") / "forkserver.log")
    yield one
    one.close()


def start(server: ForkServer, script: str, folder: Path) -> subprocess.Popen[str]:
    """Start a script in a folder, with these programs on PATH."""
    path = os.pathsep.join([str(server.programs), "/usr/bin", "/bin"])
    environment = {"PATH": path, "HOME": str(folder)}
    return subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_they_have_the_folder_files_and_exit_code_of_who_asks(server: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text((REPOSITORY / "config" / "samples" / "policy.yaml").read_text())
    done = start(
        server, "vault-issuer policy lint policy.yaml > found; vault-issuer policy lint none", tmp_path
    )
    printed, said = done.communicate(timeout=PATIENCE)
    assert done.returncode == 3
    assert (printed, "none can't be read" in said) == ("", True)
    assert "0 errors" in (tmp_path / "found").read_text()


def test_kubectls_plugin_is_told_from_the_command(server: ForkServer, tmp_path: Path) -> None:
    printed, _ = start(server, "kubectl-vault_issuer --help", tmp_path).communicate(timeout=PATIENCE)
    assert "kubectl vault-issuer COMMAND" in printed


def test_a_signal_to_end_reaches_the_command(server: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("")
    os.mkfifo(tmp_path / "never")
    process = start(server, "exec vault-issuer policy lint never", tmp_path)
    forked = f"/proc/{server.pid}/task/{server.pid}/children"
    deadline = time.monotonic() + PATIENCE
    while not Path(forked).read_text().split() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM
    assert Path(forked).read_text().split() == []
