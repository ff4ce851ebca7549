"""Standard output that fails: a full disk, a pipe that its reader closed, an encoding without a character."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

_DONE: Final = 0
_FAILED: Final = 1


class _Output(io.FileIO):
    """Standard output that remembers its failure; while it `goes_on`, what can't be written is lost."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)
        self.failed: OSError | None = None
        self.goes_on = False
        self.told = False

    def write(self, data: Any, /) -> int:
        """Write; raises OSError unless it goes on."""
        try:
            return super().write(data)
        except OSError as error:
            self.failed = error
            if not self.goes_on:
                raise
            self._tell("what was begun is finished without it")
            return memoryview(data).nbytes

    def end(self, code: int | str | None) -> int | str | None:
        """Return the exit code, once all is written; a failure is told, but that of a closed pipe."""
        try:
            sys.stdout.flush()
        except OSError as error:
            self.failed = error
        if self.failed is None:
            return code
        if self.failed.errno != errno.EPIPE:
            self._tell("what is there isn't whole")
        self.told = self.goes_on = True  # at Python's own end, which tries to write what is left
        return code or _FAILED

    def _tell(self, consequence: str) -> None:
        if not self.told and self.failed is not None:
            self.told = True
            why = self.failed.strerror
            with suppress(OSError):  # the same pipe, by 2>&1
                sys.stderr.write(f"Error: standard output can't be written: {why}; {consequence}\n")


def open_missing_streams() -> None:
    """Open /dev/null for standard streams that a caller closed: else Python has None there, and the next file
    that is opened, such as one with a key, would have a stream's number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = os.fdopen(os.open(os.devnull, os.O_RDWR), mode, closefd=False)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


@contextmanager
def output_errors_told() -> Iterator[None]:
    """End with 1 and a sentence where standard output can't be written; a closed pipe ends it without words.

    Characters that the output's encoding doesn't have are written as escapes.
    """
    open_missing_streams()
    before = sys.__stdout__
    if before is None or before is not sys.stdout:  # none, or a caller took it over
        yield
        return
    output = _Output(before.fileno())
    lines = before.line_buffering
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(output), before.encoding, "backslashreplace", line_buffering=lines
    )
    code: int | str | None = _DONE
    try:
        yield
    except SystemExit as error:
        code = error.code
    except (OSError, BaseExceptionGroup):
        if output.failed is None or output.told:
            raise
    sys.exit(output.end(code))


@contextmanager
def finished_without_output() -> Iterator[None]:
    """Let an act come to its end though nobody reads what it says; the command ends with 1 all the same."""
    output = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(output, _Output):
        yield
        return
    output.goes_on = True
    try:
        yield
        sys.stdout.flush()
    finally:
        output.goes_on = False
