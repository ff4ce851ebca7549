"""Service times, from kept results."""

from __future__ import annotations

import pytest

from benchmarks.service import NotMeasured, service_times, watch_cost
from tests.unit.benchmarks.runs import run

BURST = {f"{name}_cpu_ms": 1.0 for name in ("controller", "apiserver", "etcd", "vault", "webhook")}
BENCH = run((0, "vault-issuer", "burst", {**BURST, "vault_cpu_ms": 2.0}))
LEASE = (0, "lease", "500", {"apiserver_cpu_ms": 0.8, "etcd_cpu_ms": 0.2})
PASSING = (0, "passing", "500", {"controller_cpu_ms": 0.1})
WATCHERS = (
    (0, "watchers", "0", {"apiserver_cpu_ms": 3.0}),
    (1, "watchers", "0", {"apiserver_cpu_ms": 5.0}),
    (0, "watchers", "32", {"apiserver_cpu_ms": 5.6}),
)


def test_service_times_are_medians_of_what_was_measured() -> None:
    found = service_times(BENCH, run(LEASE, PASSING, *WATCHERS))
    assert (found.own, found.vault, found.passing, found.lease_etcd) == (1.0, 2.0, 0.1, 0.2)
    assert found.watch == pytest.approx(1.6 / 32)


def test_a_watch_costs_nothing_rather_than_less() -> None:
    falling = run(WATCHERS[2], (0, "watchers", "64", {"apiserver_cpu_ms": 1.0}))
    assert watch_cost(falling) == 0.0


def test_what_is_missing_is_named_with_what_to_run() -> None:
    with pytest.raises(NotMeasured, match=r"lease.*make bench-growth"):
        service_times(BENCH, run(PASSING, *WATCHERS))
    with pytest.raises(NotMeasured, match=r"controller_cpu_ms of vault-issuer, burst.*make bench"):
        service_times(run(), run(LEASE, PASSING, *WATCHERS))
