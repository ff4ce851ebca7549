"""Records of what each consumer was told last, in files that `agent status` reads."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from issuer.agent.config.state import CONSUMERS
from issuer.agent.files.folders import opened_folder
from issuer.agent.files.writing import disk_errors, write_file


class HookOutcome(StrEnum):
    """Ends of a hook."""

    NONE = "None"
    """Nothing had to be told yet."""
    TOLD = "Told"
    STOPPED = "Stopped"
    """It doesn't run, and may be stopped."""
    FAILED = "Failed"
    ROLLED_BACK = "RolledBack"
    """It refused the new files and was given the old ones again."""


@dataclass(frozen=True, slots=True)
class ConsumerRecord:
    """The last hook of one consumer.

    Attributes:
        delivered: for each set, the files that it was told of and took; see `identity_of`.
        told_at, succeeded_at: RFC 3339, empty where there was none.
        seconds: of the last hook, with its verification.
        failures: in a row; `runs` and `failed_runs` are of all time.
    """

    name: str
    outcome: HookOutcome = HookOutcome.NONE
    delivered: Mapping[str, str] = field(default_factory=dict)
    told_at: str = ""
    succeeded_at: str = ""
    seconds: float = 0.0
    failures: int = 0
    runs: int = 0
    failed_runs: int = 0
    error: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def is_failing(self) -> bool:
        """Return True if the last hook failed."""
        return self.outcome in (HookOutcome.FAILED, HookOutcome.ROLLED_BACK)


class ConsumerRecords:
    """One file for each consumer in the state folder."""

    def __init__(self, state_folder: Path) -> None:
        self._folder = state_folder / CONSUMERS

    def write(self, record: ConsumerRecord) -> None:
        """Keep a record. Raises UnsafePath and DiskRefused."""
        data = json.dumps(asdict(record), sort_keys=True).encode()
        write_file(self._folder / f"{record.name}.json", data, 0o644, "The consumer's record")

    def read(self, name: str) -> ConsumerRecord:
        """Return the record of a consumer, an empty one if there is none or it can't be read."""
        try:
            found: Any = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
            return ConsumerRecord(
                **{
                    **found,
                    "name": name,
                    "outcome": HookOutcome(found["outcome"]),
                    "delivered": {str(key): str(value) for key, value in found["delivered"].items()},
                    "warnings": tuple(map(str, found["warnings"])),
                }
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return ConsumerRecord(name)

    @contextmanager
    def telling(self, name: str) -> Iterator[bool]:
        """Hold the consumer's lock; gives False if another process is telling it now."""
        with opened_folder(self._folder, create=True) as folder, disk_errors("The consumer's lock"):
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(f"{name}.lock", flags, 0o600, dir_fd=folder)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(fd)
