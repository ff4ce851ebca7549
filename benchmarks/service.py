"""The service times of the model of scaling, read from the newest kept results."""

from __future__ import annotations

from statistics import median

from benchmarks.plan import BURST
from benchmarks.scaling import Service
from benchmarks.tables import Results

OURS = "vault-issuer"


class NotMeasured(ValueError):
    """The kept results lack what the model needs."""


def service_times(bench: Results, growth: Results) -> Service:
    """Medians of the burst of `make bench`, and of what `make bench-growth` measures for the model.

    Raises:
        NotMeasured: something is missing there; the text says what to run.
    """

    def burst(value: str) -> float:
        return _median(bench, OURS, BURST, value, "make bench")

    def grown(curve: str, value: str) -> float:
        sizes = growth.scenarios(curve)
        return _median(growth, curve, sizes[-1] if sizes else "", value, "make bench-growth")

    return Service(
        own=burst("controller_cpu_ms"),
        passing=grown("passing", "controller_cpu_ms"),
        apiserver=burst("apiserver_cpu_ms"),
        watch=watch_cost(growth),
        etcd=burst("etcd_cpu_ms"),
        vault=burst("vault_cpu_ms"),
        webhook=burst("webhook_cpu_ms"),
        lease_apiserver=grown("lease", "apiserver_cpu_ms"),
        lease_etcd=grown("lease", "etcd_cpu_ms"),
    )


def watch_cost(growth: Results) -> float:
    """API server CPU ms a certificate and further watch: the slope from no to the most further watches."""
    sizes = growth.scenarios("watchers")
    if len(sizes) < 2:
        raise NotMeasured("the kept growth has no curve `watchers`: run `make bench-growth`")
    least, most = (
        _median(growth, "watchers", size, "apiserver_cpu_ms", "make bench-growth")
        for size in (sizes[0], sizes[-1])
    )
    # On a noisy machine a small slope may come out negative, which no watch can cost.
    return max(0.0, (most - least) / (int(sizes[-1]) - int(sizes[0])))


def _median(run: Results, system: str, scenario: str, value: str, command: str) -> float:
    found = run.by_round(system, scenario, value)
    if not found:
        raise NotMeasured(f"the kept results have no {value} of {system}, {scenario}: run `{command}`")
    return median(found.values())
