"""What canaries found, as Prometheus metrics; labelled by issuer, all of which the operator named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge

_ISSUER = ("kind", "namespace", "name")
_RESULTS = ("success", "failure")

Issuer = tuple[str, str, str]
"""Kind, namespace (empty for cluster issuers) and name."""


class CanaryMetrics:
    """Registered where there are canaries at all.

    Every replica tells ``period`` (in seconds), but issuers have series only where they are probed: see
    ``begin``. ``stages`` are all the stages that can break.
    """

    def __init__(self, registry: CollectorRegistry, stages: Sequence[str], period: float) -> None:
        self._stages = tuple(stages)
        self._last_success = Gauge(
            "vault_issuer_canary_last_success_timestamp_seconds",
            "When the issuer's canary last went through all stages, in seconds since the epoch; 0 until it "
            "has in this process.",
            _ISSUER,
            registry=registry,
        )
        self._last_run = Gauge(
            "vault_issuer_canary_last_run_timestamp_seconds",
            "When the issuer's canary last ended a run, however it went, in seconds since the epoch.",
            _ISSUER,
            registry=registry,
        )
        self._duration = Gauge(
            "vault_issuer_canary_last_duration_seconds",
            "Seconds that the last run of the issuer's canary took.",
            _ISSUER,
            registry=registry,
        )
        self._not_after = Gauge(
            "vault_issuer_canary_not_after_timestamp_seconds",
            "When the certificate ends that the canary's endpoint serves (without an endpoint: that of its "
            "last good request), in seconds since the epoch.",
            _ISSUER,
            registry=registry,
        )
        self._failing = Gauge(
            "vault_issuer_canary_failing",
            "1 for the stage that broke the last run of the issuer's canary, 0 for the others.",
            (*_ISSUER, "stage"),
            registry=registry,
        )
        self._runs = Counter(
            "vault_issuer_canary_runs",
            "Runs of the issuer's canary, by result (success, failure).",
            (*_ISSUER, "result"),
            registry=registry,
        )
        Gauge(
            "vault_issuer_canary_period_seconds",
            "Seconds between two runs of an issuer's canary.",
            registry=registry,
        ).set(period)

    def begin(self, issuer: Issuer) -> None:
        """This process is about to probe the issuer: its series begin, with no success and no failure."""
        self._last_success.labels(*issuer)
        for stage in self._stages:
            self._failing.labels(*issuer, stage)
        for result in _RESULTS:
            self._runs.labels(*issuer, result)

    def record(
        self, issuer: Issuer, ended: datetime, seconds: float, stage: str | None, not_after: datetime | None
    ) -> None:
        """A run is over; ``stage`` is the one that broke it, None for a success."""
        self._last_run.labels(*issuer).set(ended.timestamp())
        self._duration.labels(*issuer).set(seconds)
        for one in self._stages:
            self._failing.labels(*issuer, one).set(1 if one == stage else 0)
        self._runs.labels(*issuer, "success" if stage is None else "failure").inc()
        if stage is None:
            self._last_success.labels(*issuer).set(ended.timestamp())
        if not_after is not None:
            self._not_after.labels(*issuer).set(not_after.timestamp())
