"""Python's `warnings` as log lines: structured, bounded, and few.

Libraries warn about what they are shown (an odd certificate) and about themselves (a call that will go). By
default each goes to standard error as two lines of text, and Python remembers each text for good.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import PurePath
from typing import Final, TextIO

import structlog

from issuer.telemetry.repeats import Repeats
from issuer.text import one_line

log = structlog.get_logger(__name__)

_ABOUT_CODE: Final = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""Categories about code rather than input, which Python itself keeps quiet; told at level debug."""
_SHOWN: Final = 300
"""Characters of a warning's text; it may repeat what somebody else wrote."""


class WarningLog:
    """Logs warnings, by category and place in the code: the 1st, 2nd, 4th, 8th ... of each."""

    def __init__(self) -> None:
        self._repeats = Repeats()

    def show(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Log a warning; the signature is that of `warnings.showwarning`."""
        times = self._repeats.count((category, filename, lineno))
        if times is None:
            return
        write = log.debug if issubclass(category, _ABOUT_CODE) else log.warning
        write(
            "python warning",
            category=category.__name__,
            message=one_line(str(message)[:_SHOWN], _SHOWN),
            place=f"{PurePath(filename).name}:{lineno}",
            times=times,
        )


def capture() -> None:
    """Send warnings to the log from now on, unless Python was started with `-W` or PYTHONWARNINGS."""
    if sys.warnoptions:
        return
    # "always": else Python keeps each text that it has shown, and others choose the texts.
    warnings.simplefilter("always")
    warnings.showwarning = WarningLog().show
