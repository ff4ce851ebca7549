"""Service definitions, judged by systemd itself where it is installed, and what a service tells systemd."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from issuer.agent.process.notify import READY, ServiceNotifier
from issuer.agent.process.units import AgentService, cron_line, launchd_plist, system_unit, user_unit
from issuer.cli.main import app
from tests.unit.agent.config.test_reading import GOOD

TRUE = shutil.which("true") or "/bin/true"
SERVICE = AgentService((TRUE,), Path("/etc/vault-issuer/my agent%1.yaml"))
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")


def analyze(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    return subprocess.run(
        ["systemd-analyze", "--man=no", *words], capture_output=True, text=True, check=False, env=environment
    )


def test_words_are_taken_literally() -> None:
    assert f'ExecStart={TRUE} agent run -c "/etc/vault-issuer/my agent%%1.yaml"\n' in user_unit(SERVICE)


@needs_systemd
@pytest.mark.parametrize("scope", ["--user", "--system"])
def test_systemd_accepts_the_units(tmp_path: Path, scope: str) -> None:
    folders = [Path("/etc/tls/web"), Path("/srv/with space")]
    unit = user_unit(SERVICE) if scope == "--user" else system_unit(SERVICE, "root", folders)
    path = tmp_path / "vault-issuer-agent.service"
    path.write_text(unit)
    ran = analyze(tmp_path, scope, "verify", str(path))
    assert [line for line in ran.stderr.splitlines() if path.name in line] == []


@needs_systemd
@pytest.mark.parametrize(("user", "most"), [("root", 35), ("nobody", 25)])
def test_system_unit_is_hardened(tmp_path: Path, user: str, most: int) -> None:
    path = tmp_path / "vault-issuer-agent.service"
    path.write_text(system_unit(SERVICE, user, [Path("/etc/tls/web")]))
    ran = analyze(tmp_path, "security", "--offline=true", f"--threshold={most}", str(path))
    assert ran.returncode == 0, ran.stdout[-600:] + ran.stderr


def test_cron_and_launchd_have_the_whole_command() -> None:
    assert cron_line(SERVICE) == (
        f"*/10 * * * * {TRUE} agent once -c '/etc/vault-issuer/my agent\\%1.yaml' > /dev/null\n"
    )
    words = ET.fromstring(launchd_plist(SERVICE)).findall("./dict/array/string")
    assert [one.text for one in words] == list(SERVICE.words)


@pytest.mark.parametrize("abstract", [True, False])
def test_ready_is_sent_to_the_socket(tmp_path: Path, abstract: bool) -> None:
    name = f"@vault-issuer-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0", 1) if abstract else name)
        ServiceNotifier({"NOTIFY_SOCKET": name}).send(READY)
        assert manager.recv(100) == b"READY=1"
    ServiceNotifier({"NOTIFY_SOCKET": name}).send(READY)  # gone: no error
    ServiceNotifier({}).send(READY)


def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    config = tmp_path / "agent.yaml"
    config.write_text(GOOD.replace("/etc/tls/web", str(tmp_path / "tls")))
    monkeypatch.setattr("issuer.cli.agent.machine._unit_folder", lambda: tmp_path / "units")
    return CliRunner().invoke(app, ["agent", "install", "-c", str(config), *words])


def test_install_writes_a_unit_and_says_how_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = install(tmp_path, monkeypatch)
    assert ran.exit_code == 0, ran.output
    [unit] = (tmp_path / "units").iterdir()
    assert unit.name == "vault-issuer-agent-agent.service"
    assert f"enable --now {unit.name}" in ran.stdout


def test_install_of_a_user_reminds_of_lingering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issuer.cli.agent.machine.os.geteuid", lambda: 12345)
    monkeypatch.setattr("issuer.cli.agent.machine._user_name", lambda: "nobody-lingers")
    monkeypatch.setattr("issuer.cli.agent.machine._verify", lambda *_: "")
    ran = install(tmp_path, monkeypatch)
    assert "loginctl enable-linger nobody-lingers" in ran.stdout
    assert "systemctl --user enable --now" in ran.stdout


def test_print_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert install(tmp_path, monkeypatch, "--print", "cron").stdout.startswith("*/10 ")
    assert "[Service]" in install(tmp_path, monkeypatch, "--print", "systemd").stdout
    assert not (tmp_path / "units").exists()
