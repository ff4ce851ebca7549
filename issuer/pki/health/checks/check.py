"""The form of a check: its input, and how it tells a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, overload

from issuer.pki.file.durations import seconds
from issuer.pki.health.facts import MountFacts, VaultFacts
from issuer.pki.health.finding import Gravity, HealthFinding
from issuer.pki.health.parameters import HealthParameters

Fine = Literal[Gravity.OK, Gravity.NOT_APPLICABLE]
"""Severities with nothing to do."""


@dataclass(frozen=True, slots=True)
class MountCheck:
    """One check on one mount: its facts, those of all mounts, parameters, and the time now."""

    name: str
    mount: MountFacts
    vault: VaultFacts
    parameters: HealthParameters
    now: datetime

    @overload
    def finding(self, severity: Fine, endpoint: str, message: str) -> HealthFinding: ...
    @overload
    def finding(self, severity: Gravity, endpoint: str, message: str, *, instead: str) -> HealthFinding: ...
    @overload
    def finding(
        self, severity: Gravity, endpoint: str, message: str, fix: Mapping[str, Any] | None, instead: str = ""
    ) -> HealthFinding: ...
    def finding(
        self,
        severity: Gravity,
        endpoint: str,
        message: str,
        fix: Mapping[str, Any] | None = None,
        instead: str = "",
    ) -> HealthFinding:
        """Return a finding of this check. `endpoint` is a path in Vault; one that isn't fine needs a fix, or
        words of what to do instead."""
        return HealthFinding(self.name, severity, self.mount.path, endpoint, message, fix or {}, instead)

    @overload
    def at(self, severity: Fine, below: str, message: str) -> HealthFinding: ...
    @overload
    def at(self, severity: Gravity, below: str, message: str, *, instead: str) -> HealthFinding: ...
    @overload
    def at(
        self, severity: Gravity, below: str, message: str, fix: Mapping[str, Any] | None, instead: str = ""
    ) -> HealthFinding: ...
    def at(
        self,
        severity: Gravity,
        below: str,
        message: str,
        fix: Mapping[str, Any] | None = None,
        instead: str = "",
    ) -> HealthFinding:
        """Return a finding on a path below the mount, as `finding` does."""
        return self.finding(severity, f"{self.mount.path}/{below}", message, fix, instead)

    def duration(self, name: str) -> timedelta:
        """Return a parameter of this check that is a time span."""
        return self.parameters.duration(self.name, name)

    def number(self, name: str) -> int:
        """Return a parameter of this check that is a number."""
        return self.parameters.number(self.name, name)


LET_IT_READ: Final = "Give the token read on this path; `vault-issuer pki rights health` prints such a policy"
"""Advice for a path that may not be read."""
CheckFunction = Callable[[MountCheck], Iterator[HealthFinding]]
"""A check of a mount."""


def span(value: object) -> timedelta:
    """Return a lifetime as Vault gives it, seconds or text; 0 for none and for what can't be read."""
    try:
        return timedelta(seconds=seconds(value))
    except ValueError:
        return timedelta()


def hours(value: timedelta) -> str:
    """Return a lifetime as people write it: `720h`, or `90s` below an hour."""
    total = int(value.total_seconds())
    return f"{total // 3600}h" if total >= 3600 else f"{total}s"
