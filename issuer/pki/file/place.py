"""Files and lines that values of `pki.yaml` come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str | int, ...]
"""Keys and list indices from the root of the file to a value."""


@dataclass(frozen=True, slots=True)
class Place:
    """One line of one file; line 0 stands for no line."""

    source: str
    line: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Places:
    """The place of each value by its path; `keys` are last keys as written, where they have variables."""

    by_path: Mapping[Path, Place] = field(default_factory=dict)
    keys: Mapping[Path, str] = field(default_factory=dict)

    def as_written(self, value: Any, *path: str | int) -> Any:
        """Return a part of the file at `path` with its keys as the file writes them: `pki_${ENVIRONMENT}`."""
        if not isinstance(value, Mapping):
            return value
        return {
            self.keys.get((*path, key), key): self.as_written(inner, *path, key)
            for key, inner in value.items()
        }

    def told(self, *path: str | int) -> str:
        """Return place and path of a value as a message begins: `pki.yaml:3 mounts.pki.tune:`."""
        return f"{self.of(*path)} {'.'.join(map(str, path))}:"

    def of(self, *path: str | int) -> Place:
        """Return the place of a value, or of the nearest value around it that has one."""
        for length in range(len(path), -1, -1):
            place = self.by_path.get(path[:length])
            if place is not None:
                return place
        return Place("pki.yaml", 1)
