"""Lines for systemd's journal: each begins with its level, so that `journalctl -p warning` finds it.

Source: sd-daemon(3) for the prefix, systemd.exec(5) for JOURNAL_STREAM.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

import structlog
from structlog.typing import EventDict, WrappedLogger

_PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Levels of syslog(3), by structlog's words."""


def writes_to_journal(environment: Mapping[str, str]) -> bool:
    """Return True if standard error is connected to the journal, and not led elsewhere since."""
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class JournalRenderer:
    """Renders an event as text whose every line has the level's prefix; a structlog processor."""

    def __init__(self) -> None:
        self._text = structlog.dev.ConsoleRenderer(colors=False)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        """Return the lines of one event."""
        priority = _PRIORITIES.get(str(event.get("level") or method), _PRIORITIES["info"])
        lines = str(self._text(logger, method, event)).splitlines()
        return "\n".join(f"<{priority}>{line}" for line in lines)
