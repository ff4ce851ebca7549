"""Violations: values in a request that a policy doesn't allow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """The policy's field that doesn't allow it, and a message. Both are bounded."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"
