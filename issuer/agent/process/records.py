"""The last look at each set, in files that `agent status` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from issuer.agent.config.state import RECORDS
from issuer.agent.files.writing import write_file
from issuer.agent.login.methods import LOGIN_RECORD


@dataclass(frozen=True, slots=True)
class SetRecord:
    """The last look at one set. Times are RFC 3339, empty where there was none; `failures` are in a row."""

    name: str
    looked_at: str = ""
    renewed_at: str = ""
    failures: int = 0
    error: str = ""
    warnings: tuple[str, ...] = ()
    skew_seconds: float = 0.0


class Records:
    """One file for each set in the state folder."""

    def __init__(self, state_folder: Path) -> None:
        self.state_folder = state_folder
        self._folder = state_folder / RECORDS

    def write(self, record: SetRecord) -> None:
        """Keep a record. Raises UnsafePath and DiskRefused."""
        data = json.dumps(asdict(record), sort_keys=True).encode()
        write_file(self._folder / f"{record.name}.json", data, 0o644, "The record")

    def read(self, name: str) -> SetRecord:
        """Return the record of a set, an empty one if there is none or it can't be read."""
        try:
            found: Any = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
            return _record(name, found)
        except (OSError, ValueError, TypeError):
            return SetRecord(name)


@dataclass(frozen=True, slots=True)
class LoginRecord:
    """The last login: its way and time (RFC 3339), empty if all ways were refused.

    `refused` has way and cause of each that was tried before.
    """

    way: str
    at: str
    refused: tuple[tuple[str, str], ...] = ()

    def lines(self) -> list[str]:
        """Return it as sentences."""
        found = [f"Login by {way} was refused: {why}" for way, why in self.refused]
        return [*found, f"Logged in by {self.way} at {self.at}"] if self.way else found

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        refused = [{"way": way, "why": why} for way, why in self.refused]
        return {"way": self.way or None, "at": self.at or None, "refused": refused}


def read_login(state: Path) -> LoginRecord | None:
    """Return the record of the last login, None if there is none or it can't be read."""
    try:
        found: Any = json.loads((state / LOGIN_RECORD).read_text(encoding="utf-8"))
        refused = tuple((str(one["way"]), str(one["why"])) for one in found["refused"])
        return LoginRecord(str(found["way"] or ""), str(found["at"] or ""), refused)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _record(name: str, found: Mapping[str, Any]) -> SetRecord:
    return SetRecord(
        name,
        str(found["looked_at"]),
        str(found["renewed_at"]),
        int(found["failures"]),
        str(found["error"]),
        tuple(map(str, found["warnings"])),
        float(found["skew_seconds"]),
    )
