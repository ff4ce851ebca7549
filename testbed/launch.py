"""Run a command that the kernel kills when the process that started it dies, even by SIGKILL.

Called as ``python -I -S launch.py PARENT_PID COMMAND...``. A launcher of its own is used because
``preexec_fn`` runs Python between fork and exec, which can deadlock in a program with threads.
The standard library alone is imported, so it costs some 20 ms.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the death signal, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have died before the request was made.
        if os.getppid() != parent:
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  # no shell is wanted here


if __name__ == "__main__":
    main()
