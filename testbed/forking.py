"""`vault-issuer` forked from a process that has imported it, which is most of what a start costs.

What is forked runs the command's own entry point with arguments, environment and files of its own. Tests that
start hundreds of them use it; who measures a process, or starts it by another command, does not.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from testbed.errors import TestbedError
from testbed.processes import PATIENCE, Child, spawn

_SERVER = Path(__file__).with_name("forkserver.py")
_CLIENT = Path(__file__).with_name("forkclient.py")
_PROGRAM = """#!/bin/sh
exec '{python}' -IS '{client}' '{socket}' {name} "$@"
"""
COMMAND = "vault-issuer"
PROGRAMS = (COMMAND, "kubectl-vault_issuer", "kubectl_complete-vault_issuer")


class Forked:
    """A forked process, with what Process needs of `subprocess.Popen`.

    Attributes:
        pid: process id; it leads a process group of its own.
        returncode: exit code (negative: the signal), None while it runs or nobody has looked.
    """

    def __init__(self, told: socket.socket) -> None:
        self._told = told
        self._lock = threading.Lock()
        self.pid = int(told.recv(64) or 0)
        self.returncode: int | None = None
        if not self.pid:
            told.close()
            raise TestbedError("the process that forks vault-issuer has ended: its log has the reason")

    def poll(self) -> int | None:
        """Exit code, None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Exit code when it has ended; subprocess.TimeoutExpired after `timeout` seconds."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("vault-issuer", timeout or 0.0)
        return code

    def _ended(self, timeout: float | None) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
                last = self._told.recv(64)
                self._told.close()
                # Without its end the server was killed, and the kernel killed this one with it.
                self.returncode = os.waitstatus_to_exitcode(int(last)) if last else -signal.SIGKILL
        return self.returncode


class ForkServer:
    """Starts `vault-issuer` by forking; safe to use from several threads.

    Args:
        log: file for what the server itself says; beside it lies the folder of programs.

    Attributes:
        programs: folder for a PATH, of programs that have the server fork the command in their place.
    """

    def __init__(self, log: Path) -> None:
        self.programs = log.parent / "programs"
        self.programs.mkdir()
        path = self.programs / ".asked"
        self._asked, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, listening, log.open("ab") as output:
            listening.bind(str(path))
            listening.listen(64)
            handles = (theirs.fileno(), listening.fileno())
            words = [sys.executable, "-P", "-u", str(_SERVER), *map(str, handles)]
            self._process = spawn(words, dict(os.environ), output, handles)
        for name in PROGRAMS:
            text = _PROGRAM.format(python=sys.executable, client=_CLIENT, socket=path, name=name)
            (self.programs / name).write_text(text)
            (self.programs / name).chmod(0o755)

    @property
    def pid(self) -> int:
        """Process id of what forks."""
        return self._process.pid

    def start(self, words: Sequence[str], environment: Mapping[str, str], output: IO[bytes]) -> Forked:
        """Fork a `vault-issuer` with these arguments, this environment and no more, and its output there."""
        with Path(os.devnull).open("rb") as nothing:
            return self._fork(words, environment, [nothing, output, output])

    def _fork(
        self, words: Sequence[str], environment: Mapping[str, str], files: Sequence[IO[bytes]]
    ) -> Forked:
        message = json.dumps([COMMAND, list(words), dict(environment), str(Path.cwd()), None]).encode()
        # Of messages: in a stream, the pid and the status of one that ended at once are one number.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                socket.send_fds(self._asked, [message], [*(one.fileno() for one in files), theirs.fileno()])
            except OSError as error:
                ours.close()
                raise TestbedError(f"the process that forks vault-issuer has ended: {error}") from error
        return Forked(ours)

    def run(self, words: Sequence[str], answer: str, timeout: float) -> subprocess.CompletedProcess[str]:
        """Fork a `vault-issuer` with this environment, let it read `answer`, and wait for its end."""
        with (
            TemporaryFile() as given,
            TemporaryFile() as out,
            TemporaryFile() as err,
        ):
            given.write(answer.encode())
            given.seek(0)
            forked = self._fork(words, os.environ, [given, out, err])
            try:
                code = forked.wait(timeout)
            except BaseException:
                os.killpg(forked.pid, signal.SIGKILL)
                raise
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(words, code, out.read().decode(), err.read().decode())

    def close(self) -> None:
        """End it; what it forked and still runs is killed with it."""
        self._asked.close()
        self._process.wait()


SERVER: ForkServer | None = None
"""The one that is used, where there is one."""


@contextmanager
def forked_commands(log: Path) -> Iterator[None]:
    """In this block, fork what `run_command` runs, and controllers that are started by no other command."""
    global SERVER  # noqa: PLW0603  # one for the process, as its tests share it
    SERVER = ForkServer(log)
    try:
        yield
    finally:
        SERVER.close()
        SERVER = None


def run_command(
    *words: str | Path, answer: str = "", timeout: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    """Run `vault-issuer` with these words to its end; `answer` is what it reads."""
    told = [str(word) for word in words]
    if SERVER is not None:
        return SERVER.run(told, answer, timeout)
    command = [str(vault_issuer()), *told]
    return subprocess.run(command, input=answer, capture_output=True, text=True, check=False, timeout=timeout)


def start_command(words: Sequence[str], environment: Mapping[str, str], output: IO[bytes]) -> Child:
    """Start `vault-issuer` with these words, this environment and no more, and its output there.

    It leads a process group of its own.
    """
    if SERVER is not None:
        return SERVER.start(words, environment, output)
    return spawn([str(vault_issuer()), *words], environment, output)


def programs() -> Path:
    """Return the folder of `vault-issuer` and the plugin for a PATH: of those that are forked, if any are."""
    return vault_issuer().parent if SERVER is None else SERVER.programs


def vault_issuer() -> Path:
    """The ``vault-issuer`` command of this environment."""
    program = Path(sys.executable).with_name("vault-issuer")
    if not program.is_file():
        raise TestbedError(f"{program} is missing: install the project there (`make .venv`)")
    return program
