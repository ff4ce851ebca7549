"""What no controller may log: an error that nobody expected. Every test is held to it (tests/conftest.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

MARKS: Final = (
    '"unexpected error"',
    "Traceback (most recent call last)",
    "exception was never retrieved",
    "was never awaited",
    "object ignored",
)
"""Each is part of a log line of ours, of asyncio, or of Python, that tells of a defect."""


class Logs:
    """The logs of all controllers that this process started, and how far each was read."""

    def __init__(self) -> None:
        self._read: dict[Path, int] = {}

    def add(self, log: Path) -> None:
        """Look into this file, too, from where it ends now."""
        self._read[log] = log.stat().st_size if log.exists() else 0

    def news(self) -> list[str]:
        """Lines about unexpected errors that came since the last look, shortened."""
        return [
            f"{log.name}: {line}" for log in tuple(self._read) for line in self._lines(log) if _tells(line)
        ]

    def _lines(self, log: Path) -> list[str]:
        if not log.exists():
            return []
        with log.open("rb") as file:
            file.seek(self._read[log])
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]  # the rest of a line that is being written is read next time
        self._read[log] += len(whole)
        return whole.decode("utf-8", "replace").splitlines()


def _tells(line: str) -> bool:
    return any(mark in line for mark in MARKS)


LOGS: Final = Logs()
"""Those of this process."""
