"""The agent's metrics: name, type and meaning of each, and their text for Prometheus.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from issuer.agent.reporting.consumers import ConsumerStatus
from issuer.agent.reporting.report import SetStatus
from issuer.text import parse_rfc3339


@dataclass(frozen=True, slots=True)
class AgentMetric:
    """A metric of the agent: `label` is the one that its series have, empty if there is one series."""

    name: str
    help: str
    label: Literal["", "name", "consumer"] = "name"
    kind: Literal["gauge", "counter"] = "gauge"


NOT_AFTER: Final = AgentMetric(
    "vault_issuer_agent_certificate_not_after_timestamp_seconds", "End of the certificate's life."
)
RENEWAL: Final = AgentMetric(
    "vault_issuer_agent_certificate_renewal_timestamp_seconds", "Time of its renewal."
)
FAILURES: Final = AgentMetric("vault_issuer_agent_failures", "Looks in a row that failed.")
CLOCK_SKEW: Final = AgentMetric(
    "vault_issuer_agent_clock_skew_seconds", "Server's clock minus this machine's."
)
NOT_BEFORE: Final = AgentMetric(
    "vault_issuer_agent_certificate_not_before_timestamp_seconds", "Begin of its life."
)
WINDOW_OPEN: Final = AgentMetric(
    "vault_issuer_agent_window_open", "1 while a maintenance window is open, else 0; of sets with windows."
)
WINDOW_WAITING: Final = AgentMetric(
    "vault_issuer_agent_window_waiting", "1 while a renewal only waits for its window, else 0; likewise."
)
LAST_RENEWAL: Final = AgentMetric(
    "vault_issuer_agent_last_renewal_timestamp_seconds", "Time of the last renewal."
)
LAST_LOOK: Final = AgentMetric(
    "vault_issuer_agent_last_look_timestamp_seconds", "Time of the last look at it."
)
WRITTEN: Final = AgentMetric(
    "vault_issuer_agent_written_timestamp_seconds", "Time at which this was written.", label=""
)
HOOK_FAILURES: Final = AgentMetric(
    "vault_issuer_agent_hook_failures", "Hooks of a consumer in a row that failed.", "consumer"
)
HOOK_RUNS: Final = AgentMetric(
    "vault_issuer_agent_hook_runs_total", "Hooks of a consumer, kept over restarts.", "consumer", "counter"
)
HOOK_FAILED_RUNS: Final = AgentMetric(
    "vault_issuer_agent_hook_failed_runs_total", "Hooks of a consumer that failed.", "consumer", "counter"
)
HOOK_DURATION: Final = AgentMetric(
    "vault_issuer_agent_hook_duration_seconds",
    "Duration of the last hook, with its verification.",
    "consumer",
)
HOOK_SUCCESS: Final = AgentMetric(
    "vault_issuer_agent_hook_last_success_timestamp_seconds",
    "Time of the last hook that succeeded.",
    "consumer",
)
HOOK_WAITING: Final = AgentMetric(
    "vault_issuer_agent_hook_waiting", "Sets that a consumer has still to be told of.", "consumer"
)
AGENT_METRICS: Final = (
    *(NOT_AFTER, RENEWAL, FAILURES, CLOCK_SKEW, NOT_BEFORE, LAST_RENEWAL, LAST_LOOK, WRITTEN),
    *(WINDOW_OPEN, WINDOW_WAITING),
    *(HOOK_FAILURES, HOOK_RUNS, HOOK_FAILED_RUNS, HOOK_DURATION, HOOK_SUCCESS, HOOK_WAITING),
)
"""All of them, in the order in which they are written."""

_Samples = dict[AgentMetric, list[tuple[str, float]]]


def metrics_text(sets: Iterable[SetStatus], consumers: Iterable[ConsumerStatus], now: datetime) -> str:
    """Return all metrics in Prometheus' text format. A metric without a series is left out."""
    samples: _Samples = {one: [] for one in AGENT_METRICS}
    for found in sets:
        _add_set(samples, found)
    for told in consumers:
        _add_consumer(samples, told)
    samples[WRITTEN].append(("", now.timestamp()))
    lines = []
    for metric, pairs in samples.items():
        if not pairs:
            continue
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for name, value in pairs:
            labels = f'{{{metric.label}="{name}"}}' if metric.label else ""
            lines.append(f"{metric.name}{labels} {value:.15g}")
    return "".join(f"{line}\n" for line in lines)


def _add_set(samples: _Samples, found: SetStatus) -> None:
    name, kept, record = found.name, found.kept, found.record
    if kept is not None:
        samples[NOT_AFTER].append((name, kept.not_after.timestamp()))
        samples[RENEWAL].append((name, kept.renew_at.timestamp()))
        samples[NOT_BEFORE].append((name, kept.not_before.timestamp()))
        if kept.window_open is not None:
            samples[WINDOW_OPEN].append((name, float(kept.window_open)))
            samples[WINDOW_WAITING].append((name, float(kept.waits)))
    for metric, moment in ((LAST_RENEWAL, record.renewed_at), (LAST_LOOK, record.looked_at)):
        if moment:
            samples[metric].append((name, parse_rfc3339(moment).timestamp()))
    samples[FAILURES].append((name, record.failures))
    samples[CLOCK_SKEW].append((name, record.skew_seconds))


def _add_consumer(samples: _Samples, told: ConsumerStatus) -> None:
    name, record = told.name, told.record
    samples[HOOK_FAILURES].append((name, record.failures))
    samples[HOOK_RUNS].append((name, record.runs))
    samples[HOOK_FAILED_RUNS].append((name, record.failed_runs))
    samples[HOOK_DURATION].append((name, record.seconds))
    samples[HOOK_WAITING].append((name, len(told.news)))
    if record.succeeded_at:
        samples[HOOK_SUCCESS].append((name, parse_rfc3339(record.succeeded_at).timestamp()))
