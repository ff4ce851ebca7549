"""Servers as child processes: own process group, log file, readiness, and death with the parent."""

from __future__ import annotations

import contextlib
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Protocol

from testbed.errors import PortTakenError, TestbedError

LOOPBACK = "127.0.0.1"
# Below the ephemeral ports of Linux and macOS, so that no outgoing connection takes a server's port while it
# is stopped and started again.
PORTS = range(20_000, 32_000)
CLAIMED_AT_ONCE = 50
LOG_TAIL_LINES = 15
PATIENCE = 120.0
"""Seconds that a condition is waited for: a guard against hanging, not a limit of what is tested. A machine
with six times too much to do needs a minute for what usually takes some seconds."""
PORT_ATTEMPTS = 5
_LAUNCHER = Path(__file__).with_name("launch.py")
_TAKEN_WORDS = ("address already in use", "bind: permission denied")
_INHERITED = ("PATH", "HOME", "TMPDIR", "GOGC")


class _Spawner:
    """Starts every child from one thread that lives as long as this process.

    Linux ties the parent-death signal to the *thread* that forked: a child started from a worker thread
    (``asyncio.to_thread``, a test's pool) would be killed as soon as that thread ends.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[
            tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]
        ]
        self._jobs = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pid: int | None = None

    def spawn(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._pid != os.getpid():  # first use, or we are a fork of who used it first
                self._jobs = queue.SimpleQueue()
                self._pid = os.getpid()
                threading.Thread(target=self._work, name="testbed-spawner", daemon=True).start()
        result: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((start, result))
        return result.result()

    def _work(self) -> None:
        while True:
            start, result = self._jobs.get()
            try:
                result.set_result(start())
            except OSError as error:
                result.set_exception(error)


_spawner = _Spawner()


class Child(Protocol):
    """What is asked of a started process; `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...


Start = Callable[[Sequence[str], Mapping[str, str], IO[bytes]], Child]
"""Starts a command with an environment, and its output to a file."""


def spawn(
    words: Sequence[str], environment: Mapping[str, str], output: IO[bytes], kept: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own that dies with this process, with `kept` open files."""

    def launch() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            process_group=0,
            pass_fds=kept,
        )

    return _spawner.spawn(launch)


_ports: list[int] = []
_ports_lock = threading.Lock()


def free_port() -> int:
    """A loopback port nobody listens on now; no port is handed out twice while this process runs."""
    with _ports_lock:
        while True:
            if not _ports:
                _ports.extend(_claimed_ports())
            if _free(port := _ports.pop()):
                return port


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _claimed_ports() -> range:
    """Ports that no testbed of another process hands out until this one ends.

    Two that chose one port, before either listened there, would take each other's server for their own. An
    abstract Unix socket (unix(7)) goes with the last process that holds it, and leaves no file.
    """
    claims = [PORTS[at : at + CLAIMED_AT_ONCE] for at in range(0, len(PORTS), CLAIMED_AT_ONCE)]
    for ports in random.sample(claims, k=len(claims)):
        if sys.platform != "linux":
            return ports
        with socket.socket(socket.AF_UNIX) as claim, contextlib.suppress(OSError):
            claim.bind(f"\0vault-issuer-testbed-ports-{ports.start}")
            claim.detach()
            return ports
    raise TestbedError(f"no free loopback port found between {PORTS.start} and {PORTS.stop}")


def retry_ports(start: Callable[[], None]) -> None:
    """Call ``start`` (which chooses its ports itself) until no port was taken meanwhile.

    Raises:
        PortTakenError: every attempt lost the race for its port.
    """
    for attempt in range(1, PORT_ATTEMPTS + 1):
        try:
            start()
        except PortTakenError:
            if attempt == PORT_ATTEMPTS:
                raise
        else:
            return


class Process:
    """One server: ``start`` it, ``wait_ready``, ``stop`` it; its output goes to ``log``.

    Args:
        name: what error messages call it.
        log: file that takes stdout and stderr; appended to over restarts.
    """

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._popen: Child | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Process id; raises TestbedError when it was never started."""
        if self._popen is None:
            raise TestbedError(f"{self.name} was not started")
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def returncode(self) -> int | None:
        """Exit code (negative: the signal), None while it runs or before it was started."""
        return None if self._popen is None else self._popen.poll()

    def start(
        self, command: Sequence[str | Path], env: Mapping[str, str] | None = None, start: Start = spawn
    ) -> None:
        """Start the command; returns as soon as it was forked.

        The child gets only PATH, HOME, TMPDIR, GOGC and `env`, so that nobody's proxy or VAULT_* variables
        change what a test sees.
        """
        if self.running:
            raise TestbedError(f"{self.name} runs already")
        words = [str(word) for word in command]
        inherited = {key: os.environ[key] for key in _INHERITED if key in os.environ}
        self._log_start = self.log.stat().st_size if self.log.exists() else 0

        try:
            with self.log.open("ab") as output:
                self._popen = start(words, {**inherited, **(env or {})}, output)
        except OSError as error:
            raise TestbedError(f"{self.name} could not be started: {error}") from error

    def output(self) -> str:
        """What it has written since its last start."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def wait_ready(self, ready: Callable[[], bool], timeout: float = PATIENCE) -> None:
        """Poll ``ready`` until it is true.

        Raises:
            PortTakenError: it ended because its port was taken.
            TestbedError: it ended, or was not ready in ``timeout`` seconds; the text has its last log lines.
        """
        deadline = time.monotonic() + timeout
        while True:
            if not self.running:
                text = self.failure(f"ended with code {self.returncode} before it was ready")
                taken = any(words in self.output() for words in _TAKEN_WORDS)
                raise PortTakenError(text) if taken else TestbedError(text)
            if ready() and self.running:
                return
            if time.monotonic() > deadline:
                raise TestbedError(self.failure(f"was not ready after {timeout:.0f} s"))
            time.sleep(0.03)

    def failure(self, what: str) -> str:
        """Return what happened to it, and the end of its log."""
        tail = self.output().splitlines()[-LOG_TAIL_LINES:]
        return "\n  ".join([f"{self.name} {what}; the end of {self.log}:", *(line[:400] for line in tail)])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its whole process group; nothing happens when it has ended."""
        if self._popen is not None and self.running:
            # The group is gone when it ended between the check and the call.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, number)

    def stop(self, grace: float = 5.0) -> int | None:
        """SIGTERM, then SIGKILL after ``grace`` seconds (at once for 0); returns the exit code."""
        if self._popen is None:
            return None
        if grace > 0:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._popen.wait(grace)
        self.signal(signal.SIGKILL)
        return self._popen.wait()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): its sockets stay open and nothing answers."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen process go on (SIGCONT)."""
        self.signal(signal.SIGCONT)
