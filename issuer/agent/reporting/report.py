"""The status of all sets as rows, JSON and a Prometheus textfile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from issuer.agent.errors import AgentError
from issuer.agent.process.agent import Keeper
from issuer.agent.process.records import Records, SetRecord
from issuer.agent.renewal.keeping import KeptCertificate, RenewalReason
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
        return "Due" if now >= self.kept.renew_at else "Fresh"

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


def textfile(found: Sequence[SetStatus], now: datetime) -> str:
    """Return the metrics in Prometheus' text format, for node_exporter's textfile collector."""
    rows: dict[str, tuple[str, list[tuple[str, float]]]] = {
        "vault_issuer_agent_certificate_not_after_timestamp_seconds": ("End of the certificate's life.", []),
        "vault_issuer_agent_certificate_renewal_timestamp_seconds": ("Time of its renewal.", []),
        "vault_issuer_agent_failures": ("Looks in a row that failed.", []),
        "vault_issuer_agent_clock_skew_seconds": ("Server's clock minus this machine's.", []),
        "vault_issuer_agent_certificate_not_before_timestamp_seconds": ("Begin of its life.", []),
        "vault_issuer_agent_last_renewal_timestamp_seconds": ("Time of the last renewal.", []),
        "vault_issuer_agent_last_look_timestamp_seconds": ("Time of the last look at it.", []),
    }
    names = list(rows)
    for one in found:
        if one.kept is not None:
            rows[names[0]][1].append((one.name, one.kept.not_after.timestamp()))
            rows[names[1]][1].append((one.name, one.kept.renew_at.timestamp()))
            rows[names[4]][1].append((one.name, one.kept.not_before.timestamp()))
        for number, moment in ((5, one.record.renewed_at), (6, one.record.looked_at)):
            if moment:
                rows[names[number]][1].append((one.name, parse_rfc3339(moment).timestamp()))
        rows[names[2]][1].append((one.name, one.record.failures))
        rows[names[3]][1].append((one.name, one.record.skew_seconds))
    lines = []
    for metric, (text, values) in rows.items():
        lines += [f"# HELP {metric} {text}", f"# TYPE {metric} gauge"]
        lines += [f'{metric}{{name="{name}"}} {value:.15g}' for name, value in values]
    lines += [
        "# HELP vault_issuer_agent_written_timestamp_seconds Time at which this was written.",
        "# TYPE vault_issuer_agent_written_timestamp_seconds gauge",
        f"vault_issuer_agent_written_timestamp_seconds {now.timestamp():.15g}",
    ]
    return "\n".join(lines) + "\n"
