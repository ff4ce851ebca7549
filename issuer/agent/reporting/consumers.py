"""The status of all consumers as rows and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from issuer.agent.errors import AgentError
from issuer.agent.hooks.records import ConsumerRecord
from issuer.agent.process.telling import Telling


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
