"""Metrics of endpoints for node_exporter's textfile collector.

Source: https://github.com/prometheus/node_exporter#textfile-collector ; the file appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from issuer.pki.health.textfile import write_metrics
from issuer.verifying.checking import EndpointReport

OK: Final = "vault_issuer_endpoint_ok"
PROBLEM: Final = "vault_issuer_endpoint_problem"
END: Final = "vault_issuer_endpoint_not_after_timestamp_seconds"
LAST_RUN: Final = "vault_issuer_endpoint_last_run_timestamp_seconds"
METRICS: Final = (OK, PROBLEM, END, LAST_RUN)
_LABELS: Final = ("endpoint", "server_name")


class _Collector(Collector):
    """Gives reports' metrics to the client library; all addresses of an endpoint have one series."""

    def __init__(self, reports: Sequence[EndpointReport]) -> None:
        self._reports = reports

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield all metrics."""
        ok = GaugeMetricFamily(OK, "1 if clients find all well at an endpoint, else 0.", labels=_LABELS)
        problem = GaugeMetricFamily(PROBLEM, "1 for each problem.", labels=(*_LABELS, "code"))
        end = GaugeMetricFamily(END, "First end in the chain that is served, Unix seconds.", labels=_LABELS)
        by_endpoint: dict[tuple[str, str], list[EndpointReport]] = {}
        for one in self._reports:
            by_endpoint.setdefault((str(one.endpoint), one.name), []).append(one)
        for labels, alike in by_endpoint.items():
            codes = dict.fromkeys(found.code.value for one in alike for found in one.problems)
            ok.add_metric(labels, not codes)
            for code in codes:
                problem.add_metric((*labels, code), 1)
            if ends := [one.served.not_after.timestamp() for one in alike if one.served is not None]:
                end.add_metric(labels, min(ends))
        yield from (ok, problem, end)
        run = max((one.now.timestamp() for one in self._reports), default=0.0)
        yield GaugeMetricFamily(LAST_RUN, "Beginning of the last run, Unix seconds.", run)


def write_textfile(reports: Sequence[EndpointReport], path: Path) -> None:
    """Write the metrics of endpoints. Raises BadInput if the file can't be written."""
    write_metrics(_Collector(reports), path)
