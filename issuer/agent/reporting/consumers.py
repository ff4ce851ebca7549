"""The status of all consumers as rows, JSON and metrics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from issuer.agent.errors import AgentError
from issuer.agent.hooks.records import ConsumerRecord
from issuer.agent.process.telling import Telling
from issuer.text import parse_rfc3339

_PREFIX: Final = "vault_issuer_agent_hook"


@dataclass(frozen=True, slots=True)
class ConsumerStatus:
    """One consumer: its sets, those that it has to be told of, and its last hook."""

    name: str
    sets: tuple[str, ...]
    news: tuple[str, ...]
    record: ConsumerRecord
    error: str = ""

    @property
    def is_failing(self) -> bool:
        """Return True if the last hook failed, or its files can't be looked at."""
        return bool(self.error) or self.record.is_failing

    @property
    def state(self) -> str:
        """Return one word for its state."""
        if self.error:
            return "Unreadable"
        return "Waiting" if self.news and not self.record.is_failing else str(self.record.outcome)

    @property
    def problem(self) -> str:
        """Return what is wrong with it, empty if nothing is."""
        return self.error or self.record.error

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it: times in RFC 3339, null where there is none."""
        record = self.record
        return {
            "name": self.name,
            "state": self.state,
            "lastHook": record.told_at or None,
            "lastSuccess": record.succeeded_at or None,
            "seconds": record.seconds,
            "failures": record.failures,
            "error": self.problem or None,
            "warnings": list(record.warnings),
        }


def consumer_statuses(telling: Telling) -> list[ConsumerStatus]:
    """Return the status of each consumer, in the order of the file. Changes nothing."""
    found = []
    for name, consumer in telling.consumers.items():
        record, news, error = telling.records.read(name), tuple[str, ...](), ""
        try:
            news = consumer.news(record.delivered)
        except AgentError as failure:
            error = str(failure)
        found.append(ConsumerStatus(name, consumer.spec.sets, news, record, error))
    return found


def consumer_metrics(found: Iterable[ConsumerStatus]) -> str:
    """Return the metrics of consumers in Prometheus' text format."""
    rows: dict[str, tuple[str, str, list[tuple[str, float]]]] = {
        f"{_PREFIX}_failures": ("gauge", "Hooks of a consumer in a row that failed.", []),
        f"{_PREFIX}_runs_total": ("counter", "Hooks of a consumer, kept over restarts.", []),
        f"{_PREFIX}_failed_runs_total": ("counter", "Hooks of a consumer that failed.", []),
        f"{_PREFIX}_duration_seconds": ("gauge", "Duration of the last hook, with its verification.", []),
        f"{_PREFIX}_last_success_timestamp_seconds": ("gauge", "Time of the last hook that succeeded.", []),
        f"{_PREFIX}_waiting": ("gauge", "Sets that a consumer has still to be told of.", []),
    }
    names = list(rows)
    for one in found:
        record = one.record
        values = (record.failures, record.runs, record.failed_runs, record.seconds)
        for name, value in zip(names, values, strict=False):
            rows[name][2].append((one.name, value))
        if record.succeeded_at:
            rows[names[4]][2].append((one.name, parse_rfc3339(record.succeeded_at).timestamp()))
        rows[names[5]][2].append((one.name, len(one.news)))
    lines = []
    for metric, (kind, text, pairs) in rows.items():
        if pairs:
            lines += [f"# HELP {metric} {text}", f"# TYPE {metric} {kind}"]
            lines += [f'{metric}{{consumer="{name}"}} {value:.15g}' for name, value in pairs]
    return "".join(f"{line}\n" for line in lines)
