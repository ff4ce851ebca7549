"""One thing that was held against the file, and the run as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Standing(StrEnum):
    """Verdict on one thing."""

    STANDS = "stands"
    DIFFERS = "differs"
    MISSING = "missing"
    NOT_CHECKED = "not checked"

    @property
    def is_wrong(self) -> bool:
        """True if Vault is not as the file says."""
        return self in (Standing.DIFFERS, Standing.MISSING)


@dataclass(frozen=True, slots=True)
class VerifyItem:
    """One thing: its path in Vault, its line in the file, and what is wrong or was not tried.

    `details` are all differences where `message` tells the first ones.
    """

    standing: Standing
    kind: str
    path: str
    place: str
    message: str = ""
    details: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "verdict": self.standing.value,
            "kind": self.kind,
            "path": self.path,
            "place": self.place,
            "message": self.message,
            "details": list(self.details),
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """All items of a run, and for each policy the capabilities that its token has, by path."""

    items: tuple[VerifyItem, ...]
    capabilities: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    def count(self, standing: Standing) -> int:
        """Return the number of items with a verdict."""
        return Counter(one.standing for one in self.items)[standing]

    @property
    def is_wrong(self) -> bool:
        """True if anything is not as the file says."""
        return any(one.standing.is_wrong for one in self.items)

    @property
    def is_whole(self) -> bool:
        """True if everything was checked."""
        return self.count(Standing.NOT_CHECKED) == 0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, without secrets."""
        return {
            "version": 1,
            "summary": {one.value: self.count(one) for one in Standing},
            "items": [one.to_json() for one in self.items],
            "policies": {
                name: {path: list(held) for path, held in paths.items()}
                for name, paths in self.capabilities.items()
            },
        }
