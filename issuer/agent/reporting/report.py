"""The status of all sets as rows and JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from issuer.agent.errors import AgentError
from issuer.agent.process.agent import Keeper
from issuer.agent.process.records import Records, SetRecord
from issuer.agent.renewal.looks import KeptCertificate, RenewalReason
from issuer.text import parse_rfc3339, rfc3339

_BAR: Final = 10
_FORGOTTEN: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SetStatus:
    """One set: what is kept, what happened last, and what would be done now.

    `error` is why the files can't be looked at; `reason` and `rewritten` are those of `SetLook`.
    """

    name: str
    folder: str
    kept: KeptCertificate | None
    record: SetRecord
    error: str = ""
    reason: RenewalReason | None = None
    rewritten: tuple[str, ...] = ()

    def is_forgotten(self, now: datetime) -> bool:
        """Return True if no agent has looked at it for more than a day."""
        try:
            return now - parse_rfc3339(self.record.looked_at) > _FORGOTTEN
        except ValueError:
            return False

    @property
    def problem(self) -> str:
        """Return what is wrong with it, empty if nothing is."""
        if self.error or self.record.error:
            return self.error or self.record.error
        return "no files yet" if self.kept is None else ""

    def state(self, now: datetime) -> str:
        """Return one word for its state at `now`, the server's time."""
        if self.error:
            return "Unreadable"
        if self.kept is None:
            return "Missing"
        if now >= self.kept.not_after:
            return "Expired"
        if now >= self.kept.renew_at + (self.kept.not_after - self.kept.renew_at) / 2:
            return "Overdue"  # half of the time for the renewal has gone: is the agent running?
        if self.problem:
            return "Failing"
        if self.kept.waits:
            return "Waiting"  # for its maintenance window
        return "Due" if now >= self.kept.renew_at else "Fresh"

    @property
    def window(self) -> str | None:
        """Return `open` or `closed` for the maintenance windows as a whole, None if there are none."""
        if self.kept is None or self.kept.window_open is None:
            return None
        return "open" if self.kept.window_open else "closed"

    def bar(self, now: datetime) -> str:
        """Return the life as a bar of ten: what is left of it is full."""
        if self.kept is None:
            return ""
        life = (self.kept.not_after - self.kept.not_before).total_seconds()
        left = (self.kept.not_after - now).total_seconds()
        full = max(0, min(_BAR, round(_BAR * left / life))) if life > 0 else 0
        return "█" * full + "░" * (_BAR - full)

    def to_json(self, now: datetime) -> dict[str, Any]:
        """Return it as JSON holds it: times in RFC 3339, null where there is none."""
        kept = self.kept
        return {
            "name": self.name,
            "folder": self.folder,
            "state": self.state(now),
            "serial": kept.serial if kept else None,
            "notBefore": rfc3339(kept.not_before) if kept else None,
            "notAfter": rfc3339(kept.not_after) if kept else None,
            "renewAt": rfc3339(kept.renew_at) if kept else None,
            "window": self.window,
            "waitsForWindow": kept is not None and kept.waits,
            "lastLook": self.record.looked_at or None,
            "lastRenewal": self.record.renewed_at or None,
            "failures": self.record.failures,
            "error": self.problem or None,
            "warnings": list(self.record.warnings),
            "clockSkewSeconds": self.record.skew_seconds,
        }


def statuses(keepers: Iterable[Keeper], records: Records) -> list[SetStatus]:
    """Return the status of each set, in the order of the file. Changes nothing and asks nobody."""
    found = []
    for keeper in keepers:
        name, folder = keeper.spec.name, str(keeper.spec.folder)
        try:
            look = keeper.look()
            record = records.read(name)
            found.append(
                SetStatus(name, folder, look.kept, record, reason=look.reason, rewritten=look.rewritten)
            )
        except AgentError as error:
            found.append(SetStatus(name, folder, None, records.read(name), str(error)))
    return found
