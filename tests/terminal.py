"""Runs a bash script on a terminal of its own, and answers what is asked there, as a person does.

    python tests/terminal.py SCRIPT QUESTION ANSWER [QUESTION ANSWER]...

A question is the end of what stands on the terminal. Prints what a person sees; ends with the script's code.
"""

from __future__ import annotations

import os
import pty
import sys


def main(script: str, *words: str) -> int:
    """Run a script; `words` are questions and answers by turns. Returns its exit code."""
    answers = {
        question.encode(): answer.encode() for question, answer in zip(words[::2], words[1::2], strict=True)
    }
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("bash", ["bash", "-e", "-o", "pipefail", script])
    seen, answered = b"", 0
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # its end, on Linux
            break
        if not data:
            break
        seen += data
        asked = seen[answered:].rstrip()
        for question, answer in answers.items():
            if asked.endswith(question):
                answered = len(seen)
                os.write(terminal, answer + b"\n")
    _, status = os.waitpid(child, 0)
    sys.stdout.buffer.write(seen)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
