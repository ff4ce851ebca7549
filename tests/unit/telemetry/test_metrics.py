"""Every metric is described once and follows Prometheus' conventions; users can't make its labels grow."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from issuer.controller.canary.history import Stage
from issuer.controller.canary.target import CanaryTarget
from issuer.controller.delivery.discarding import Cause
from issuer.controller.leadership.ownership import Alone
from issuer.controller.leadership.replica import ShardedReplica
from issuer.controller.process.options import CanarySchedule, ControllerOptions, LeaderOptions, WatchOptions
from issuer.controller.process.reason_labels import reason_labels
from issuer.controller.process.wiring import Components
from issuer.controller.revocation.plan import Result
from issuer.controller.scheduling.limits import Limits
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.reasons import ControllerDenial, ControllerFailure, ControllerRetry
from issuer.kube.client import KubeClient
from issuer.kube.leases.election import LeaderElector
from issuer.policy.decision import PolicyVerdict
from issuer.reasons import FailureReason
from issuer.requests.issuers import IssuerKey
from issuer.requests.reasons import RequestFailure
from issuer.signing.reasons import Reasons, SigningFailure, SigningRetry
from issuer.signing.vault.reasons import VaultFailure, VaultRetry
from issuer.telemetry.canary_metrics import CanaryMetrics
from issuer.telemetry.catalogue.described import MetricDescription
from issuer.telemetry.catalogue.label_values import OTHER
from issuer.telemetry.catalogue.whole import CATALOGUE, find, most_series, with_reasons
from issuer.telemetry.metrics import Metrics
from issuer.x509.verification.findings import FindingCode
from tests.builders import REASON_LABELS, issuer_object
from tests.unit.controller.bench import with_meta
from tests.unit.controller.fakes import ScriptedKube
from tools.metrics_page import PAGE, filled, main, series

OURS = "vault_issuer_"
DEMO = IssuerKey("VaultClusterIssuer", "", "demo")


def components(**options: Any) -> Components:
    return Components(ControllerOptions(**options), cast(KubeClient, ScriptedKube()), Alone())


def exposed(metrics: Metrics) -> dict[str, str]:
    """Name and type of each of our metrics, as /metrics has them."""
    return {
        f"{one.name}_total"
        if one.type == "counter"
        else f"{one.name}_info"
        if one.type == "info"
        else one.name: one.type
        for one in metrics.registry.collect()
        if one.name.startswith(OURS)
    }


def test_what_is_exposed_is_what_is_described() -> None:
    one = components(canaries=CanarySchedule((CanaryTarget(DEMO, "canaries", "canary.lab.example.test"),)))
    replica = ShardedReplica(
        ControllerOptions(leader=LeaderOptions(shards=2)).sharing,
        one.client,
        cast(LeaderElector, SimpleNamespace(lease=SimpleNamespace())),
    )
    replica.attach(None, one.metrics)  # type: ignore[arg-type]
    assert exposed(one.metrics) == {entry.name: entry.kind for entry in CATALOGUE}


def test_what_is_switched_off_is_not_exposed() -> None:
    without = components(watch=WatchOptions(certificates=False))
    missing = {entry.name for entry in CATALOGUE} - set(exposed(without.metrics))
    assert missing == {entry.name for entry in CATALOGUE if entry.when}


@pytest.mark.parametrize("one", CATALOGUE, ids=lambda one: one.name)
def test_names_follow_the_conventions(one: MetricDescription) -> None:
    assert re.fullmatch(r"vault_issuer_[a-z_]+", one.name)
    assert one.name.endswith("_total") == (one.kind == "counter")
    assert one.name.endswith("_info") == (one.kind == "info")
    if one.kind == "histogram":
        assert one.name.endswith("_seconds")
        assert list(one.buckets) == sorted(set(one.buckets))
    assert one.help.endswith(".")
    assert not {"request", "certificate", "requester", "username", "le"} & set(one.labels)
    assert bool(one.per) == any(
        not values and label not in ("version", "python") for label, values in one.labels.items()
    )


def test_names_are_unique() -> None:
    assert len({one.name for one in CATALOGUE}) == len(CATALOGUE)


def test_nothing_has_a_created_series() -> None:
    metrics = Metrics()
    metrics.answered("issued", "Issued")
    names = {sample.name for family in metrics.registry.collect() for sample in family.samples}
    assert f"{OURS}requests_total" in names
    assert not [name for name in names if name.endswith("_created")]


def test_the_series_of_an_idle_controller_are_fewer_than_its_arithmetic_says() -> None:
    count = sum(len(family.samples) for family in components().metrics.registry.collect())
    assert 0 < count <= most_series(0, 0, REASON_LABELS)


def test_counters_of_few_words_begin_at_0_so_that_the_first_event_is_an_increase() -> None:
    registry = Metrics(REASON_LABELS).registry

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"{OURS}{name}_total", labels)

    assert value("requests", outcome="failed", reason="RefusedByVault") == 0
    assert value("requests", outcome="issued", reason="RefusedByVault") is None
    assert value("policy_decisions", verdict="Denied", policy="") == 0
    assert value("worker_errors", queue="requests") == 0
    assert value("certificate_differences", code="Expired", fatal="true") is None


def test_arithmetic_counts_what_prometheus_client_makes() -> None:
    metrics = Metrics()
    for result in find(f"{OURS}sign_seconds").labels["result"]:
        metrics.sign_seconds.labels(result).observe(1)
    (family,) = [one for one in metrics.registry.collect() if one.name == f"{OURS}sign_seconds"]
    assert len(family.samples) == find(f"{OURS}sign_seconds").most(0, 0)
    assert series(find(f"{OURS}sign_seconds")) == "17 * 7"
    assert series(find(f"{OURS}throttled_seconds_total")) == "5 * I"
    assert series(find(f"{OURS}policy_decisions_total")) == "2 * P + 3"


def test_canaries_make_as_many_series_as_the_arithmetic_says_however_often_they_run() -> None:
    registry = CollectorRegistry()
    told = CanaryMetrics(registry, tuple(Stage), 60)
    issuers = (DEMO, IssuerKey("VaultIssuer", "team", "web"))
    for key in issuers:
        told.begin(key)
        for stage in (None, *Stage, None):
            told.record(key, datetime.now(UTC), 1.0, stage, datetime.now(UTC))
    made = sum(len(family.samples) for family in registry.collect())
    assert made == sum(one.most(len(issuers), 0) for one in CATALOGUE if one.when == "--canary") == 1 + 2 * 12


# What the code can say --------------------------------------------------------------------------------------


def test_the_words_of_labels_are_those_of_the_code() -> None:
    def values(name: str, label: str) -> set[str]:
        return set(find(f"{OURS}{name}").labels[label])

    assert values("certificates_discarded_total", "cause") == {one.name.lower() for one in Cause}
    assert values("revocations_total", "result") == {str(one) for one in Result} - {"nothing"}
    assert values("policy_decisions_total", "verdict") == {str(one) for one in PolicyVerdict}
    assert values("watch_restarts_total", "resource") == set(components().watches.reflectors)
    assert values("canary_failing", "stage") == {str(one) for one in Stage}


def test_every_reason_of_the_layers_and_the_backend_is_a_label() -> None:
    metrics = Metrics(REASON_LABELS)
    failures = (RequestFailure, SigningFailure, ControllerFailure, VaultFailure)
    retries = (SigningRetry, ControllerRetry, VaultRetry)
    described = {one.name: one for one in with_reasons(REASON_LABELS)}

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"{OURS}{name}", labels)

    for reason in (reason for enum in failures for reason in enum):
        metrics.answered("failed", reason)
        assert value("requests_total", outcome="failed", reason=reason) == 1
    for retry in (reason for enum in retries for reason in enum):
        metrics.put_off(retry)
        assert value("request_attempts_put_off_total", reason=retry) == 1
    for code in FindingCode:
        assert code in described[f"{OURS}certificate_differences_total"].labels["code"]
    for denial in ControllerDenial:
        assert value("requests_total", outcome="denied", reason=denial) == 0


def test_a_backend_from_outside_brings_its_own_reasons() -> None:
    class OddFailure(FailureReason):
        ODD = "OddCA"

    metrics = Metrics(reason_labels([Reasons.of(OddFailure)]))
    metrics.answered("failed", OddFailure.ODD)
    labels = {"outcome": "failed", "reason": "OddCA"}
    assert metrics.registry.get_sample_value(f"{OURS}requests_total", labels) == 1


def test_a_reason_from_elsewhere_is_counted_as_other() -> None:
    metrics = Metrics(REASON_LABELS)
    for number in range(100):
        metrics.answered("failed", f"Made{number}")
        metrics.put_off(f"Made{number}")

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"{OURS}{name}", labels)

    assert value("requests_total", outcome="failed", reason=OTHER) == 100
    assert value("request_attempts_put_off_total", reason=OTHER) == 100
    assert value("requests_total", outcome="failed", reason="Made1") is None


# What is gone -----------------------------------------------------------------------------------------------


def labelled(metrics: Metrics, value: str) -> set[str]:
    """The metrics with a series that has this label's value."""
    return {
        sample.name
        for family in metrics.registry.collect()
        for sample in family.samples
        if value in sample.labels.values()
    }


@pytest.mark.parametrize("kind", ["VaultClusterIssuer", "StepClusterIssuer"])
async def test_an_issuer_that_is_gone_leaves_no_series_even_when_its_requests_waited_last(kind: str) -> None:
    metrics = Metrics()
    registry = IssuerRegistry(lambda _key: None)
    limits = Limits(registry, metrics, concurrent=1)
    key = IssuerKey(kind, "", "demo")
    registry.entry(key).uid = "uid-1"
    gate = limits.limiter(key)
    gate.waited("concurrent", 1.5)
    metrics.issuers.checked(key, ready=True, ca_ends=1.0)
    assert len(labelled(metrics, "demo")) == len(labelled(metrics, kind)) == 3
    await registry.forget(key)
    metrics.forget_issuer(*key)
    gate.waited("concurrent", 1.5)  # a lane that was closed until now
    assert labelled(metrics, "demo") == set()


async def test_gauges_of_issuers_are_of_those_that_are_there() -> None:
    one = components()
    store = one.state.issuers["VaultClusterIssuer"]
    store.upsert(issuer_object())
    one.watches.reflectors["Certificate"].synced.set()
    gauges = {
        f"{OURS}certificates",
        f"{OURS}certificates_not_ready",
        f"{OURS}certificates_past_renewal",
    }
    assert labelled(one.metrics, "demo") == gauges
    store.remove(issuer_object())
    assert labelled(one.metrics, "demo") == set()
    one.queues.close()


async def test_certificates_that_may_not_be_watched_have_no_series_rather_than_zeros() -> None:
    one = components()
    one.state.issuers["VaultClusterIssuer"].upsert(issuer_object())
    assert labelled(one.metrics, "demo") == set()
    one.queues.close()


async def test_a_policy_that_is_gone_leaves_no_series() -> None:
    one = components()
    policy = with_meta({"metadata": {"name": "web"}, "spec": {"selector": {"issuerRef": {}}}})
    one.state.policies.upsert(policy)
    for verdict in ("Approved", "Denied"):
        one.metrics.decisions.labels(verdict, "web").inc()
    assert labelled(one.metrics, "web") == {f"{OURS}policy_decisions_total"}
    one.state.policies.remove(policy)
    assert labelled(one.metrics, "web") == set()
    one.queues.close()


# The page ---------------------------------------------------------------------------------------------------


def test_the_page_is_made_from_the_catalogue() -> None:
    assert main(["--check"]) == 0, "run `make metrics-page`"
    text = PAGE.read_text()
    assert [one.name for one in CATALOGUE if f"| `{one.name}` | {one.kind} |" not in text] == []


def test_a_page_that_differs_is_noticed() -> None:
    text = PAGE.read_text()
    assert filled(text.replace("counter", "gauge")) == text
    with pytest.raises(KeyError):
        filled("<!-- made: nothing -->\n<!-- made: end -->")
