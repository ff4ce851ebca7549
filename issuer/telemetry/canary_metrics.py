"""Results of canaries as Prometheus metrics, labelled by issuer; the operator named all of these."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge

from issuer.telemetry.catalogue.whole import find

Issuer = tuple[str, str, str]
"""Kind, namespace (empty for cluster issuers) and name."""


class CanaryMetrics:
    """Metrics of a process that has canaries.

    `period` is in seconds. Every replica exposes it, but issuers have series only where they are probed: see
    `begin`. `stages` are all the stages that can fail.
    """

    def __init__(self, registry: CollectorRegistry, stages: Sequence[str], period: float) -> None:
        self._stages = tuple(stages)
        self._registry = registry
        self._last_success = self._gauge("vault_issuer_canary_last_success_timestamp_seconds")
        self._last_run = self._gauge("vault_issuer_canary_last_run_timestamp_seconds")
        self._duration = self._gauge("vault_issuer_canary_last_duration_seconds")
        self._not_after = self._gauge("vault_issuer_canary_not_after_timestamp_seconds")
        self._failing = self._gauge("vault_issuer_canary_failing")
        runs = find("vault_issuer_canary_runs_total")
        self._runs = Counter(runs.name, runs.help, tuple(runs.labels), registry=registry)
        self._results = runs.labels["result"]
        self._gauge("vault_issuer_canary_period_seconds").set(period)

    def _gauge(self, name: str) -> Gauge:
        one = find(name)
        return Gauge(one.name, one.help, tuple(one.labels), registry=self._registry)

    def begin(self, issuer: Issuer) -> None:
        """Begin the series of an issuer that this process will probe, without success or failure."""
        self._last_success.labels(*issuer)
        for stage in self._stages:
            self._failing.labels(*issuer, stage)
        for result in self._results:
            self._runs.labels(*issuer, result)

    def record(
        self, issuer: Issuer, ended: datetime, seconds: float, stage: str | None, not_after: datetime | None
    ) -> None:
        """Record a run; `stage` is the one that failed, None for a success."""
        self._last_run.labels(*issuer).set(ended.timestamp())
        self._duration.labels(*issuer).set(seconds)
        for one in self._stages:
            self._failing.labels(*issuer, one).set(1 if one == stage else 0)
        self._runs.labels(*issuer, "success" if stage is None else "failure").inc()
        if stage is None:
            self._last_success.labels(*issuer).set(ended.timestamp())
        if not_after is not None:
            self._not_after.labels(*issuer).set(not_after.timestamp())
