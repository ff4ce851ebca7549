"""The model of scaling: which station is full first, and how rates grow with replicas."""

from __future__ import annotations

import pytest

from benchmarks.scaling import (
    APISERVER,
    CONTROLLER,
    ETCD,
    VAULT,
    Service,
    Setting,
    capacities,
    largest_share,
    model_rows,
    on_shared_cores,
    throughput,
)

SERVICE = Service(
    own=2.0,
    passing=0.1,
    apiserver=4.0,
    watch=0.05,
    etcd=0.5,
    vault=2.0,
    webhook=0.5,
    lease_apiserver=1.0,
    lease_etcd=0.2,
)
LARGE = Setting(1000, 1000, 1000, 1000, shards=64, renew_seconds=4)


def test_one_replica_is_bound_by_its_one_core() -> None:
    assert throughput(SERVICE, LARGE, 1) == (500.0, CONTROLLER)


def test_more_replicas_do_more_but_every_one_reads_every_request() -> None:
    rates = [throughput(SERVICE, LARGE, count)[0] for count in (1, 2, 4, 64)]
    assert rates == sorted(rates)
    assert rates[1] == pytest.approx(1000 / (0.5 * 2.0 + 0.5 * 0.1))
    # However many there are, none takes less than the reading costs.
    assert rates[-1] < 1000 / SERVICE.passing


def test_the_api_server_pays_for_every_watch_and_for_the_leases() -> None:
    setting = Setting(2, 1000, 1000, 1000, shards=64, renew_seconds=4)
    renewals = 64 / 4 * SERVICE.lease_apiserver
    expected = (2000 - renewals) / (SERVICE.apiserver + 15 * SERVICE.watch)
    rate, full = throughput(SERVICE, setting, 16)
    assert rate == pytest.approx(expected)
    assert full == APISERVER


def test_one_replica_renews_one_lease() -> None:
    assert capacities(SERVICE, Setting(2, 2, 2, 2), 1)[ETCD] == pytest.approx((2000 - 0.2 / 4) / 0.5)


def test_vault_is_full_where_it_is_small() -> None:
    assert throughput(SERVICE, Setting(1000, 1000, 1, 1000), 4) == (500.0, VAULT)


@pytest.mark.parametrize(
    ("replicas", "share"), [(1, 1.0), (2, 0.5), (3, 22 / 64), (48, 2 / 64), (64, 1 / 64), (100, 1 / 64)]
)
def test_the_largest_share_counts(replicas: int, share: float) -> None:
    assert largest_share(replicas, 64) == pytest.approx(share)


def test_a_server_that_only_renews_leases_does_nothing_else() -> None:
    busy = Setting(0.01, 1000, 1000, 1000, shards=64, renew_seconds=1)
    assert throughput(SERVICE, busy, 2) == (0.0, APISERVER)


def test_on_shared_cores_everything_adds_up() -> None:
    assert on_shared_cores(SERVICE, 2) == pytest.approx(2000 / (2 + 4 + 0.5 + 2 + 0.5))
    assert on_shared_cores(SERVICE, 100) == 500.0


def test_the_table_names_what_is_full() -> None:
    assert model_rows(SERVICE, {"large": LARGE}, (1,)) == [["replicas", "large"], ["1", "500 (controller)"]]
