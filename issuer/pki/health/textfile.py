"""Metrics of a report for node_exporter's textfile collector.

Source: https://github.com/prometheus/node_exporter#textfile-collector ; the file appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from issuer.manifests.errors import BadInput
from issuer.pki.health.finding import Gravity, HealthReport

STATUS: Final = "vault_issuer_pki_health_status"
LAST_RUN: Final = "vault_issuer_pki_health_last_run_timestamp_seconds"
SKEW: Final = "vault_issuer_pki_health_clock_skew_seconds"
CA_END: Final = "vault_issuer_pki_ca_not_after_timestamp_seconds"
CRL_END: Final = "vault_issuer_pki_crl_next_update_timestamp_seconds"
PUBLISHED_END: Final = "vault_issuer_pki_published_crl_next_update_timestamp_seconds"
STORED: Final = "vault_issuer_pki_stored_certificates"
METRICS: Final = (STATUS, LAST_RUN, SKEW, CA_END, CRL_END, PUBLISHED_END, STORED)
_VALUES: Final = {
    Gravity.NOT_CHECKED: -1,
    Gravity.NOT_APPLICABLE: 0,
    Gravity.OK: 0,
    Gravity.INFORMATIONAL: 1,
    Gravity.WARNING: 2,
    Gravity.CRITICAL: 3,
}
_ENDS: Final = {"ca": CA_END, "crl": CRL_END, "published_crl": PUBLISHED_END}


class _Collector(Collector):
    """Gives a report's metrics to the client library."""

    def __init__(self, report: HealthReport) -> None:
        self._report = report

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield all metrics."""
        report = self._report
        yield self._status()
        yield GaugeMetricFamily(LAST_RUN, "End of the last run, Unix seconds.", report.finished)
        if report.skew is not None:
            yield GaugeMetricFamily(SKEW, "Vault's clock minus that of this machine, seconds.", report.skew)
        yield self._ends("ca", "End of a CA certificate, Unix seconds.", "issuer")
        yield self._ends("crl", "nextUpdate of a CRL in Vault, Unix seconds.", "issuer")
        yield self._ends("published_crl", "nextUpdate of the CRL that a URL answers, Unix seconds.", "url")
        stored = GaugeMetricFamily(STORED, "Certificates that a mount stores.", labels=["mount"])
        for mount, number in report.certificates.items():
            stored.add_metric([mount], number)
        yield stored

    def _status(self) -> GaugeMetricFamily:
        text = "Worst finding of a check: 0 none, 1 informational, 2 warning, 3 critical, -1 not checked."
        family = GaugeMetricFamily(STATUS, text, labels=["mount", "check"])
        worst: dict[tuple[str, str], Gravity] = {}
        for one in self._report.findings:
            key = (one.mount, one.check)
            worst[key] = max(worst.get(key, one.severity), one.severity, key=lambda grade: grade.rank)
        for (mount, check), severity in worst.items():
            family.add_metric([mount, check], _VALUES[severity])
        return family

    def _ends(self, kind: str, text: str, label: str) -> GaugeMetricFamily:
        family = GaugeMetricFamily(_ENDS[kind], text, labels=["mount", label])
        ends: dict[tuple[str, str], float] = {}
        for one in self._report.expiries:
            if one.kind == kind:
                key = (one.mount, one.name)
                ends[key] = min(ends.get(key, one.seconds), one.seconds)
        for (mount, name), seconds in ends.items():
            family.add_metric([mount, name], seconds)
        return family


def write_textfile(report: HealthReport, path: Path) -> None:
    """Write a report's metrics. Raises BadInput if the file can't be written."""
    write_metrics(_Collector(report), path)


def write_metrics(collector: Collector, path: Path) -> None:
    """Write what a collector yields, whole or not at all. Raises BadInput if the file can't be written."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise BadInput(f"{path} can't be written: {error.strerror}") from error
