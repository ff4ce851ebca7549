"""The controller's Prometheus metrics; their names and meanings are in `catalogue`."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from issuer import __version__
from issuer.telemetry.catalogue.described import MetricDescription
from issuer.telemetry.catalogue.label_values import ReasonLabels
from issuer.telemetry.catalogue.whole import find, with_reasons
from issuer.telemetry.issuer_series import IssuerSeries, Row


class Metrics:
    """Every metric of one controller, in a registry of its own."""

    def __init__(self, reasons: ReasonLabels = ReasonLabels()) -> None:  # noqa: B008 - it is frozen
        self._reasons = reasons
        self._catalogue = {one.name: one for one in with_reasons(reasons)}
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody reads
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        build = find("vault_issuer_build_info")
        Info(build.name.removesuffix("_info"), build.help, registry=self.registry).info(
            {"version": __version__, "python": platform.python_version()}
        )
        self.answers = self._counter("vault_issuer_requests_total")
        self.answer_seconds = self._histogram("vault_issuer_request_answer_seconds")
        self.attempts_put_off = self._counter("vault_issuer_request_attempts_put_off_total")
        self.decisions = self._counter("vault_issuer_policy_decisions_total")
        self.sign_seconds = self._histogram("vault_issuer_sign_seconds")
        self.login_seconds = self._histogram("vault_issuer_login_seconds")
        self.lifetimes = self._histogram("vault_issuer_certificate_lifetime_seconds")
        self.discarded = self._counter("vault_issuer_certificates_discarded_total")
        self.outcomes_unknown = self._counter("vault_issuer_outcomes_unknown_total")
        self.differences = self._counter("vault_issuer_certificate_differences_total")
        self.revocations = self._counter("vault_issuer_revocations_total")
        self.issuers = IssuerSeries()
        self.watch_table(
            ("vault_issuer_issuer_ready", "vault_issuer_ca_not_after_timestamp_seconds"), self.issuers.health
        )
        self.throttled = self._counter("vault_issuer_throttled_seconds_total")
        self.leader = self._gauge("vault_issuer_leader")
        self.shard_handovers = self._counter("vault_issuer_shard_handovers_total")
        self.shard_handover_seconds = self._histogram("vault_issuer_shard_handover_seconds")
        self.worker_errors = self._counter("vault_issuer_worker_errors_total")

    def answered(self, outcome: str, reason: str) -> None:
        """Count a request that got its final answer."""
        label = self._reasons.failure(reason) if outcome == "failed" else reason
        self.answers.labels(outcome, label).inc()

    def put_off(self, reason: str) -> None:
        """Count an attempt that ended without an answer."""
        self.attempts_put_off.labels(self._reasons.retry(reason)).inc()

    def logged_in(self, result: str, seconds: float) -> None:
        """Record a login that ended with `result` after that many seconds."""
        self.login_seconds.labels(result).observe(seconds)

    def watch(self, name: str, read: Callable[[], float]) -> None:
        """Register a metric whose value is read when Prometheus asks."""
        self.watch_table((name,), lambda: [((), (read(),))])

    def watch_table(self, names: Sequence[str], read: Callable[[], Iterable[Row]]) -> None:
        """Register metrics with the same labels whose values are read, all at once, when Prometheus asks."""
        self.registry.register(_Table(names, read))

    def forget_issuer(self, kind: str, namespace: str, name: str) -> None:
        """Drop the series of an issuer that is gone; those that it shared with others stay."""
        if self.issuers.forget((kind, namespace, name)):
            self.throttled.remove_by_labels({"kind": kind, "namespace": namespace, "name": name})

    def forget_policy(self, name: str) -> None:
        """Drop the series of a policy that is gone."""
        self.decisions.remove_by_labels({"policy": name})

    def _counter(self, name: str) -> Counter:
        one = self._catalogue[name]
        counter = Counter(one.name, one.help, tuple(one.labels), registry=self.registry)
        for values in one.from_start:
            counter.labels(*values)
        return counter

    def _gauge(self, name: str) -> Gauge:
        one = find(name)
        return Gauge(one.name, one.help, tuple(one.labels), registry=self.registry)

    def _histogram(self, name: str) -> Histogram:
        one = find(name)
        return Histogram(one.name, one.help, tuple(one.labels), buckets=one.buckets, registry=self.registry)


class _Table(Collector):
    """Metrics that are read together when Prometheus asks; no value is kept, so none outlives its object."""

    def __init__(self, names: Sequence[str], read: Callable[[], Iterable[Row]]) -> None:
        self._entries = [find(name) for name in names]
        self._read = read

    def describe(self) -> list[CounterMetricFamily | GaugeMetricFamily]:
        """Return the metric families without samples."""
        return [_family(one) for one in self._entries]

    def collect(self) -> list[CounterMetricFamily | GaugeMetricFamily]:
        """Return the metric families with their present samples."""
        families = self.describe()
        for labels, values in self._read():
            for family, value in zip(families, values, strict=True):
                if value is not None:
                    family.add_metric(labels, value)
        return families


def _family(one: MetricDescription) -> CounterMetricFamily | GaugeMetricFamily:
    labels = tuple(one.labels)
    if one.kind == "counter":
        return CounterMetricFamily(one.name, one.help, labels=labels)
    return GaugeMetricFamily(one.name, one.help, labels=labels)
