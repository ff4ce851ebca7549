"""A signal reaches the process of a pid file only if that is still the server."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from issuer.agent.config.consumers import PidFileHook, SignalName
from issuer.agent.hooks import processes
from issuer.agent.hooks.errors import HookFailed, HookUnsafe, NotRunning
from issuer.agent.hooks.processes import signal_process
from issuer.agent.hooks.users import HookUser, hook_user

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
EXE = os.path.realpath(sys.executable)
SERVER = (
    "import signal, sys\n"
    "signal.signal(signal.SIGHUP, lambda *_: (print('reloaded', flush=True), sys.exit(0)))\n"
    "print('ready', flush=True)\n"
    "while True: signal.pause()\n"
)


@pytest.fixture
def user() -> HookUser:
    return hook_user(getpass.getuser())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([EXE, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    (tmp_path / "pid").write_text(f"{process.pid}\n")
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def hook(folder: Path, exe: str = EXE, name: SignalName = SignalName.HUP) -> PidFileHook:
    return PidFileHook.model_validate({"pidFile": str(folder / "pid"), "exe": exe, "signal": name})


def test_server_gets_the_signal(tmp_path: Path, user: HookUser, server: subprocess.Popen[str]) -> None:
    signal_process(hook(tmp_path), user)
    assert server.stdout is not None
    assert server.stdout.readline() == "reloaded\n"
    assert server.wait() == 0


def test_pid_file_of_another_program_is_refused(
    tmp_path: Path, user: HookUser, server: subprocess.Popen[str]
) -> None:
    with pytest.raises(HookUnsafe, match=rf'runs "{EXE}", not "/usr/sbin/nginx": nothing was sent'):
        signal_process(hook(tmp_path, "/usr/sbin/nginx"), user)
    assert server.poll() is None


def test_number_that_was_given_to_another_process_is_refused(
    tmp_path: Path, user: HookUser, server: subprocess.Popen[str]
) -> None:
    before = time.time() - 3600
    os.utime(tmp_path / "pid", (before, before))
    with pytest.raises(HookUnsafe, match="younger than the file"):
        signal_process(hook(tmp_path), user)
    assert server.poll() is None


def test_clock_that_was_set_after_the_boot_is_no_other_process(
    tmp_path: Path, user: HookUser, server: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that keeps no time while it is off writes pid files in /run before it knows the time."""
    before_boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) - 86400
    os.utime(tmp_path / "pid", (before_boot, before_boot))
    monkeypatch.setattr(processes, "lies_in_memory", lambda _: False)
    with pytest.raises(HookUnsafe, match="or this machine's clock was set forward"):
        signal_process(hook(tmp_path), user)
    monkeypatch.setattr(processes, "lies_in_memory", lambda _: True)
    signal_process(hook(tmp_path), user)
    assert server.wait() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="acts as other users: needs root")
def test_pid_file_may_be_the_consumers_own() -> None:
    """PostgreSQL's is; a process of another user or program isn't reached by it."""
    nobody = hook_user("nobody")
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to other users
        process = subprocess.Popen(["/bin/sleep", "60"], user=nobody.uid, group=nobody.gid)
        pid = Path(folder, "pid")
        pid.write_text(f"{process.pid}\n")
        os.chown(pid, nobody.uid, nobody.gid)
        os.chown(folder, nobody.uid, nobody.gid)
        signal_process(hook(Path(folder), "/bin/sleep", SignalName.TERM), nobody)
        assert process.wait() == -signal.SIGTERM
        pid.write_text(f"{os.getpid()}\n")
        with pytest.raises(HookUnsafe, match="runs as user 0, not as nobody"):
            signal_process(hook(Path(folder), EXE), nobody)


@pytest.mark.skipif(os.geteuid() != 0, reason="acts as other users: needs root")
def test_process_of_another_user_is_refused(tmp_path: Path, server: subprocess.Popen[str]) -> None:
    with pytest.raises(HookUnsafe, match="runs as user 0, not as nobody"):
        signal_process(hook(tmp_path), hook_user("nobody"))
    assert server.poll() is None


def test_server_that_ended_is_told(tmp_path: Path, user: HookUser, server: subprocess.Popen[str]) -> None:
    server.send_signal(signal.SIGKILL)
    server.wait()
    with pytest.raises(NotRunning, match="start the server"):
        signal_process(hook(tmp_path), user)


def test_pid_file_is_read_anew_each_time(
    tmp_path: Path, user: HookUser, server: subprocess.Popen[str]
) -> None:
    (tmp_path / "pid").unlink()
    with pytest.raises(NotRunning, match="There is no pid file"):
        signal_process(hook(tmp_path), user)
    (tmp_path / "pid").write_text(str(server.pid))
    signal_process(hook(tmp_path), user)
    assert server.wait() == 0


def test_pid_file_that_others_may_write_is_refused(
    tmp_path: Path, user: HookUser, server: subprocess.Popen[str]
) -> None:
    (tmp_path / "pid").chmod(0o666)
    with pytest.raises(HookUnsafe, match="everybody may write"):
        signal_process(hook(tmp_path), user)
    assert server.poll() is None


@pytest.mark.parametrize("text", ["", "nginx", "-1", "0", "1", "99999999999999999999"])
def test_what_is_no_number_of_a_server_is_refused(tmp_path: Path, user: HookUser, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    with pytest.raises(HookFailed, match="doesn't begin with a process number"):
        signal_process(hook(tmp_path), user)


def test_program_that_was_replaced_by_an_upgrade_is_known_again(tmp_path: Path, user: HookUser) -> None:
    copy = tmp_path / "sleep"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", copy)
    process = subprocess.Popen([copy, "1000"])
    try:
        (tmp_path / "pid").write_text(str(process.pid))
        while Path(f"/proc/{process.pid}/exe").readlink() != copy:
            time.sleep(0.01)
        copy.unlink()
        signal_process(hook(tmp_path, str(copy), SignalName.TERM), user)
        assert process.wait() == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()
