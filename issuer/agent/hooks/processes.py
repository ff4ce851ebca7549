"""A signal to the process whose number is in a pid file, after proof that it is the right one."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

from issuer.agent.config.consumers import PidFileHook
from issuer.agent.files.mounts import lies_in_memory
from issuer.agent.hooks.errors import HookFailed, HookUnsafe, NotRunning
from issuer.agent.hooks.users import HookUser, need_trusted

_PROC: Final = Path("/proc")
_MOST: Final = 4096
"""Bytes that are read of a pid file; PostgreSQL's has some lines more after the number."""
_SLACK: Final = 2.0
"""Seconds by which a process may seem to have started after its pid file: both times are rounded."""


def signal_process(hook: PidFileHook, user: HookUser) -> None:
    """Send the signal. The pid file is read anew each time.

    The process has to run `hook.exe` as `user`, and to be older than the pid file: else its number was given
    to another one. The file may be the user's own, as PostgreSQL's is: whatever number is in it, a process of
    that user and program alone is reached. Raises NotRunning, HookUnsafe, HookFailed.
    """
    _send(hook, user, getattr(signal, f"SIG{hook.signal}"))


def check_process(hook: PidFileHook, user: HookUser) -> None:
    """Prove the process of a pid file as `signal_process` does, and the right to signal it; send nothing.

    Raises as it does.
    """
    _send(hook, user, 0)  # judged by the kernel and not sent: kill(2)


def _send(hook: PidFileHook, user: HookUser, number: int) -> None:
    if not hasattr(os, "pidfd_open"):
        raise HookFailed("Signals by pid file need Linux (pidfd_open): use command instead")
    need_trusted(hook.pid_file, "pid file", user)
    pid, written = _read(hook.pid_file)
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError as error:
        raise NotRunning(f'Process {pid} of "{hook.pid_file}" doesn\'t run: start the server') from error
    try:
        # The descriptor stands for one process: if that ends and its number is given away, nothing is sent.
        _check(hook, user, pid, written)
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError as error:
        raise NotRunning(f'Process {pid} of "{hook.pid_file}" has ended: start the server') from error
    except PermissionError as error:
        raise HookFailed(f"Process {pid} can't be sent a signal: permission denied") from error
    finally:
        os.close(pidfd)


def _read(path: Path) -> tuple[int, float]:
    """Return the number in a pid file, and when it was written."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise NotRunning(f'There is no pid file "{path}": start the server, or correct pidFile') from error
    except OSError as error:
        raise HookFailed(f'The pid file "{path}" can\'t be read: {error.strerror}') from error
    with os.fdopen(fd, "rb") as file:
        written = os.fstat(file.fileno()).st_mtime
        words = file.read(_MOST).split()
    if not words or not words[0].isdigit() or not 1 < int(words[0][:10]) < 2**31:
        raise HookFailed(f'The pid file "{path}" doesn\'t begin with a process number')
    return int(words[0]), written


def _check(hook: PidFileHook, user: HookUser, pid: int, written: float) -> None:
    folder = _PROC / str(pid)
    try:
        status = (folder / "status").read_text(encoding="utf-8", errors="replace")
        started = _started((folder / "stat").read_text(encoding="utf-8", errors="replace"))
        exe = str((folder / "exe").readlink()).removesuffix(" (deleted)")  # after an upgrade of its package
    except FileNotFoundError as error:
        raise ProcessLookupError from error
    except PermissionError as error:
        change = "run the agent as that user" if os.geteuid() else "allow the agent CAP_SYS_PTRACE"
        raise HookUnsafe(f"Which program process {pid} runs can't be seen by this user: {change}") from error
    uids = {
        int(word) for line in status.splitlines() if line.startswith("Uid:") for word in line.split()[1:3]
    }
    whose = f'Process {pid} of "{hook.pid_file}"'
    if uids != {user.uid}:
        raise HookUnsafe(
            f"{whose} runs as user {min(uids, default=-1)}, not as {user.name}: nothing was sent"
        )
    if exe != os.path.realpath(hook.exe):
        raise HookUnsafe(f'{whose} runs "{exe}", not "{hook.exe}": nothing was sent; correct exe, or pidFile')
    # A file in memory that is older than this boot was written before the clock was set, as on machines that
    # keep no time while they are off: then nothing can be told by times.
    if started > written + _SLACK and not (written < _booted() and lies_in_memory(hook.pid_file)):
        raise HookUnsafe(
            f"{whose} is younger than the file: the number was given to another process, or this machine's "
            "clock was set forward since the server started. Restart the server"
        )


def _started(stat: str) -> float:
    """Return when a process started, in seconds since 1970: field 22 of /proc/PID/stat, see proc(5)."""
    ticks = int(stat.rpartition(")")[2].split()[19])
    return _booted() + ticks / os.sysconf("SC_CLK_TCK")


def _booted() -> float:
    """Return when this machine started, in seconds since 1970, by the clock as it is now."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
