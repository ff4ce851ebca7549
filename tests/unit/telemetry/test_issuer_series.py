"""A tenant who makes thousands of issuers makes few series, and what those say is not lost."""

from __future__ import annotations

from typing import cast

from issuer.controller.leadership.ownership import Alone
from issuer.controller.process.options import ControllerOptions
from issuer.controller.process.wiring import Components
from issuer.kube.client import KubeClient
from issuer.requests.issuers import IssuerKey
from issuer.telemetry.catalogue.whole import CATALOGUE, most_series
from issuer.telemetry.issuer_series import MOST, MOST_OF_NAMESPACE, Issuer, IssuerSeries
from issuer.telemetry.metrics import Metrics
from tests.builders import REASON_LABELS
from tests.unit.controller.fakes import ScriptedKube

KIND = "VaultIssuer"
SHARED = (KIND, "Other", "Other")


def named(number: int, namespace: str = "team-a") -> Issuer:
    """One of a tenant's issuers."""
    return KIND, namespace, f"issuer-{number}"


def value(metrics: Metrics, name: str, issuer: Issuer, **more: str) -> float | None:
    """The value of an issuer's series."""
    labels = dict(zip(("kind", "namespace", "name"), issuer, strict=True))
    return metrics.registry.get_sample_value(f"vault_issuer_{name}", {**labels, **more})


def test_a_namespace_has_few_issuers_with_series_and_all_together_have_a_bound() -> None:
    series = IssuerSeries()
    assert {series.labels(named(number)) for number in range(5_000)} == {
        *(named(number) for number in range(MOST_OF_NAMESPACE)),
        SHARED,
    }
    made = {series.labels(named(number, f"ns-{ns}")) for ns in range(100) for number in range(60)}
    assert len(made | {named(number) for number in range(MOST_OF_NAMESPACE)}) == MOST + 1


def test_cluster_issuers_always_have_their_own() -> None:
    series = IssuerSeries()
    clusters = [("VaultClusterIssuer", "", f"c{number}") for number in range(3_000)]
    assert [series.labels(one) for one in clusters] == clusters


def test_what_many_share_is_the_worst_of_them() -> None:
    metrics = Metrics()
    for number in range(MOST_OF_NAMESPACE):
        metrics.issuers.checked(named(number), ready=True, ca_ends=9000.0)
        metrics.issuers.labels(named(number))
    for number in range(100, 110):
        metrics.issuers.checked(named(number), ready=number != 105, ca_ends=float(number))
    metrics.issuers.checked(named(111), ready=True, ca_ends=None)
    assert value(metrics, "issuer_ready", SHARED) == 0
    assert value(metrics, "ca_not_after_timestamp_seconds", SHARED) == 100
    assert value(metrics, "issuer_ready", named(105)) is None
    assert value(metrics, "issuer_ready", named(0)) == 1


def test_the_end_of_a_ca_stays_while_a_check_does_not_see_it() -> None:
    metrics = Metrics()
    metrics.issuers.checked(named(1), ready=True, ca_ends=5.0)
    metrics.issuers.checked(named(1), ready=False, ca_ends=None)
    assert value(metrics, "ca_not_after_timestamp_seconds", named(1)) == 5
    assert value(metrics, "issuer_ready", named(1)) == 0


def test_a_place_that_gets_free_is_taken_and_shared_counts_stay() -> None:
    metrics = Metrics()

    def waited(issuer: Issuer) -> None:
        metrics.throttled.labels(*metrics.issuers.labels(issuer), "rate").inc()

    for number in range(MOST_OF_NAMESPACE + 2):
        waited(named(number))
    last = named(MOST_OF_NAMESPACE)
    assert value(metrics, "throttled_seconds_total", SHARED, reason="rate") == 2
    metrics.forget_issuer(*last)
    assert value(metrics, "throttled_seconds_total", SHARED, reason="rate") == 2
    metrics.forget_issuer(*named(0))
    metrics.forget_issuer(*named(0))
    assert value(metrics, "throttled_seconds_total", named(0), reason="rate") is None
    waited(last)
    assert value(metrics, "throttled_seconds_total", last, reason="rate") == 1
    waited(named(0))
    assert value(metrics, "throttled_seconds_total", SHARED, reason="rate") == 3


def test_thousands_of_issuers_make_no_more_series_than_the_arithmetic_says() -> None:
    components = Components(ControllerOptions(), cast(KubeClient, ScriptedKube()), Alone())
    for namespace in range(100):
        for number in range(60):
            key = IssuerKey(KIND, f"ns-{namespace}", f"i{number}")
            components.metrics.issuers.checked(key, ready=True, ca_ends=1.0)
            entry = components.state.registry.entry(key)
            entry.uid = "there"
            components.limits._waited(key, "rate", 1.0)
    count = sum(len(family.samples) for family in components.metrics.registry.collect())
    assert count <= most_series(MOST + 1, 0, REASON_LABELS)
    assert [one.name for one in CATALOGUE if one.per == "issuer"]


def test_certificates_of_issuers_that_share_are_added_up() -> None:
    series = IssuerSeries()
    for number in range(MOST_OF_NAMESPACE):
        series.labels(named(number))
    rows = [(named(number), (2.0, 1.0, None)) for number in (100, 101, 102)]
    assert series.folded(rows, (sum, min, min)) == [(SHARED, (6.0, 1.0, None))]
