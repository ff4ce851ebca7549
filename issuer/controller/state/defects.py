"""Errors that nobody expected: counted, logged within bounds, and put into words for the object they met.

A reconciler that meets one writes the condition `InternalError` (a request: it waits, for that reason) and
tries again with backoff, so that whoever looks at the object sees why nothing happens.
"""

from __future__ import annotations

import traceback
from collections.abc import Hashable
from typing import Final

import structlog

from issuer.telemetry.metrics import Metrics
from issuer.telemetry.repeats import Repeats

log = structlog.get_logger(__name__)

_SHOWN: Final = 300
"""Characters of an error's own text in a log line: it may repeat what somebody else wrote."""


class Defects:
    """Counts unexpected errors by worker, and logs them.

    The first at a place of the code has its traceback, later ones a line at the 2nd, 4th, 8th ... time:
    however many objects meet it, and however often they are tried again, the log stays readable.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._repeats = Repeats()

    def note(self, worker: str, key: Hashable, error: Exception) -> str:
        """Count and log `error`, met by `worker` at the object `key`; return the message for the object.

        `worker` is a value of the metric's label. The message names the place, and nothing of the input.
        """
        self._metrics.worker_errors.labels(worker).inc()
        where = _place(error)
        times = self._repeats.count((worker, where))
        if times is not None:
            log.error(
                "unexpected error",
                queue=worker,
                key=str(key),
                place=where,
                error=repr(error)[:_SHOWN],
                times=times,
                exc_info=error if times == 1 else None,
            )
        return (
            f"the controller met an error that it does not expect ({where}), and retries automatically. "
            'Please report it, with the first line "unexpected error" of its log'
        )


def _place(error: Exception) -> str:
    """The error's type, and the innermost line of ours that it went through."""
    where = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] == "issuer":
            where = f" in {name}, line {line}"
    return f"{type(error).__name__[:80]}{where}"
