"""Imports the product once and forks for each `vault-issuer` it is asked for; testbed/forking.py asks.

Run as ``python -P -u forkserver.py FD``: FD is a socket, and each message on it has the arguments and the
environment of one process, with four open files: its standard input, output and error, and a socket that is
told its pid and, when it has ended, its wait status. The standard library and the product alone are imported.
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

LARGEST_MESSAGE = 1 << 20
_PR_SET_PDEATHSIG = 1


class ForkServer:
    """The forked processes that run, and whom to tell of their ends."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._running: dict[int, tuple[int, socket.socket]] = {}  # by pidfd: the process, and who waits
        self._events = select.poll()
        self._events.register(asked, select.POLLIN)

    def serve(self) -> bool:
        """Fork what is asked for until nobody can ask any more; True in a process that was forked."""
        while True:
            for ready, _ in self._events.poll():
                if ready in self._running:
                    self._tell_end(ready)
                    continue
                message, handles, _, _ = socket.recv_fds(self._asked, LARGEST_MESSAGE, 4)
                if not message:
                    return False  # whatever still runs is killed with us
                if self._fork(message, handles):
                    return True

    def _fork(self, message: bytes, handles: list[int]) -> bool:
        *standard, last = handles
        who = socket.socket(fileno=last)
        pid = os.fork()
        if pid == 0:
            who.close()
            self._become(message, standard)
            return True
        for one in standard:
            os.close(one)
        with contextlib.suppress(OSError):  # the child does it too, and may have ended
            os.setpgid(pid, pid)
        handle = os.pidfd_open(pid)
        self._running[handle] = (pid, who)
        self._events.register(handle, select.POLLIN)
        who.sendall(str(pid).encode())
        return False

    def _tell_end(self, handle: int) -> None:
        self._events.unregister(handle)
        pid, who = self._running.pop(handle)
        _, status = os.waitpid(pid, 0)
        os.close(handle)
        with contextlib.suppress(OSError), who:
            who.sendall(str(status).encode())

    def _become(self, message: bytes, standard: list[int]) -> None:
        """Be the command: a group of its own, death with the server, its files, environment, arguments."""
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        self._asked.close()
        for handle, (_, who) in self._running.items():
            os.close(handle)
            who.close()
        for number, one in enumerate(standard):
            os.dup2(one, number)
            os.close(one)
        words, environment = json.loads(message)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["vault-issuer", *words]


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
    import issuer.signing.vault.connector  # noqa: F401  # imported for those that are forked

    gc.freeze()


if __name__ == "__main__":
    import_product()
    if ForkServer(socket.socket(fileno=int(sys.argv[1]))).serve():
        from issuer.cli.main import main

        main()
