"""Has the process that forks run a command in place of this one: with its files, folder, environment and end.

Run as ``python -IS forkclient.py SOCKET PROGRAM WORDS...`` by the programs that testbed/forking.py writes.
"""

import json
import os
import signal
import socket
import sys

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(path: str, program: str, *words: str) -> int:
    """Return the exit code of the command, as a shell tells it; signals to end are passed on."""
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    mask = os.umask(0o022)
    os.umask(mask)
    message = json.dumps([program, words, dict(os.environ), str(os.getcwd()), mask])  # noqa: PTH109
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asked:
        asked.connect(path)
        socket.send_fds(asked, [message.encode()], [0, 1, 2, theirs.fileno()])
    pid = int(ours.recv(64))
    for number in PASSED_ON:
        signal.signal(number, lambda told, _: os.kill(pid, told))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    code = os.waitstatus_to_exitcode(int(ours.recv(64) or signal.SIGKILL))
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
