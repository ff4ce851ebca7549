"""One finding of a health check, and the report of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from issuer.pki.health.fixes import to_lines


class Gravity(StrEnum):
    """Severities, mild to grave, in the words of `bao pki health-check`."""

    NOT_APPLICABLE = "not_applicable"
    OK = "ok"
    NOT_CHECKED = "not_checked"
    """The token may not read what the check needs, or a URL was not to be fetched."""
    INFORMATIONAL = "informational"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def is_fine(self) -> bool:
        """True if there is nothing to do."""
        return self in (Gravity.OK, Gravity.NOT_APPLICABLE)

    @property
    def rank(self) -> int:
        """Number that grows with gravity."""
        return list(Gravity).index(self)


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """One verdict of one check.

    `mount` is "" for what belongs to no PKI mount; `endpoint` is a path in Vault or a URL; `fix` are the
    parts of `pki.yaml` that would mend it, as for the automation part; `instead` says what to do where no
    line of it can. Raises ValueError for a verdict that isn't fine and has neither.
    """

    check: str
    severity: Gravity
    mount: str
    endpoint: str
    message: str
    fix: Mapping[str, Any] = field(default_factory=dict)
    instead: str = ""
    place: str = ""

    def __post_init__(self) -> None:
        if not (self.severity.is_fine or self.fix or self.instead):
            raise ValueError(f"{self.check}: nothing says what to do about: {self.message}")

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "check": self.check,
            "severity": self.severity.value,
            "mount": self.mount,
            "endpoint": self.endpoint,
            "message": self.message,
            "place": self.place,
            "fix": to_lines(self.fix),
            "instead": self.instead,
        }


@dataclass(frozen=True, slots=True)
class Expiry:
    """An end that monitoring watches: of a CA certificate or of a CRL; Unix seconds."""

    kind: str
    mount: str
    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class HealthReport:
    """All findings of a run, with what a graph wants beside them.

    `skew` is Vault's clock minus ours in seconds, None if Vault sent no date; `certificates` counts those
    stored by mount.
    """

    findings: tuple[HealthFinding, ...]
    mounts: tuple[str, ...]
    finished: float
    skew: float | None = None
    expiries: tuple[Expiry, ...] = ()
    certificates: Mapping[str, int] = field(default_factory=dict)

    @property
    def worst(self) -> Gravity:
        """The gravest severity."""
        return max((one.severity for one in self.findings), key=lambda one: one.rank, default=Gravity.OK)

    def count(self, severity: Gravity) -> int:
        """Return the number of findings of a severity."""
        return sum(one.severity is severity for one in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "version": 1,
            "mounts": list(self.mounts),
            "worst": self.worst.value,
            "summary": {one.value: self.count(one) for one in Gravity},
            "clockSkewSeconds": self.skew,
            "findings": [one.to_json() for one in self.findings],
        }
