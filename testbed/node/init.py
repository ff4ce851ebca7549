"""The first process of the node's process namespace: starts a command, buries orphans, ends with the command.

Called as ``python -I -S init.py COMMAND...``. When it ends, the kernel kills all that is left there.
"""

import os
import signal
import sys


def main() -> None:
    """Run the command and exit with its code."""
    child = os.fork()
    if child == 0:
        os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606  # no shell is wanted here
    # Ctrl-C reaches the command by itself: a terminal signals the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: os.kill(child, got))
    while True:
        pid, status = os.wait()
        if pid == child:
            sys.exit(abs(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
