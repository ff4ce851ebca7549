"""Service definitions, judged by systemd itself where it is installed, and what a service tells systemd."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Coroutine, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from issuer.agent.config.model import AgentFile
from issuer.agent.config.state import state_folder
from issuer.agent.process.notify import READY, ServiceNotifier
from issuer.agent.process.units import (
    AgentService,
    WrittenFolders,
    cron_line,
    launchd_plist,
    system_unit,
    user_unit,
    written_folders,
)
from issuer.cli.agent import commands
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
    folders = WrittenFolders(tuple(map(Path, ("/etc/tls/web", "/srv/with space", "/run/tls/web", "/tmp/$x"))))
    unit = user_unit(SERVICE) if scope == "--user" else system_unit(SERVICE, "root", folders)
    path = tmp_path / "vault-issuer-agent.service"
    path.write_text(unit)
    ran = analyze(tmp_path, scope, "verify", str(path))
    assert [line for line in ran.stderr.splitlines() if path.name in line] == []


@needs_systemd
@pytest.mark.parametrize(("user", "most"), [("root", 40), ("nobody", 25)])
def test_system_unit_is_hardened(tmp_path: Path, user: str, most: int) -> None:
    path = tmp_path / "vault-issuer-agent.service"
    path.write_text(
        system_unit(SERVICE, user, WrittenFolders((Path("/etc/tls/web"),)), looks_into_processes=True)
    )
    ran = analyze(tmp_path, "security", "--offline=true", f"--threshold={most}", str(path))
    assert ran.returncode == 0, ran.stdout[-600:] + ran.stderr


def test_cron_and_launchd_have_the_whole_command() -> None:
    assert cron_line(SERVICE, 0.37) == (
        f"3-59/10 * * * * sleep 42; {TRUE} agent once -c '/etc/vault-issuer/my agent\\%1.yaml' > /dev/null\n"
    )
    assert cron_line(SERVICE, 0.9999).startswith("9-59/10 * * * * sleep 59; ")
    words = ET.fromstring(launchd_plist(SERVICE, Path("/var/log/a.log"))).findall("./dict/array/string")
    assert [one.text for one in words] == list(SERVICE.words)
    assert "<string>/var/log/a.log</string>" in launchd_plist(SERVICE, Path("/var/log/a.log"))


def test_folders_that_a_boot_empties_or_hides_are_cared_for() -> None:
    """One that isn't there would keep the whole agent from starting (226/NAMESPACE)."""
    copy = {"path": "/run/haproxy/web.pem", "kind": "combined"}
    certificate = {"path": "pki/sign/web", "dnsNames": ["a.example.com"]}
    file = AgentFile.model_validate(
        {
            "vault": {"server": "https://vault.example.com"},
            "certificates": [
                {"name": "web", "folder": "/var/run/tls/web", "copies": [copy], **certificate},
                {"name": "data", "folder": "/srv/$1 50%", **certificate},
            ],
        }
    )
    lines = system_unit(SERVICE, "root", written_folders(file)).splitlines()
    assert {"RuntimeDirectory=tls/web", "RuntimeDirectoryPreserve=yes"} <= {*lines}
    # Not RuntimeDirectory, by which systemd would take the folder away from HAProxy.
    assert {"ReadWritePaths=-/run/haproxy", 'ReadWritePaths="-/srv/$1 50%%"', "PrivateTmp=yes"} <= {*lines}
    assert not any("ReadWritePaths=-/run/tls" in line for line in lines)
    mine = system_unit(SERVICE, "nobody", WrittenFolders((Path("/run/user/1000/tls"),)))
    assert "ReadWritePaths=-/run/user/1000/tls" in mine  # logind's
    assert "RuntimeDirectory" not in mine
    assert "PrivateTmp=no" in system_unit(SERVICE, "root", WrittenFolders((Path("/var/tmp/tls"),)))


@pytest.mark.parametrize("terminal", [True, False])
async def test_hangup_ends_no_service(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    """systemd takes that for a clean end, and a service that ends so was not started again."""
    monkeypatch.setattr("issuer.cli.agent.commands.os.isatty", lambda _: terminal)
    had = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    told = asyncio.Event()
    try:
        work = asyncio.wait_for(told.wait(), 0.05 if terminal else 30)
        awaited = commands._until_told(_as_none(work), lambda: None, told.set)
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGHUP)
        if terminal:
            with pytest.raises(TimeoutError):
                await awaited
        else:
            await awaited
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(signal.SIGHUP, had)


async def _as_none(work: Coroutine[None, None, object]) -> None:
    await work


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
    monkeypatch.setattr("issuer.agent.config.state.SYSTEM_STATE", tmp_path / "lib" / "agent")
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


AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="installs for another user: needs root")
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture
def passable() -> Iterator[Path]:
    """A folder that everybody may pass through; pytest's are root's alone."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@AS_ROOT
def test_install_makes_the_folders_for_the_service_s_user(
    passable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path = passable
    monkeypatch.setattr("issuer.cli.agent.machine._verify", lambda *_: "")
    ran = install(tmp_path, monkeypatch, "--as", "nobody")
    assert ran.exit_code == 0, ran.output
    [unit] = (tmp_path / "units").iterdir()
    text, environment = unit.read_text(), {"HOME": NOBODY.pw_dir}
    state = state_folder(None, environment, str(tmp_path / "agent.yaml"), NOBODY.pw_uid)
    assert state.parent == tmp_path / "lib" / f"agent-{NOBODY.pw_uid}"  # it has no home of its own
    assert f"ReadWritePaths=-{state}\n" in text
    assert "StateDirectory" not in text
    for folder in (tmp_path / "tls", state):
        assert folder.stat().st_uid == NOBODY.pw_uid
    assert state.stat().st_mode & 0o777 == 0o700
    (tmp_path / "tls").chmod(0o700)
    os.chown(tmp_path / "tls", 0, 0)
    ran = install(tmp_path, monkeypatch, "--as", "nobody")
    assert ran.exit_code == 1
    assert f'nobody may not write to the folder "{tmp_path}/tls": run "chown nobody' in ran.output
    (tmp_path / "tls" / ".generations").mkdir()  # by `agent once` of root
    os.chown(tmp_path / "tls", NOBODY.pw_uid, 0)
    ran = install(tmp_path, monkeypatch, "--as", "nobody")
    assert ran.exit_code == 1
    assert f'run "chown -hR nobody {tmp_path}/tls"' in ran.output


@AS_ROOT
def test_what_the_service_s_user_can_not_read_is_named(
    passable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said to be run for each makes it readable, and keeps it one that root reads."""
    monkeypatch.setattr("issuer.cli.agent.machine._verify", lambda *_: "")
    closed = passable / "etc"
    closed.mkdir(mode=0o700)
    secret = closed / "secret-id"
    secret.write_text("s")
    secret.chmod(0o600)
    monkeypatch.setattr(sys.modules[__name__], "GOOD", GOOD.replace("/etc/s", str(secret)))
    for problem in (f'doesn\'t come through "{closed}"', f'may not read "{secret}"'):
        ran = install(passable, monkeypatch, "--as", "nobody")
        assert ran.exit_code == 1
        assert problem in ran.output
        command = ran.output.split(problem)[1].split('run "')[1].split('"')[0]
        subprocess.run(["sh", "-c", command], check=True)
    assert install(passable, monkeypatch, "--as", "nobody").exit_code == 0


@AS_ROOT
def test_login_that_root_kept_is_handed_over(passable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path = passable
    monkeypatch.setattr("issuer.agent.config.state.SYSTEM_STATE", tmp_path / "lib" / "agent")
    monkeypatch.setattr("issuer.cli.agent.machine._verify", lambda *_: "")
    kept = state_folder(None, {}, str(tmp_path / "agent.yaml"), 0)
    kept.mkdir(parents=True)
    (kept / "secret-id").write_text("kept")
    said = install(tmp_path, monkeypatch, "--as", "nobody").output
    assert f"To hand it over:  cp -rT {kept} " in said
    command = said.split("To hand it over:  ")[1].splitlines()[0]
    subprocess.run(["sh", "-c", command], check=True)
    for words in (("--as", "nobody"), ()):  # root's service has root's very folder
        assert "To hand it over" not in install(tmp_path, monkeypatch, *words).output


def test_user_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nobody-here", "x y"):
        ran = install(tmp_path, monkeypatch, "--as", name)
        assert ran.exit_code == 1
        assert f'There is no user "{name}" on this machine' in ran.output
    assert not (tmp_path / "units").exists()


def test_zip_file_is_run_by_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vault-issuer.pyz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", "")
    monkeypatch.setattr("sys.argv", [str(path)])
    line = install(tmp_path, monkeypatch, "--print", "cron").stdout
    assert f"{sys.executable} {path} agent once" in line


@AS_ROOT
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_root_with_the_unit_s_rights_signals_and_sees_mounts(tmp_path: Path) -> None:
    """In a process with the very capabilities of the unit; systemd isn't needed for that."""
    setpriv = str(shutil.which("setpriv"))
    servers = [
        subprocess.Popen(["sleep", "600"]),
        subprocess.Popen([setpriv, f"--reuid={NOBODY.pw_uid}", "--clear-groups", "sleep", "600"]),
    ]
    script = (
        "import sys\nfrom pathlib import Path\nfrom issuer.agent.config.consumers import PidFileHook\n"
        "from issuer.agent.files.mounts import sees_all\n"
        "from issuer.agent.hooks.processes import check_process\n"
        "from issuer.agent.hooks.users import hook_user\n"
        "for user, path in zip(('root', 'nobody'), sys.argv[2:]):\n"
        "    hook = PidFileHook.model_validate({'pidFile': path, 'exe': sys.argv[1]})\n"
        "    check_process(hook, hook_user(user))\n"
        "assert sees_all()\n"
    )
    try:
        for server in servers:
            (tmp_path / str(server.pid)).write_text(str(server.pid))
        exe = os.path.realpath(shutil.which("sleep") or "")
        for looks in (True, False):
            unit = system_unit(SERVICE, "root", WrittenFolders(()), looks_into_processes=looks)
            [bounds] = re.findall("^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE)
            few = ",".join(["-all", *(f"+{one.removeprefix('CAP_').lower()}" for one in bounds.split())])
            pids = [str(tmp_path / str(one.pid)) for one in servers]
            ran = subprocess.run(
                [setpriv, "--bounding-set", few, sys.executable, "-c", script, exe, *pids],
                capture_output=True,
                text=True,
                check=False,
            )
            assert (ran.returncode == 0) is looks, ran.stderr
    finally:
        for server in servers:
            server.kill()
            server.wait()


def test_print_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "-59/10 * * * * sleep " in install(tmp_path, monkeypatch, "--print", "cron").stdout
    assert "[Service]" in install(tmp_path, monkeypatch, "--print", "systemd").stdout
    assert not (tmp_path / "units").exists()
