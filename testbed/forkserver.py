"""Imports the product once and forks for each `vault-issuer` it is asked for; testbed/forking.py asks.

Run as ``python -P -u forkserver.py FD LISTENING``: FD is a socket, and each message on it has the program,
arguments, environment, folder and umask (or null) of one process, with four open files: its standard input,
output and error, and a socket that is told its pid and, when it has ended, its wait status. Who connects to
the other socket sends one such message. The standard library and the product alone are imported.
"""

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable

LARGEST_MESSAGE = 1 << 20
_PR_SET_PDEATHSIG = 1


class ForkServer:
    """The forked processes that run, and whom to tell of their ends."""

    def __init__(self, asked: socket.socket, listening: socket.socket) -> None:
        self._asked = asked
        self._listening = listening
        self._running: dict[int, tuple[int, socket.socket]] = {}  # by pidfd: the process, and who waits
        self._events = select.poll()
        self._events.register(asked, select.POLLIN)
        self._events.register(listening, select.POLLIN)

    def serve(self) -> str:
        """Fork what is asked for until nobody can ask any more: "", or in a forked process its program."""
        while True:
            for ready, _ in self._events.poll():
                if ready in self._running:
                    self._tell_end(ready)
                    continue
                if ready == self._listening.fileno():
                    with self._listening.accept()[0] as client:
                        message, handles, _, _ = socket.recv_fds(client, LARGEST_MESSAGE, 4)
                else:
                    message, handles, _, _ = socket.recv_fds(self._asked, LARGEST_MESSAGE, 4)
                    if not message:
                        return ""  # whatever still runs is killed with us
                program = self._fork(message, handles) if message else ""
                if program:
                    return program

    def _fork(self, message: bytes, handles: list[int]) -> str:
        *standard, last = handles
        who = socket.socket(fileno=last)
        pid = os.fork()
        if pid == 0:
            who.close()
            return self._become(message, standard)
        for one in standard:
            os.close(one)
        with contextlib.suppress(OSError):  # the child does it too, and may have ended
            os.setpgid(pid, pid)
        handle = os.pidfd_open(pid)
        self._running[handle] = (pid, who)
        self._events.register(handle, select.POLLIN)
        with contextlib.suppress(OSError):  # who asked may have been killed
            who.sendall(str(pid).encode())
        return ""

    def _tell_end(self, handle: int) -> None:
        self._events.unregister(handle)
        pid, who = self._running.pop(handle)
        _, status = os.waitpid(pid, 0)
        os.close(handle)
        with contextlib.suppress(OSError), who:
            who.sendall(str(status).encode())

    def _become(self, message: bytes, standard: list[int]) -> str:
        """Be the command: a group of its own, death with the server, its files, environment, arguments."""
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        self._asked.close()
        self._listening.close()
        for handle, (_, who) in self._running.items():
            os.close(handle)
            who.close()
        for number, one in enumerate(standard):
            os.dup2(one, number)
            os.close(one)
        program, words, environment, folder, mask = json.loads(message)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        if mask is not None:
            os.umask(mask)
        sys.argv = [program, *words]
        return str(program)


def import_product() -> None:
    """Import what the command imports for a controller, in its order, and for `pki apply`; no fork looks for
    garbage in it."""
    import issuer.cli.main
    import issuer.controller.process.run
    import issuer.pki.apply.applying
    import issuer.pki.plan.saved
    import issuer.pki.plan.show
    import issuer.pki.server.logins
    import issuer.pki.session
    import issuer.signing.step.connector
    import issuer.signing.vault.opening.connector  # noqa: F401  # imported for those that are forked

    gc.freeze()


def entry_point(program: str) -> Callable[[], None]:
    """Return what a program of pyproject.toml's `scripts` runs."""
    from issuer.cli import kubectl, main

    programs = {
        "vault-issuer": main.main,
        "kubectl-vault_issuer": kubectl.plugin,
        "kubectl_complete-vault_issuer": kubectl.complete,
    }
    return programs[program]


if __name__ == "__main__":
    import_product()
    wanted = ForkServer(*(socket.socket(fileno=int(one)) for one in sys.argv[1:])).serve()
    if wanted:
        entry_point(wanted)()
